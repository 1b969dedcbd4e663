from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from genretagd.watcher.ignoring import IgnoreRules
from genretagd.watcher.polling import Snapshot
from genretagd.watcher.scanning import Walk

LATER = 10**18 * 9


@pytest.fixture
def music(tmp_path):
    for name in ("a/x.mp3", "b/y.mp3"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.fixture
def snapshot():
    return Snapshot(wall_ns=lambda: LATER)  # every change lies long back


def full(snapshot, root) -> list[str]:
    found = snapshot.full_pass(Walk(IgnoreRules(str(root))), [str(root)])
    return sorted(os.path.relpath(path, root) for files in found for path, _ in files)


def light(snapshot, root) -> list[str]:
    found = snapshot.light_pass(Walk(IgnoreRules(str(root))))
    return sorted(os.path.relpath(path, root) for files in found for path, _ in files)


def test_the_first_pass_finds_everything_and_the_next_nothing(snapshot, music):
    assert full(snapshot, music) == ["a/x.mp3", "b/y.mp3"]
    assert full(snapshot, music) == []
    assert light(snapshot, music) == []


def test_a_light_pass_finds_a_new_file_and_looks_into_no_other_directory(snapshot, music, monkeypatch):
    full(snapshot, music)
    (music / "a" / "new.mp3").write_bytes(b"x")
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(Path(path).name) or real(path))
    assert light(snapshot, music) == ["a/new.mp3", "a/x.mp3"]
    assert listed == ["a"]


def test_a_light_pass_finds_a_new_directory_with_all_below(snapshot, music):
    full(snapshot, music)
    (music / "c" / "d").mkdir(parents=True)
    (music / "c" / "d" / "z.mp3").write_bytes(b"x")
    assert light(snapshot, music) == ["c/d/z.mp3"]
    assert light(snapshot, music) == []


def test_a_renamed_directory_is_found_under_its_new_name_and_forgotten_under_the_old(snapshot, music):
    full(snapshot, music)
    (music / "a").rename(music / "z")
    assert light(snapshot, music) == ["z/x.mp3"]
    assert light(snapshot, music) == []
    assert len(snapshot) == 3


def test_a_file_overwritten_in_place_is_found_by_a_full_pass(snapshot, music):
    full(snapshot, music)
    (music / "a" / "x.mp3").write_bytes(b"longer")
    assert light(snapshot, music) == []
    assert full(snapshot, music) == ["a/x.mp3"]


def test_a_directory_that_just_changed_is_listed_again_since_its_clock_may_be_coarse(music):
    now = (music / "a").stat().st_mtime_ns
    snapshot = Snapshot(wall_ns=lambda: now)
    full(snapshot, music)
    mtime = (music / "a").stat().st_mtime_ns
    (music / "a" / "new.mp3").write_bytes(b"x")
    os.utime(music / "a", ns=(mtime, mtime))  # as if the second change fell into the same tick
    assert light(snapshot, music) == ["a/new.mp3", "a/x.mp3"]


def test_directories_that_go_are_forgotten(snapshot, music):
    full(snapshot, music)
    (music / "b" / "y.mp3").unlink()
    (music / "b").rmdir()
    full(snapshot, music)
    assert len(snapshot) == 2


@pytest.mark.parametrize("passes", [full, light])
def test_a_share_that_is_away_below_the_root_is_not_gone_through_and_hides_nothing_else(
    snapshot, music, monkeypatch, passes
):
    for name in ("share/1/x.mp3", "share/2/y.mp3"):
        (music / name).parent.mkdir(parents=True)
        (music / name).write_bytes(b"x")
    full(snapshot, music)
    asked = []

    def away(real):
        def answer(path, **options):
            if str(path).startswith(f"{music}/share"):
                asked.append(os.path.relpath(path, music))
                raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
            return real(path, **options)

        return answer

    (music / "b" / "new.mp3").write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", away(os.stat))
        patch.setattr(os, "scandir", away(os.scandir))
        assert passes(snapshot, music) == ["b/new.mp3", "b/y.mp3"]
    assert "share" in asked
    assert not {"share/1", "share/2"} & set(asked)
    (music / "share" / "2" / "new.mp3").write_bytes(b"x")
    assert passes(snapshot, music) == ["share/2/new.mp3", "share/2/y.mp3"]
