"""What shares and other systems' disks do otherwise than a disk of one's own: owners, locks, open files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import NEW, Tag, refused

from genretagd.domain import FileVersion
from genretagd.errors import TagError
from genretagd.lease import lock
from genretagd.tagging import temps
from genretagd.tagging.store import FileTagStore
from genretagd.tagging.sweeping import sweep

Replace = Callable[..., None]


def test_a_file_is_written_where_all_files_belong_to_the_same_user_whoever_makes_them(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = track.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    tag(track, NEW)
    assert track.stat().st_uid == owner


def test_a_copy_can_be_read_where_locks_are_mandatory_and_is_told_from_a_dead_one(
    track: Path, tag: Tag
) -> None:
    """As on SMB: a descriptor can read what it could lock together with others."""
    seen = []

    def digest(path: Path) -> str:
        with path.open("rb") as file:
            seen.append(
                (temps.is_temporary(path.name), lock(file.fileno(), shared=True), lock(file.fileno()))
            )
        sweep(path.parent)
        return "the same"

    tag(track, NEW, by=FileTagStore(audio_digest=digest))
    assert seen == [(False, True, True), (True, True, False)]


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do something before a file is replaced, or after it, as shares do."""

    def pretend(fail: Replace, *, late: bool = False) -> None:
        real = os.replace

        def replace(source: str, name: str, **kwargs: int) -> None:
            if not late:
                fail(name, kwargs["dst_dir_fd"])
            real(source, name, **kwargs)
            if late:
                fail(name, kwargs["dst_dir_fd"])

        monkeypatch.setattr(os, "replace", replace)

    return pretend


def test_the_original_is_not_open_when_it_is_replaced(
    track: Path, tag: Tag, share: Callable[..., None]
) -> None:
    inode, fds = track.stat().st_ino, Path("/proc/self/fd")
    if not fds.is_dir():
        pytest.skip("this system does not tell what is open")
    open_here: list[bool] = []

    def look(_name: str, _directory: int) -> None:
        found = {fd.stat().st_ino for fd in fds.iterdir() if fd.exists()}
        open_here.append(inode in found)

    share(look)
    tag(track, NEW)
    assert open_here == [False]


def test_a_file_that_a_share_does_not_replace_while_it_is_open_is_tried_again(
    track: Path, tag: Tag, share: Callable[..., None]
) -> None:
    def deny(_name: str, _directory: int) -> None:
        raise PermissionError(errno.EACCES, "denied")

    share(deny)
    assert refused(tag, track, "in use").transient


def test_a_file_that_was_replaced_though_the_reply_was_lost_counts_as_written(
    track: Path, tag: Tag, share: Callable[..., None]
) -> None:
    """NFS asks again then, and the second answer is that there is nothing to rename."""

    def ask_again(_name: str, _directory: int) -> None:
        raise FileNotFoundError(errno.ENOENT, "it has been renamed already")

    share(ask_again, late=True)
    change = tag(track, NEW)
    assert change.after == NEW
    assert change.version_after == FileVersion.of(track.stat())


def test_a_file_that_a_share_takes_away_instead_of_replacing_it_is_there_again(
    track: Path, tag: Tag, store: FileTagStore, share: Callable[..., None]
) -> None:
    def lose(name: str, directory: int) -> None:
        if track.exists():
            os.unlink(name, dir_fd=directory)
            raise FileNotFoundError(errno.ENOENT, "lost")

    share(lose)
    tag(track, NEW)
    assert store.read_genres(track).genres == NEW
    assert list(track.parent.iterdir()) == [track]


def test_a_file_whose_name_a_share_does_not_give_back_is_kept_under_another_one(
    track: Path, tag: Tag, store: FileTagStore, share: Callable[..., None]
) -> None:
    def lose(name: str, directory: int) -> None:
        if track.exists():
            os.unlink(name, dir_fd=directory)
        if name == track.name:
            raise FileNotFoundError(errno.ENOENT, "it is to be deleted when its reader closes it")

    share(lose)
    with pytest.raises(TagError) as caught:
        tag(track, NEW)
    sweep(track.parent)
    [kept] = track.parent.iterdir()
    assert kept.name in caught.value.problem
    assert not kept.name.startswith(".")
    assert store.read_genres(kept).genres == NEW


@pytest.mark.parametrize("problem", [errno.EOPNOTSUPP, errno.EIO, errno.EACCES, 524, 0])
def test_a_server_that_cannot_copy_by_itself_gets_a_copy_all_the_same(
    problem: int, track: Path, tag: Tag, store: FileTagStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_args: int) -> int:
        if problem:
            raise OSError(problem, "cannot")
        return 0

    monkeypatch.setattr(os, "copy_file_range", cannot, raising=False)
    tag(track, NEW)
    assert store.read_genres(track).genres == NEW
