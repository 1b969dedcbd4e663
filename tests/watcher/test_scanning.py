from __future__ import annotations

import contextlib
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


@pytest.mark.parametrize("follow", [False, True])
def test_a_link_that_leads_nowhere_hides_nothing_beside_it(music, follow, monkeypatch):
    (music / "a" / "circle").symlink_to("circle")
    (music / "circle.mp3").symlink_to("circle.mp3")
    (music / "nowhere").symlink_to("missing")
    assert scan(music, follow=follow) == ["a/b/z.ogg", "a/y.flac", "x.mp3"]


def test_a_link_to_where_we_may_not_look_is_told_and_hides_nothing_beside_it(music, monkeypatch):
    told = []
    real = os.scandir

    class Refused:
        """A link to a directory below one that is closed to us."""

        name = "link"
        path = f"{music}/link"

        def is_dir(self, *, follow_symlinks):
            if follow_symlinks:
                raise PermissionError(errno.EACCES, "Permission denied")
            return False

    @contextlib.contextmanager
    def scandir(path):
        with real(path) as entries:
            yield [*([Refused()] if path == str(music) else []), *entries]

    monkeypatch.setattr(os, "scandir", scandir)
    assert scan(music) == ["a/b/z.ogg", "a/y.flac", "x.mp3"]
    found = scan(music, follow=True, on_skip=lambda path, reason: told.append((path, reason)))
    assert found == ["a/b/z.ogg", "a/y.flac", "x.mp3"]
    assert told == [(f"{music}/link", "Permission denied")]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOTCONN, errno.ESTALE])
def test_a_share_below_the_root_that_is_away_hides_only_itself(music, monkeypatch, number):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("/b"):
            raise OSError(number, os.strerror(number))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    told = []
    assert scan(music, on_skip=lambda path, reason: told.append((path, reason))) == ["a/y.flac", "x.mp3"]
    assert told == [(f"{music}/a/b", os.strerror(number))]


def test_a_directory_that_makes_something_fail_hides_only_itself(music):
    told = []
    rules = IgnoreRules(str(music))
    enter = rules.enter
    rules.enter = lambda path: 1 // 0 if path.endswith("/b") else enter(path)
    walk = Walk(rules, on_skip=lambda path, reason: told.append((path, reason)))
    assert sum(len(listing.files) for listing in walk.below(str(music))) == 2
    assert told == [(f"{music}/a/b", "unexpected ZeroDivisionError: integer division or modulo by zero")]


@pytest.mark.parametrize("when", ["from the start", "once the root was listed"])
def test_a_share_that_is_away_ends_the_walk_with_an_error(music, monkeypatch, when):
    left = iter([True] if when != "from the start" else [])
    real = os.scandir

    def scandir(path):
        if next(left, False):
            return real(path)
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
