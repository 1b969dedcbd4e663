"""organize across file systems: a copy is whole before its original goes, and none is left over."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mutagen
import pytest
from organize_support import digest, everything, put
from plugins_support import tagged

from genretagd.errors import DeliveryError


def set_apart(organize: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the new folders be on another file system than the track."""
    rename = organize._rename

    def within_one(*names: Any, source: int | None = None) -> None:
        if source is None:
            raise OSError(errno.EXDEV, "another file system")
        rename(*names, source=source)

    monkeypatch.setattr(organize, "_rename", within_one)


def refusing(number: int) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("cross", [False, True], ids=["renamed", "copied"])
def test_folders_can_be_read_by_whoever_can_read_the_library_and_files_keep_their_mode(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch, *, cross: bool
) -> None:
    if cross:
        set_apart(organize, monkeypatch)
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    track.chmod(0o644)
    library.chmod(0o2775)
    previous = os.umask(0o077)
    try:
        told = organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    finally:
        os.umask(previous)
    assert told.to.stat().st_mode & 0o7777 == 0o644
    for folder in list(told.to.parents)[:3]:
        assert folder.stat().st_mode & 0o7777 == 0o2775


def test_a_move_across_file_systems_keeps_content_mode_and_time(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    track.chmod(0o640)
    os.utime(track, ns=(1, 1_234_567_890_123_456_789))
    content = digest(track)
    set_apart(organize, monkeypatch)
    told = organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    status = told.to.stat()
    assert digest(told.to) == content
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o640, 1_234_567_890_123_456_789)
    assert everything(library) == ["Rock/Band/Record/a.mp3"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL], ids=["not permitted", "no such group here"])
def test_a_track_is_moved_where_a_copy_cannot_have_its_owner_and_group(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    set_apart(organize, monkeypatch)
    monkeypatch.setattr(os, "fchown", refusing(number))
    organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    assert everything(library) == ["Rock/Band/Record/a.mp3"]


def test_a_track_is_copied_from_where_no_attributes_are_known_to_where_no_links_are(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    content = digest(track)
    set_apart(organize, monkeypatch)
    monkeypatch.setattr(organize.ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(organize.os, "link", refusing(errno.EPERM))
    monkeypatch.setattr(organize.os, "listxattr", refusing(errno.ENOTSUP), raising=False)
    told = organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    assert digest(told.to) == content
    assert everything(library) == ["Rock/Band/Record/a.mp3"]


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_copies_that_were_cut_off_leave_no_more_than_one_part_which_the_next_attempt_removes(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = tagged(put(sounds, library, "in/a.mp3", artist="Band", album="Record"), "Rock")
    set_apart(organize, monkeypatch)
    plugin = organize.Organize(root=library)
    monkeypatch.setattr(organize.shutil, "copyfileobj", killed)
    for process in range(2):
        monkeypatch.setattr(organize.os, "getpid", lambda process=process: process)
        with monkeypatch.context() as patched:
            if process == 0:
                patched.setattr(organize.os, "unlink", lambda *_, **__: None)
            with pytest.raises(KeyboardInterrupt):
                plugin.on_tagged(event)
        assert len(everything(library)) == 2 - process
    assert everything(library) == ["in/a.mp3"]


@pytest.mark.parametrize("taken", [False, True], ids=["its-name", "another-name"])
def test_a_copy_whose_original_could_not_be_removed_is_found_again(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    if taken:
        put(sounds, library, "Rock/Band/Record/a.mp3", artist="Somebody")
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    content, event = digest(track), tagged(track, "Rock")
    set_apart(organize, monkeypatch)
    monkeypatch.setattr(organize.ctypes, "CDLL", lambda *_, **__: object())  # where a rename takes two steps
    plugin = organize.Organize(root=library)
    with monkeypatch.context() as patched:
        patched.setattr(organize.Path, "unlink", killed)
        patched.setattr(organize.os, "unlink", lambda *_, **__: None)  # whoever is killed tidies nothing up
        with pytest.raises(KeyboardInterrupt):
            plugin.on_tagged(event)
    assert len(everything(library)) == 3 + taken
    told = plugin.on_tagged(event)
    assert told.to.name == ("a (2).mp3" if taken else "a.mp3")
    assert digest(told.to) == content
    assert told.to.stat().st_nlink == 1
    assert len(everything(library)) == 1 + taken


def test_an_original_that_changed_after_it_was_copied_stays(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    set_apart(organize, monkeypatch)
    real = organize._rename

    def changed(*names: Any, **folders: Any) -> None:
        real(*names, **folders)
        put(sounds, library, "in/a.mp3", artist="Band", album="Another")

    monkeypatch.setattr(organize, "_rename", changed)
    with pytest.raises(DeliveryError, match="changed while"):
        organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    assert everything(library) == ["in/a.mp3"]
    assert mutagen.File(track, easy=True)["album"] == ["Another"]


def test_a_copy_that_fails_leaves_the_track_and_nothing_else(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    content = digest(track)

    def full(source: Any, copy: Any, *_: Any) -> None:
        copy.write(source.read(100))
        raise OSError(errno.ENOSPC, "no space left")

    set_apart(organize, monkeypatch)
    monkeypatch.setattr(organize.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="no space"):
        organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    assert everything(library) == ["in/a.mp3"]
    assert digest(track) == content
