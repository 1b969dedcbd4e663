"""Whether somebody writes to a file, and what cannot be known about that."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path

import pytest

from genretagd import mountinfo
from genretagd.writers import has_writer, is_open_elsewhere

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="leases are Linux's")


@pytest.fixture
def track(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"sound")
    return path


def test_a_writer_is_seen_while_it_has_the_file_open(track: Path) -> None:
    with track.open("rb") as file:
        with track.open("r+b"):
            assert has_writer(file.fileno())
        assert not has_writer(file.fileno())


def test_a_reader_is_seen_while_it_has_the_file_open(track: Path) -> None:
    with track.open("rb") as file:
        with track.open("rb"):
            assert is_open_elsewhere(file.fileno())
        assert not is_open_elsewhere(file.fileno())


def test_who_opens_the_file_for_writing_meanwhile_ends_nobody(
    track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.fcntl

    def slow(fd: int, command: int, argument: int = 0) -> int:
        if (command, argument) == (fcntl.F_SETLEASE, fcntl.F_UNLCK):
            with pytest.raises(BlockingIOError):  # as it breaks the lease, the holder gets its signal
                os.open(track, os.O_RDWR | os.O_NONBLOCK)
        return real(fd, command, argument)

    assert signal.getsignal(signal.SIGIO) is signal.SIG_DFL
    monkeypatch.setattr(fcntl, "fcntl", slow)
    with track.open("rb") as file:
        assert not has_writer(file.fileno())


def test_a_system_without_leases_is_asked_nothing(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the numbers of Linux mean something else, such as another place for a descriptor."""
    asked: list[int] = []
    monkeypatch.setattr(fcntl, "fcntl", lambda _fd, command, *_rest: asked.append(command))
    monkeypatch.delattr(fcntl, "F_SETLEASE")
    with track.open("rb") as file:
        assert not has_writer(file.fileno())
        assert is_open_elsewhere(file.fileno())
    assert asked == []


@pytest.mark.parametrize(
    ("type_", "known"), [("ext4", True), ("btrfs", True), ("nfs4", False), ("cifs", False), ("smb3", False)]
)
def test_a_share_that_gives_no_lease_tells_of_no_writer(
    type_: str, known: bool, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = track.stat().st_dev
    mounts = track.with_name("mounts")
    mounts.write_text(
        "21 1 0:0 / / rw shared:1 - ext4 /dev/root rw\n"
        "40 21 0:1 / /strange\u2028\x85\x1c\r rw - ext4 /dev/root rw\n"
        f"41 21 {os.major(device)}:{os.minor(device)} / /music rw - {type_} nas:/music rw,nfs4=cifs\n"
    )
    monkeypatch.setattr(mountinfo, "MOUNTINFO", mounts)
    with track.open("rb") as file, track.open("r+b"):
        assert has_writer(file.fileno()) is known
