"""organize: a track finds its folder, nothing is overwritten, nothing leaves the library."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import mutagen
import mutagen.id3
import pytest
from organize_support import digest, everything, put
from plugins_support import Start, file_name, tagged, undone

from genretagd.errors import DeliveryError

FIELDS = {
    "ID3": ("TPE1", "TALB"),
    "_WaveID3": ("TPE1", "TALB"),
    "_IFFID3": ("TPE1", "TALB"),
    "_DSFID3": ("TPE1", "TALB"),
    "MP4Tags": ("\xa9ART", "\xa9alb"),
    "ASFTags": ("Author", "WM/AlbumTitle"),
    "APEv2": ("Artist", "Album"),
}
"""Where mutagen keeps artist and album, by its class of tags; all others are Vorbis comments."""


def test_a_track_moves_into_genre_artist_album(start: Start, sounds: Path, library: Path) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Guest", albumartist="Band", album="Record")
    content = digest(track)
    told = start("organize", root=library).tell(tagged(track, "Rock", "Pop"))
    target = library / "Rock" / "Band" / "Record" / "a.mp3"
    assert told is not None
    assert (told.moved_from, told.path) == (track, target)
    assert everything(library) == ["Rock/Band/Record/a.mp3"]
    assert digest(target) == content


def test_only_folders_of_a_former_genre_are_removed_when_they_are_empty(
    start: Start, sounds: Path, library: Path
) -> None:
    track = put(sounds, library, "in/new/a.mp3", artist="Band", album="Record")
    plugin = start("organize", root=library)
    (library / "Jazz").mkdir()
    for version, (before, after) in enumerate([((), "Rock"), (("Rock",), "Jazz"), (("Jazz",), "Pop")]):
        if after == "Pop":
            put(sounds, library, "Jazz/Band/b.mp3")
        told = plugin.tell(tagged(track, after, before=before, version=version))
        assert told is not None
        track = told.path
    folders = {str(path.relative_to(library)) for path in library.rglob("*") if path.is_dir()}
    assert folders == {"in", "in/new", "Jazz", "Jazz/Band", "Pop", "Pop/Band", "Pop/Band/Record"}


def test_every_format_tells_its_artist_and_album(organize: ModuleType, sounds: Path, tmp_path: Path) -> None:
    seen = set()
    for source in sorted(sounds.iterdir()):
        path = tmp_path / source.name
        shutil.copyfile(source, path)
        audio = mutagen.File(path)
        if audio is None:
            continue
        if audio.tags is None:
            audio.add_tags()
        kind = type(audio.tags).__name__
        artist, album = FIELDS.get(kind, ("artist", "album"))
        if artist == "TPE1":
            audio.tags.add(mutagen.id3.TPE1(encoding=3, text=["Band", "Guest"]))
            audio.tags.add(mutagen.id3.TALB(encoding=3, text=["Record"]))
        else:
            audio.tags[artist], audio.tags[album] = ["Band", "Guest"], ["Record"]
        audio.save()
        assert organize._artist_and_album(path) == ("Band", "Record"), source.name
        seen.add(source.suffix)
    assert len(seen) >= 8


def test_a_track_that_is_already_there_stays(start: Start, sounds: Path, library: Path) -> None:
    track = put(sounds, library, "Rock/Band/Record/a.mp3", artist="Band", album="Record")
    assert start("organize", root=library).tell(tagged(track, "Rock")) is None
    assert everything(library) == ["Rock/Band/Record/a.mp3"]


def test_nothing_is_overwritten(start: Start, sounds: Path, library: Path) -> None:
    taken = put(sounds, library, "Rock/Band/Record/a.mp3", artist="Somebody")
    before = digest(taken)
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    told = start("organize", root=library).tell(tagged(track, "Rock"))
    assert told is not None
    assert told.path.name == "a (2).mp3"
    assert digest(taken) == before
    assert len(everything(library)) == 2


def test_a_track_outside_the_library_is_left_alone(
    start: Start, sounds: Path, library: Path, tmp_path: Path
) -> None:
    track = put(sounds, tmp_path / "elsewhere", "a.mp3", artist="Band")
    assert start("organize", root=library).tell(tagged(track, "Rock")) is None
    assert track.exists()
    assert everything(library) == []


def test_a_track_behind_a_link_that_leads_out_is_left_alone(
    start: Start, sounds: Path, library: Path, tmp_path: Path
) -> None:
    put(sounds, tmp_path / "elsewhere", "a.mp3", artist="Band")
    (library / "in").symlink_to(tmp_path / "elsewhere")
    assert start("organize", root=library).tell(tagged(library / "in" / "a.mp3", "Rock")) is None
    assert (tmp_path / "elsewhere" / "a.mp3").exists()


def test_no_folder_that_is_a_link_is_followed(
    start: Start, sounds: Path, library: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (library / "Rock").symlink_to(tmp_path / "outside")
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    with pytest.raises(DeliveryError, match="in the way"):
        start("organize", root=library).tell(tagged(track, "Rock"))
    assert track.exists()
    assert list((tmp_path / "outside").iterdir()) == []


def test_hostile_names_stay_below_the_library(
    start: Start, sounds: Path, library: Path, tmp_path: Path, hostile: str
) -> None:
    text = hostile.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    track = put(sounds, library, "in/" + file_name(hostile), artist=text, album=text)
    told = start("organize", root=library).tell(tagged(track, hostile))
    assert told is not None
    assert told.path.exists()
    assert len(told.path.relative_to(library).parts) == 4
    assert told.path.name == track.name
    assert all(not part.startswith(".") for part in told.path.relative_to(library).parts[:-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["library", "state"]


def test_two_files_with_names_of_255_bytes_fit_side_by_side(
    start: Start, sounds: Path, library: Path
) -> None:
    name = "ä" * 125 + "x.mp3"
    assert len(os.fsencode(name)) == 255
    plugin = start("organize", root=library)
    for folder in ("one", "two"):
        plugin.tell(tagged(put(sounds, library, f"{folder}/{name}", artist="B", album="R"), "Rock"))
    assert len(everything(library / "Rock" / "B" / "R")) == 2


@pytest.mark.parametrize("how", ["hardlink", "symlink"])
def test_a_link_leaves_the_track_where_it_is_and_follows_its_genre(
    start: Start, sounds: Path, library: Path, how: str
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    plugin = start("organize", root=library, how=how, folder="By Genre")
    for _ in range(2):
        assert plugin.tell(tagged(track, "Rock")) is None
    assert everything(library) == ["By Genre/Rock/Band/Record/a.mp3", "in/a.mp3"]
    assert (library / "By Genre/Rock/Band/Record/a.mp3").samefile(track)
    plugin.tell(tagged(track, "Jazz", before=("Rock",), version=2))
    assert everything(library) == ["By Genre/Jazz/Band/Record/a.mp3", "in/a.mp3"]
    plugin.tell(undone(track, "Rock", before=("Jazz",)))
    assert everything(library) == ["By Genre/Rock/Band/Record/a.mp3", "in/a.mp3"]
    plugin.tell(undone(track, before=("Rock",)))
    assert everything(library) == ["in/a.mp3"]


SPELLINGS = ["library", "link", "link/../library", "library/in/.."]


@pytest.mark.parametrize("how", ["hardlink", "symlink"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("root", SPELLINGS)
@pytest.mark.parametrize("after", [("Jazz",), ()], ids=["another-genre", "undone"])
def test_no_spelling_of_its_path_makes_a_track_its_own_old_link(
    organize: ModuleType,
    sounds: Path,
    library: Path,
    *,
    how: str,
    spelling: str,
    root: str,
    after: tuple[str, ...],
) -> None:
    content = digest(put(sounds, library, "Rock/Band/Record/a.mp3", artist="Band", album="Record"))
    (library / "in").mkdir()
    (library.parent / "link").symlink_to(library)
    plugin = organize.Organize(root=library.parent / root, how=how)
    told = library.parent / spelling / "Rock/Band/Record/a.mp3"
    plugin.on_tagged(tagged(told, *after, before=("Rock", "Jazz")))
    assert digest(library / "Rock/Band/Record/a.mp3") == content
    assert everything(library)[:-1] == ["Jazz/Band/Record/a.mp3"][: len(after)]


def test_only_links_are_removed_from_the_folder_of_a_former_genre(
    organize: ModuleType, sounds: Path, library: Path
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    old = library / "Rock/Band/Record"
    old.mkdir(parents=True)
    os.link(track, old / "hard.mp3")
    shutil.copy(track, old / "copy.mp3")
    for name, target in (("soft.mp3", track), ("gone.mp3", "nowhere"), ("round.mp3", "round.mp3")):
        (old / name).symlink_to(target)
    organize.Organize(root=library, how="symlink").on_tagged(tagged(track, "Jazz", before=("Rock",)))
    assert {path.name for path in old.iterdir()} == {"hard.mp3", "copy.mp3", "gone.mp3", "round.mp3"}
    organize.Organize(root=library, how="hardlink").on_tagged(tagged(track, "Jazz", before=("Rock",)))
    assert {path.name for path in old.iterdir()} == {"copy.mp3", "gone.mp3", "round.mp3"}


def test_a_name_that_would_be_the_last_one_is_no_link(
    organize: ModuleType, sounds: Path, library: Path
) -> None:
    track = put(sounds, library, "a.mp3")
    folder = os.open(library, os.O_RDONLY)
    for how in ("hardlink", "symlink"):
        assert not organize.Organize(root=library, how=how)._is_link("a.mp3", folder, track.stat())
    os.close(folder)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("root", ["deep/er/link", "library"])
def test_a_link_leads_to_its_track_and_a_move_is_told_however_the_library_is_spelled(
    organize: ModuleType, sounds: Path, library: Path, spelling: str, root: str
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    (library.parent / "deep/er").mkdir(parents=True)
    for link in ("link", "deep/er/link"):
        (library.parent / link).symlink_to(library)
    told = library.parent / spelling / "in/a.mp3"
    for version in range(2):
        plugin = organize.Organize(root=library.parent / root, how="symlink", folder="By Genre")
        assert plugin.on_tagged(tagged(told, "Rock", version=version)) is None
        assert everything(library) == ["By Genre/Rock/Band/Record/a.mp3", "in/a.mp3"]
        assert (library / "By Genre/Rock/Band/Record/a.mp3").samefile(track)
    moved = organize.Organize(root=library.parent / root).on_tagged(tagged(told, "Rock"))
    assert moved.to == library.parent / spelling / "Rock/Band/Record/a.mp3"
    assert moved.to.is_file()


def test_a_track_that_an_undo_left_without_a_genre_stays(start: Start, sounds: Path, library: Path) -> None:
    track = put(sounds, library, "Rock/Band/Record/a.mp3", artist="Band", album="Record")
    assert start("organize", root=library).tell(undone(track, before=("Rock",))) is None
    assert everything(library) == ["Rock/Band/Record/a.mp3"]


def test_a_move_that_could_not_be_told_is_told_at_the_next_attempt(
    start: Start, sounds: Path, library: Path
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    event = tagged(track, "Rock")
    first = start("organize", root=library).tell(event)
    again = start("organize", root=library).tell(event)
    assert first == again


def test_a_track_that_is_gone_is_given_up_on(start: Start, sounds: Path, library: Path) -> None:
    put(sounds, library, "another.mp3")
    with pytest.raises(DeliveryError, match="no longer there") as caught:
        start("organize", root=library).tell(tagged(library / "gone.mp3", "Rock"))
    assert caught.value.permanent


def test_a_track_of_a_library_that_is_not_mounted_is_waited_for(start: Start, library: Path) -> None:
    with pytest.raises(DeliveryError, match="is empty") as caught:
        start("organize", root=library).tell(tagged(library / "in" / "a.mp3", "Rock"))
    assert not caught.value.permanent


def test_where_case_does_not_count_a_track_is_told_by_the_name_that_is_listed(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def whatever_the_case(path: str | Path, mode: int, *, dir_fd: int | None = None) -> None:
        taken = os.listdir(dir_fd) if dir_fd is not None else []  # noqa: PTH208 - a descriptor, not a path
        if str(path).casefold() in map(str.casefold, taken):
            raise FileExistsError(errno.EEXIST, path)
        mkdir(path, mode, dir_fd=dir_fd)

    (library / "ROCK" / "band").mkdir(parents=True)
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    monkeypatch.setattr(organize.os, "mkdir", whatever_the_case)
    told = organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    assert told.to == library / "ROCK" / "band" / "Record" / "a.mp3"
    assert told.to.is_file()


def unsupported(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "no links here")


@pytest.mark.parametrize("linkable", [True, False], ids=["with-links", "without-links"])
def test_a_system_without_a_careful_rename_still_overwrites_nothing(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch, *, linkable: bool
) -> None:
    monkeypatch.setattr(organize.ctypes, "CDLL", lambda *_, **__: object())
    if not linkable:
        monkeypatch.setattr(organize.os, "link", unsupported)
    plugin = organize.Organize(root=library)
    contents = set()
    for folder in ("one", "two"):
        track = put(sounds, library, f"{folder}/a.mp3", artist="Band", album="Record", title=folder)
        contents.add(digest(track))
        plugin.on_tagged(tagged(track, "Rock"))
    assert everything(library) == ["Rock/Band/Record/a (2).mp3", "Rock/Band/Record/a.mp3"]
    assert {digest(path) for path in (library / "Rock/Band/Record").iterdir()} == contents


def test_a_track_is_moved_where_the_names_of_one_file_have_numbers_of_their_own(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    content = digest(track)
    monkeypatch.setattr(organize.ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(organize.os.path, "samestat", lambda *_: False)
    told = organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    assert digest(told.to) == content
    assert everything(library) == ["Rock/Band/Record/a.mp3"]


@pytest.mark.parametrize("comes", [False, True], ids=["it-has-failed", "it-has-not"])
def test_a_rename_that_is_said_to_have_failed_leaves_one_file(
    organize: ModuleType, sounds: Path, library: Path, monkeypatch: pytest.MonkeyPatch, *, comes: bool
) -> None:
    rename = os.rename

    def fails(*names: Any, **folders: Any) -> None:
        if comes:  # a share may do what it is asked for, and answer that it has not
            rename(*names, **folders)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    track = put(sounds, library, "in/a.mp3", artist="Band", album="Record")
    content = digest(track)
    monkeypatch.setattr(organize.ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(organize.os, "link", unsupported)
    monkeypatch.setattr(organize.os, "rename", fails)
    with pytest.raises(OSError, match="error"):
        organize.Organize(root=library).on_tagged(tagged(track, "Rock"))
    (left,) = everything(library)
    assert digest(library / left) == content
