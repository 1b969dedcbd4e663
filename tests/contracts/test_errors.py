"""The error tree is what its docstring says it is."""

from __future__ import annotations

import re

import pytest

from genretagd import errors


def tree() -> dict[str, tuple[str | None, int | None]]:
    """Return (parent, exit status) by name, as drawn in the docstring."""
    drawn: dict[str, tuple[str | None, int | None]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^ {4}(?P<lines>[│├└─ ]*)(?P<name>[A-Z]\w+Error)\s+(?P<status>\d)?", line)
        if not match:
            continue
        depth = len(match["lines"])
        above = [(d, name) for d, name in above if d < depth]
        drawn[match["name"]] = (
            above[-1][1] if above else None,
            int(match["status"]) if match["status"] else None,
        )
        above.append((depth, match["name"]))
    return drawn


CLASSES = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


def test_every_error_is_drawn_in_the_tree():
    assert set(tree()) == {name for name, kind in CLASSES.items() if issubclass(kind, errors.GenretagdError)}


@pytest.mark.parametrize("name", tree())
def test_an_error_has_the_parent_and_the_exit_status_that_are_drawn(name):
    parent, status = tree()[name]
    kind = CLASSES[name]

    assert kind.__base__ is (CLASSES[parent] if parent else Exception)
    assert kind.exit_status == (1 if status is None else status)
