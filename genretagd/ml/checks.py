"""Checks of JSON that came from outside: every problem of a document is collected and reported at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from genretagd.errors import ModelError


class Checker:
    """Collects the problems of one document.

    Parameters
    ----------
    source : str
        The document, as messages call it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._problems: list[str] = []

    def require(self, holds: bool, key: str, problem: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Note a problem unless something holds."""
        if not holds:
            self._problems.append(f"{key or 'document'}: {problem}")

    def finish(self) -> None:
        """Raise what was noted.

        Raises
        ------
        ModelError
            With all problems in one message.
        """
        if self._problems:
            listed = "; ".join(self._problems)
            raise ModelError(f"{self._source}: {listed}. Install or train the bundle again")

    def table(
        self, key: str, value: Any, *, known: Collection[str] | None = None, required: Collection[str] = ()
    ) -> Mapping[str, Any]:
        """Return an object with string keys; note unknown and missing ones."""
        if not isinstance(value, Mapping):
            self.require(False, key, "missing" if value is None else "not an object")
            return {}
        prefix = f"{key}." if key else ""
        for name in sorted(set(value) - set(known if known is not None else value)):
            self.require(False, f"{prefix}{name}", "unknown")
        for name in sorted(set(required) - set(value)):
            self.require(False, f"{prefix}{name}", "missing")
        return value

    def text(self, key: str, value: Any, *, empty: bool = False) -> str:
        """Return a text."""
        good = isinstance(value, str) and (empty or bool(value.strip()))
        self.require(good, key, f"{value!r} is not a text")
        return value if good else ""

    def texts(self, key: str, value: Any, *, least: int = 0) -> tuple[str, ...]:
        """Return a list of texts."""
        if not isinstance(value, list | tuple) or len(value) < least:
            self.require(False, key, f"not a list of {least} or more texts")
            return ()
        return tuple(self.text(f"{key}[{index}]", item) for index, item in enumerate(value))

    def truth(self, key: str, value: Any) -> bool:
        """Return a truth value."""
        self.require(isinstance(value, bool), key, f"{value!r} is neither true nor false")
        return bool(value)

    def whole(self, key: str, value: Any, least: int, most: int) -> int:
        """Return a whole number in a range."""
        good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        self.require(good, key, f"{value!r} is not a whole number from {least} to {most}")
        return value if good else least

    def number(self, key: str, value: Any, least: float, most: float) -> float:
        """Return a number in a range."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        good = is_number and least <= value <= most
        self.require(good, key, f"{value!r} is not a number from {least:g} to {most:g}")
        return float(value) if good else least

    def one_of(self, key: str, value: Any, choices: tuple[str, ...]) -> str:
        """Return one of some texts."""
        self.require(value in choices, key, f"{value!r}, this program knows {', '.join(choices)}")
        return value if value in choices else choices[0]

    def file_name(self, key: str, value: Any) -> str:
        """Return the plain name of a file in the same directory."""
        good = isinstance(value, str) and re.fullmatch(r"[\w][\w.-]{0,99}", value) is not None
        self.require(good, key, f"{value!r} is not a plain file name")
        return value if good else "missing"

    def hashes(self, key: str, value: Any) -> dict[str, str]:
        """Return an object of file names and their SHA-256 hashes."""
        result = {}
        for name, digest in self.table(key, value).items():
            self.file_name(f"{key}.{name}", name)
            good = isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest) is not None
            self.require(good, f"{key}.{name}", f"{digest!r} is not a SHA-256 hash")
            result[name] = str(digest)
        return result
