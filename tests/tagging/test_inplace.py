"""Rewriting a file with several names where it lies: nothing is lost, whoever comes in between."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import NEW, Tag, edited, refused
from tag_cases import CASES, Case
from tag_streams import bare_mp3

from genretagd.domain import WriteOptions
from genretagd.errors import FileChangedError, TagError
from genretagd.lease import lock
from genretagd.tagging import inplace, splice, temps
from genretagd.tagging.store import FileTagStore

Place = Callable[[Case], Path]


@pytest.mark.parametrize("name", ["mp3-id3v23", "mp3-no-tag", "m4a-faststart", "flac-no-padding", "wav"])
def test_a_file_with_several_names_is_rewritten_in_place_on_request(
    name: str, place: Place, tag: Tag, store: FileTagStore
) -> None:
    path = place(next(case for case in CASES if case.id == name))
    other = path.with_name("second name")
    os.link(path, other)
    old, inode = path.read_bytes(), path.stat().st_ino
    change = tag(path, NEW, options=WriteOptions(hardlinks="in-place", mtime="keep"))
    assert store.read_genres(other).genres == NEW
    assert path.stat().st_ino == other.stat().st_ino == inode
    store.restore_fields(
        path,
        change.fields_before,
        expected=change.version_after,
        options=WriteOptions(hardlinks="in-place"),
    )
    assert other.read_bytes() == old
    assert sorted(path.parent.iterdir()) == sorted([path, other])


def test_when_a_rewrite_in_place_fails_the_old_content_is_put_back(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.link(track, track.with_name("second name"))
    real, calls = inplace.copy_range, []

    def fail_once(*args: int) -> None:
        calls.append(args)
        if len(calls) == 1:
            real(*args[:4], args[4] // 2)
            raise OSError(errno.EIO, "broken")
        real(*args)

    monkeypatch.setattr(inplace, "copy_range", fail_once)
    refused(tag, track, "io", options=WriteOptions(hardlinks="in-place"))
    assert len(calls) > 1


def replaced(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(b"another file")
    new.replace(path)


@pytest.mark.parametrize("change", [edited, replaced])
def test_a_file_changed_while_its_backup_is_made_is_left_to_its_new_owner(
    change: Callable[[Path], None], track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = track.with_name("second name")
    os.link(track, other)
    theirs: list[bytes] = []

    def backup(*args: Any) -> None:
        splice.write_copy(*args)
        change(track)
        theirs.extend([track.read_bytes(), other.read_bytes()])

    monkeypatch.setattr(inplace, "write_copy", backup)
    with pytest.raises(FileChangedError):
        tag(track, NEW, options=WriteOptions(hardlinks="in-place"))
    assert [track.read_bytes(), other.read_bytes()] == theirs
    assert sorted(track.parent.iterdir()) == sorted([track, other])


def test_a_file_is_rewritten_in_place_by_one_at_a_time(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = track.with_name("second name.mp3")
    os.link(track, other)
    refusals: list[str] = []

    def backup(*args: Any) -> None:
        monkeypatch.undo()
        with pytest.raises(FileChangedError) as caught:
            tag(other, ("Jazz",), options=WriteOptions(hardlinks="in-place"))
        refusals.append(caught.value.code)
        splice.write_copy(*args)

    monkeypatch.setattr(inplace, "write_copy", backup)
    tag(track, NEW, options=WriteOptions(hardlinks="in-place"))
    assert refusals == ["in use"]
    assert FileTagStore().read_genres(other).genres == NEW


def test_the_descriptor_that_writes_a_file_is_the_one_that_has_it_locked(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where locks are mandatory, as on SMB, no other one can write."""
    os.link(track, track.with_name("second name.mp3"))
    real, locked = inplace._write_differences, []

    def write(source: int, target: int, size: int) -> None:
        with track.open("rb") as another:
            locked.append((lock(target), lock(another.fileno())))
        real(source, target, size)

    monkeypatch.setattr(inplace, "_write_differences", write)
    tag(track, NEW, options=WriteOptions(hardlinks="in-place"))
    assert locked == [(True, False)]


def test_a_file_that_stayed_half_written_is_not_looked_at_before_its_old_content_is_back(
    track: Path, tag: Tag, store: FileTagStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.link(track, track.with_name("second name"))
    old = track.read_bytes()
    another_worker = FileTagStore()
    another_worker.read_genres(track)
    calls = []

    def fail(*args: int) -> None:
        calls.append(args)
        if len(calls) == 1:
            splice.copy_range(*args)
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(inplace, "copy_range", fail)
        with pytest.raises(TagError):
            tag(track, NEW, options=WriteOptions(hardlinks="in-place"))
        assert track.read_bytes() != old
        for worker in (store, another_worker):
            with pytest.raises(TagError, match="half written") as caught:
                worker.read_genres(track)
            assert caught.value.transient
    store.read_genres(track)
    assert track.read_bytes() == old
    assert len(list(track.parent.iterdir())) == 2


def test_a_half_written_file_that_its_owner_has_repaired_is_not_touched(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.link(track, track.with_name("second name"))
    old = track.read_bytes()

    def fail(*_args: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(inplace, "copy_range", fail)
        broken.setattr(inplace, "_write_back", fail)
        with pytest.raises(TagError):
            tag(track, NEW, options=WriteOptions(hardlinks="in-place"))
    [backup] = [path for path in track.parent.iterdir() if temps.is_backup(path.name)]
    repaired = bytes(reversed(old))
    track.write_bytes(repaired)
    with pytest.raises(TagError, match=backup.name):
        FileTagStore().read_genres(track)
    assert track.read_bytes() == repaired
    assert backup.read_bytes().startswith(old)
    backup.unlink()
    track.write_bytes(old)
    FileTagStore().read_genres(track)


@pytest.fixture
def half_written(track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Leave the track and its second name, elsewhere, half written; return their old content."""
    (track.parent / "elsewhere").mkdir()
    os.link(track, track.parent / "elsewhere" / "second name.mp3")
    old = track.read_bytes()

    def half(source: int, start: int, target: int, at: int, length: int) -> None:
        splice.copy_range(source, start, target, at, length // 2)
        raise OSError(errno.EIO, "broken")

    def fail(*_args: Any) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(inplace, "copy_range", half)
        broken.setattr(inplace, "_write_back", fail)
        with pytest.raises(TagError):
            tag(track, NEW, options=WriteOptions(hardlinks="in-place"))
    assert track.read_bytes() != old
    return old


def test_a_half_written_file_that_was_renamed_is_put_back(track: Path, half_written: bytes) -> None:
    renamed = track.rename(track.with_name("01 renamed.mp3"))
    FileTagStore().read_genres(renamed)
    assert renamed.read_bytes() == half_written
    assert sorted(path.name for path in track.parent.iterdir()) == ["01 renamed.mp3", "elsewhere"]


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "replaced"])
def test_the_backup_of_a_half_written_file_that_has_left_stays_until_it_is_back(
    moved: bool, track: Path, half_written: bytes
) -> None:
    second = track.parent / "elsewhere" / "second name.mp3"
    if moved:
        track.rename(track.parent / "elsewhere" / "moved.mp3")
    neighbour = track.with_name("new")
    neighbour.write_bytes(bare_mp3())
    neighbour.replace(track)  # another file by now
    FileTagStore().read_genres(track)
    assert track.read_bytes() == bare_mp3()
    [backup] = [path for path in track.parent.iterdir() if temps.is_backup(path.name)]
    assert backup.read_bytes().startswith(half_written)
    track.unlink()
    second.rename(track)
    FileTagStore().read_genres(track)
    assert track.read_bytes() == half_written
    assert not backup.exists()
