"""beets_sync against a program that takes beets' place: what it is asked, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugins_support import Start, idle, moved, tagged

from genretagd.errors import DeliveryError


@pytest.fixture
def beet(tmp_path: Path) -> Path:
    """A program that notes the tracks of each run on a line, and fails while there is a file ``broken``."""
    program = tmp_path / "beet"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && exit 0\n[ -e "{tmp_path}/broken" ] && exit 1\n'
        f'while [ "$1" != -- ]; do shift; done; shift\necho "$*" >> "{tmp_path}/runs"\n'
    )
    program.chmod(0o755)
    return program


def put(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def runs(tmp_path: Path) -> list[str]:
    file = tmp_path / "runs"
    return file.read_text().splitlines() if file.exists() else []


def test_beets_is_run_as_soon_as_there_are_enough_tracks_for_it(
    start: Start, tmp_path: Path, beet: Path
) -> None:
    plugin = start("beets_sync", command=[str(beet)], tracks_per_run=3)
    tracks = put(tmp_path / "music", *(f"{number}.mp3" for number in range(7)))
    for number, track in enumerate(tracks, start=1):
        plugin.tell(tagged(track, "Rock"))
        assert len(runs(tmp_path)) == number // 3
    plugin.tell(idle())
    plugin.tell(idle())
    assert [run.count("path:") for run in runs(tmp_path)] == [3, 3, 1]
    assert runs(tmp_path)[-1] == f"path:{tracks[-1]}"


def test_tracks_of_a_run_that_failed_are_told_by_the_next(start: Start, tmp_path: Path, beet: Path) -> None:
    plugin = start("beets_sync", command=[str(beet)], tracks_per_run=2)
    one, two, three = put(tmp_path / "music", "1.mp3", "2.mp3", "3.mp3")
    (tmp_path / "broken").touch()
    plugin.tell(tagged(one, "Rock"))
    with pytest.raises(DeliveryError, match="exit status 1"):
        plugin.tell(tagged(two, "Rock"))
    (tmp_path / "broken").unlink()
    plugin.tell(tagged(three, "Rock"))
    plugin.tell(idle())
    assert runs(tmp_path) == [f"path:{one} , path:{two}", f"path:{three}"]


def test_tracks_that_beets_does_not_know_are_no_failure(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "beet"
    program.write_text(
        '#!/bin/sh\n[ "$1" = version ] && exit 0\necho "error: No matching items to update." >&2\nexit 1\n'
    )
    program.chmod(0o755)
    plugin = start("beets_sync", command=[str(program)])
    plugin.tell(tagged(*put(tmp_path, "1.mp3"), "Rock"))
    plugin.tell(idle())


def test_a_track_that_was_moved_is_not_told(start: Start, tmp_path: Path, beet: Path) -> None:
    plugin = start("beets_sync", command=[str(beet)])
    one, two = put(tmp_path / "music", "1.mp3", "2.mp3")
    plugin.tell(tagged(one, "Rock"))
    plugin.tell(moved(one, two))
    plugin.tell(idle())
    assert runs(tmp_path) == []


def test_beets_is_told_tracks_as_it_spells_its_own_directory(
    start: Start, tmp_path: Path, beet: Path
) -> None:
    (track,) = put(tmp_path / "disk" / "Music", "Rock/a.mp3")
    (other,) = put(tmp_path / "elsewhere", "b.mp3")
    (tmp_path / "Music").symlink_to("disk/Music")
    plugin = start("beets_sync", command=[str(beet)], directory=tmp_path / "Music")
    for path in (track, other):
        plugin.tell(tagged(path, "Rock"))
    plugin.tell(idle())
    assert runs(tmp_path) == [f"path:{tmp_path}/Music/Rock/a.mp3 , path:{other}"]


def test_a_run_without_tracks_is_no_run(start: Start) -> None:
    assert start("beets_sync", expect_ready=False, tracks_per_run=0).status == "CONFIG_INVALID"
