"""m3u_playlists: one playlist per genre, each track in it once, and nobody else's file touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from plugins_support import Start, file_name, idle, moved, tagged, undone


def lines(playlist: Path) -> list[bytes]:
    return [line for line in playlist.read_bytes().split(b"\n") if line and not line.startswith(b"#")]


def test_tracks_are_listed_by_genre_once_there_is_nothing_more_to_tag(start: Start, tmp_path: Path) -> None:
    lists, music = tmp_path / "lists", tmp_path / "music"
    plugin = start("m3u_playlists", directory=lists)
    for name in ("b", "a"):
        plugin.tell(tagged(music / f"{name}.mp3", "Rock"))
    plugin.tell(tagged(music / "c.mp3", "Jazz", "Rock"))
    assert list(lists.iterdir()) == []
    plugin.tell(idle())
    assert lines(lists / "Rock.m3u8") == [b"../music/b.mp3", b"../music/a.mp3", b"../music/c.mp3"]
    assert lines(lists / "Jazz.m3u8") == [b"../music/c.mp3"]


def test_absolute_paths_are_written_where_they_are_wanted(start: Start, tmp_path: Path) -> None:
    plugin = start("m3u_playlists", directory=tmp_path / "lists", relative=False)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(idle())
    assert lines(tmp_path / "lists" / "Rock.m3u8") == [os.fsencode(tmp_path / "a.mp3")]


def test_a_track_tagged_again_changes_its_playlist(start: Start, tmp_path: Path) -> None:
    lists, track = tmp_path / "lists", tmp_path / "a.mp3"
    plugin = start("m3u_playlists", directory=lists)
    for genre in ("Rock", "Rock", "Jazz"):
        plugin.tell(tagged(track, genre))
        plugin.tell(idle())
    assert [file.name for file in lists.iterdir()] == ["Jazz.m3u8"]
    assert lines(lists / "Jazz.m3u8") == [b"../a.mp3"]


def test_an_undone_track_goes_back_to_its_playlist_or_to_none(start: Start, tmp_path: Path) -> None:
    lists, a, b = tmp_path / "lists", tmp_path / "a.mp3", tmp_path / "b.mp3"
    plugin = start("m3u_playlists", directory=lists)
    for event in (tagged(a, "Rock"), tagged(b, "Rock"), idle()):
        plugin.tell(event)
    for event in (undone(a, before=("Rock",)), undone(b, "Jazz", before=("Rock",)), idle()):
        plugin.tell(event)
    assert [file.name for file in lists.iterdir()] == ["Jazz.m3u8"]
    assert lines(lists / "Jazz.m3u8") == [b"../b.mp3"]


def test_a_moved_track_is_listed_where_it_is_now_and_only_there(start: Start, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    plugin = start("m3u_playlists", directory=lists)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(idle())
    plugin.tell(moved(tmp_path / "a.mp3", tmp_path / "Rock" / "a.mp3"))
    plugin.tell(moved(tmp_path / "Rock" / "a.mp3", tmp_path / "Rock" / "A" / "a.mp3"))
    plugin.tell(idle())
    assert lines(lists / "Rock.m3u8") == [b"../Rock/A/a.mp3"]


def test_a_track_told_moved_and_told_again_is_listed_once(start: Start, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    plugin = start("m3u_playlists", directory=lists)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(moved(tmp_path / "a.mp3", tmp_path / "b.mp3"))
    plugin.tell(tagged(tmp_path / "b.mp3", "Rock"))
    plugin.tell(idle())
    assert lines(lists / "Rock.m3u8") == [b"../b.mp3"]


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
@pytest.mark.parametrize("lists", ["Music/Playlists", "disk/Music/Playlists", "lists"])
def test_a_track_is_listed_once_and_found_however_its_path_is_spelled(
    start: Start, tmp_path: Path, lists: str, *, relative: bool
) -> None:
    for folder in ("disk/Music/Rock", "disk/Music/Playlists", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Music").symlink_to("disk/Music")
    (tmp_path / "lists").symlink_to("disk/Music/Playlists")
    track = tmp_path / "disk/Music/Rock/a.mp3"
    track.touch()
    plugin = start("m3u_playlists", directory=tmp_path / lists, relative=relative)
    for number, spelling in enumerate(("Music", "disk/Music", "elsewhere/../Music")):
        plugin.tell(tagged(tmp_path / spelling / "Rock/a.mp3", "Rock", version=number))
        plugin.tell(idle())
    (line,) = lines(tmp_path / lists / "Rock.m3u8")
    assert line == (b"../Rock/a.mp3" if relative else os.fsencode(track))
    assert (tmp_path / lists / os.fsdecode(line)).samefile(track)


def test_whoever_can_read_the_music_can_read_the_playlists(start: Start, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    previous = os.umask(0o077)
    try:
        plugin = start("m3u_playlists", directory=tmp_path / "lists")
    finally:
        os.umask(previous)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(idle())
    assert (tmp_path / "lists").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "lists" / "Rock.m3u8").stat().st_mode & 0o777 == 0o644


def test_a_playlist_of_somebody_else_is_left_alone(start: Start, tmp_path: Path) -> None:
    theirs = tmp_path / "Rock.m3u8"
    theirs.write_bytes(b"#EXTM3U\nmine.mp3\n")
    plugin = start("m3u_playlists", directory=tmp_path)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(idle())
    assert theirs.read_bytes() == b"#EXTM3U\nmine.mp3\n"
    (ours,) = tmp_path.glob("Rock ????????.m3u8")
    assert lines(ours) == [b"a.mp3"]


def test_genres_that_give_the_same_file_name_have_a_playlist_each(start: Start, tmp_path: Path) -> None:
    plugin = start("m3u_playlists", directory=tmp_path)
    plugin.tell(tagged(tmp_path / "a.mp3", "Hip/Hop"))
    plugin.tell(tagged(tmp_path / "b.mp3", "Hip:Hop"))
    plugin.tell(idle())
    assert sorted(lines(file) for file in tmp_path.glob("*.m3u8")) == [[b"a.mp3"], [b"b.mp3"]]


def test_hostile_names_make_no_file_elsewhere_and_no_second_line(
    start: Start, tmp_path: Path, hostile: str
) -> None:
    lists = tmp_path / "deep" / "lists"
    track = tmp_path / file_name(hostile)
    track.touch()
    plugin = start("m3u_playlists", directory=lists)
    plugin.tell(tagged(track, hostile))
    plugin.tell(idle())
    plugin.tell(tagged(track, hostile, version=2))
    plugin.tell(idle())
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["lists"]
    if "\n" in track.name:  # no playlist can hold it
        assert list(lists.iterdir()) == []
        return
    (playlist,) = lists.iterdir()
    (line,) = lines(playlist)
    assert (lists / os.fsdecode(line)).samefile(track)
