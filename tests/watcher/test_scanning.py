from __future__ import annotations

import errno
import os

import pytest

from genretagd.watcher.ignoring import IgnoreRules
from genretagd.watcher.scanning import Walk, look_at


def scan(root, *, follow=False, **options) -> list[str]:
    walk = Walk(IgnoreRules(str(root)), follow=follow, **options)
    return sorted(
        os.path.relpath(path, root) for listing in walk.below(str(root)) for path, _ in listing.files
    )


@pytest.fixture
def music(tmp_path):
    root = tmp_path / "music"
    for path in ("x.mp3", "a/y.flac", "a/b/z.ogg", "a/note.txt", "@eaDir/no.mp3"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def test_all_audio_files_below_are_found(music):
    assert scan(music) == ["a/b/z.ogg", "a/y.flac", "x.mp3"]


def test_links_are_passed_over_unless_they_are_followed(music, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "w.mp3").write_bytes(b"x")
    (music / "link").symlink_to(other)
    (music / "v.mp3").symlink_to(other / "w.mp3")
    assert scan(music) == ["a/b/z.ogg", "a/y.flac", "x.mp3"]
    assert scan(music, follow=True) == ["a/b/z.ogg", "a/y.flac", "link/w.mp3", "v.mp3", "x.mp3"]


def test_a_cycle_of_links_ends(music):
    (music / "a" / "up").symlink_to(music)
    (music / "a" / "self").symlink_to(music / "a")
    assert len(scan(music, follow=True)) == 3


def test_a_directory_that_cannot_be_listed_is_told_and_counted(music, monkeypatch):
    told = []
    real = os.scandir

    def scandir(path):
        if str(path).endswith("/b"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    walk = Walk(IgnoreRules(str(music)), on_skip=lambda path, reason: told.append((path, reason)))
    assert sum(len(listing.files) for listing in walk.below(str(music))) == 2
    assert walk.unreadable == 1
    assert told == [(f"{music}/a/b", "Permission denied")]


def test_a_share_that_is_away_ends_the_walk_with_an_error(music, monkeypatch):
    def scandir(path):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(OSError, match="Stale"):
        scan(music)


def test_a_root_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "missing")


def test_only_regular_files_can_be_looked_at(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")
    assert look_at(str(tmp_path / "pipe.mp3")) is None
    assert look_at(str(tmp_path)) is None
    assert look_at(str(tmp_path / "missing")) is None
