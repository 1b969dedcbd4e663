"""A right of one process at a time."""

import errno
import fcntl
from pathlib import Path

import pytest

from genretagd.lease import Lease


def test_it_is_held_once(tmp_path: Path) -> None:
    one, other = Lease(tmp_path / "new/lock"), Lease(tmp_path / "new/lock")
    assert one.take()
    assert one.take()
    assert not other.take()
    one.give_back()
    assert other.take()
    other.give_back()


@pytest.mark.parametrize(
    ("problem", "had"), [(errno.ENOLCK, True), (errno.EOPNOTSUPP, True), (errno.EIO, False)]
)
def test_where_a_file_system_knows_no_locks_everybody_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: int, had: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(problem, "refused")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert Lease(tmp_path / "lock").take() is had
