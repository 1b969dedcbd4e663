"""A root that goes away, or of which something fails: the rest is seen all the same."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading

import pytest
from root_bench import Bench, Source, put

from genretagd.watcher import sieve
from genretagd.watcher.events import NoticeKind
from genretagd.watcher.filesystems import Mount
from genretagd.watcher.report import RootSettings, RootState
from genretagd.watcher.root import CHECK_SECONDS, RootWatcher
from genretagd.watcher.thread import RootThread


def test_a_dead_observer_is_noticed_started_again_and_answered_by_a_rescan(music):
    bench = Bench(music)
    bench.run(1)
    put(music / "x.flac")
    bench.sources[0].alive = False
    assert bench.run(CHECK_SECONDS + 6) == ["x.flac"]
    assert len(bench.sources) == 2
    assert bench.sources[0].closed == 1
    assert bench.watcher.report().restarts == 1


def test_a_root_that_goes_away_is_said_once_and_resumes(music, tmp_path):
    put(music / "x.flac")
    bench = Bench(music)
    bench.run(10)
    music.rename(tmp_path / "unplugged")
    bench.run(600)
    assert bench.state is RootState.AWAY
    assert sum("waiting for it to come back" in text for text in bench.said) == 1
    (tmp_path / "unplugged").rename(music)
    put(music / "y.flac")
    assert bench.run(CHECK_SECONDS + 6) == ["y.flac"]
    assert bench.state is RootState.WATCHING
    assert len(bench.sources) == 2


def test_a_root_that_is_missing_at_the_start_is_waited_for(tmp_path):
    bench = Bench(tmp_path / "share")
    bench.run(100)
    assert bench.state is RootState.AWAY
    put(tmp_path / "share" / "x.flac")
    assert bench.run(CHECK_SECONDS + 6) == ["x.flac"]


@pytest.mark.parametrize(
    "mounted",
    [
        pytest.param([Mount("/", "ext4", "1 8:1 /"), Mount("{root}/usb", "ext4", "2 8:2 /")], id="below"),
        pytest.param([Mount("/", "ext4", "1 8:1 /"), Mount("{root}", "tmpfs", "2 0:4 /")], id="over it"),
        pytest.param([Mount("/", "ext4", "9 8:1 /")], id="again"),
    ],
)
def test_a_file_system_that_is_mounted_at_or_below_the_root_is_watched_anew(music, mounted):
    bench = Bench(music)
    bench.mounts = [Mount("/", "ext4", "1 8:1 /")]
    bench.run(1)
    put(music / "x.flac")  # as if it had come with the mount: no event tells
    bench.mounts = [Mount(m.point.format(root=music), m.type, m.identity) for m in mounted]
    assert bench.run(CHECK_SECONDS + 6) == ["x.flac"]
    assert (len(bench.sources), bench.sources[0].closed) == (2, 1)
    bench.mounts = []  # nobody can tell for a moment
    bench.run(100)
    assert len(bench.sources) == 2


def test_a_source_that_fails_to_close_is_given_up(music):
    bench = Bench(music)
    bench.run(1)
    source = bench.sources[0]
    source.alive = False
    source.close = lambda: 1 // 0
    put(music / "x.flac")
    assert bench.run(2 * CHECK_SECONDS + 6) == ["x.flac"]
    assert len(bench.sources) == 2


def test_another_directory_mounted_over_the_root_is_watched_anew(music, tmp_path):
    bench = Bench(music)
    bench.run(1)
    shutil.move(music, tmp_path / "under")
    put(music / "x.flac")
    assert bench.run(CHECK_SECONDS + 6) == ["x.flac"]
    assert len(bench.sources) == 2


def failing(name: str, number: int, real):
    """A call that fails for a directory of this name, and everything below it."""

    def call(path, **options):
        if f"/{name}/" in f"{path}/":
            raise OSError(number, os.strerror(number))
        return real(path, **options)

    return call


def test_a_scan_that_takes_long_and_gets_on_is_not_taken_for_a_share_that_hangs(music, monkeypatch):
    for name in "abc":
        put(music / name / "x.flac")
    bench = Bench(music)
    real = os.scandir
    silent = []

    def slow(path):
        silent.append(bench.now - bench.watcher.report().got_on_at)
        bench.now += 50.0
        return real(path)

    monkeypatch.setattr(os, "scandir", slow)
    bench.watcher.step(0.0)
    assert silent == [0.0] * 4


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOTCONN])
def test_a_folder_that_cannot_be_listed_is_said_once_counted_and_hides_only_itself(
    music, monkeypatch, number
):
    put(music / "a" / "x.flac")
    put(music / "b" / "y.flac")
    monkeypatch.setattr(os, "scandir", failing("a", number, os.scandir))
    bench = Bench(music)
    assert bench.run(6) == ["b/y.flac"]
    bench.watcher.request_rescan()
    bench.run(100)
    assert bench.said == [
        f"warning: {music}/a: cannot be listed ({os.strerror(number)}), its files are not seen"
    ]
    report = bench.watcher.report()
    assert (report.state, report.unlisted, report.scans) == (RootState.WATCHING, 1, 2)
    assert len(bench.scanned) == 2


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOTDIR, errno.EIO])
def test_a_new_folder_that_cannot_be_listed_takes_nothing_away(music, monkeypatch, number):
    bench = Bench(music)
    bench.run(1)
    put(music / "a" / "x.flac")
    monkeypatch.setattr(os, "scandir", failing("a", number, os.scandir))
    bench.event(NoticeKind.DIRECTORY, "a")
    put(music / "y.flac")
    bench.event(NoticeKind.FILE, "y.flac")
    assert bench.run(6) == ["y.flac"]
    assert len(bench.sources) == 1


def test_one_file_that_makes_something_fail_is_said_and_hides_no_others(music):
    put(music / "a" / "x.flac")
    put(music / "a" / "bad.flac")
    put(music / "b" / "y.flac")
    bench = Bench(music)

    def unknown(files):
        if any(path.endswith("bad.flac") for path, _ in files):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return files

    bench.watcher._sieve._unknown = unknown
    assert bench.run(6) == ["a/x.flac", "b/y.flac"]
    text = f"{music}/a/bad.flac: unexpected OverflowError: Python int too large to convert to SQLite INTEGER"
    assert bench.said == [f"error: {text}, passing it over"]
    assert bench.watcher.report().problem == text
    (music / "a" / "bad.flac").unlink()
    bench.watcher.request_rescan()
    bench.run(1)
    assert bench.watcher.report().problem is None


@pytest.mark.parametrize("part", ["look_at", "unfinished"])
def test_one_file_that_cannot_be_judged_keeps_no_others_waiting(music, monkeypatch, part):
    real = getattr(sieve, part)

    def judge(path, **options):
        if path.endswith("bad.flac"):
            raise ZeroDivisionError(path)
        return real(path, **options)

    monkeypatch.setattr(sieve, part, judge)
    for name in ("a.flac", "bad.flac", "c.flac"):
        put(music / name)
    bench = Bench(music)
    assert bench.run(6) == ["a.flac", "c.flac"]
    assert "bad.flac: unexpected ZeroDivisionError" in bench.watcher.report().problem


def test_one_file_that_cannot_be_delivered_keeps_no_others_back(music):
    put(music / "x.flac")
    put(music / "bad.flac")
    bench = Bench(music)
    deliver = bench.watcher._sieve._deliver
    bench.watcher._sieve._deliver = lambda settled: 1 // 0 if "bad" in settled.path else deliver(settled)
    assert bench.run(6) == ["x.flac"]
    assert "bad.flac: unexpected ZeroDivisionError" in bench.watcher.report().problem


def test_what_has_settled_is_delivered_whatever_else_fails_and_the_root_is_not_well_meanwhile(music):
    bench = Bench(music)
    bench.run(1)
    put(music / "x.flac")
    bench.event(NoticeKind.FILE, "x.flac")
    bench.run(3)
    real = bench.watcher._hear
    bench.watcher._hear = lambda _notice, _now: 1 // 0
    put(music / "y.flac")
    bench.event(NoticeKind.FILE, "y.flac")
    assert bench.run(4) == ["x.flac"]
    assert "unexpected ZeroDivisionError" in bench.watcher.report().problem
    bench.watcher._hear = real
    assert bench.run(CHECK_SECONDS + 6) == ["y.flac"]
    assert bench.watcher.report().problem is None


def test_a_root_that_goes_on_failing_is_tried_at_every_check_and_not_without_pause(music):
    put(music / "x.flac")
    bench = Bench(music)
    bench.run(10)
    real = bench.watcher._watch_events
    tries = []

    def fail(*_arguments, **_options):
        tries.append(bench.now)
        raise RuntimeError("can't start new thread")

    bench.watcher._watch_events = fail
    bench.sources[0].alive = False
    for _ in range(20):
        bench.now = bench.watcher.step(bench.now)
    assert 3 <= len(tries) <= 20
    assert min(after - before for before, after in itertools.pairwise(tries)) > 1
    assert "can't start new thread" in bench.watcher.report().problem
    bench.watcher._watch_events = real
    put(music / "y.flac")
    assert bench.run(CHECK_SECONDS + 6) == ["y.flac"]
    assert bench.watcher.report().problem is None


def test_a_mistake_of_ours_is_said_and_leaves_no_root_deaf(music):
    put(music / "x.flac")
    failing = iter([True])
    found = threading.Event()

    class Watcher(RootWatcher):
        def step(self, now):
            if next(failing, False):
                raise ZeroDivisionError("oops")
            found.set()
            return super().step(now)

        def stumble(self, exc):
            super().stumble(exc)
            self._wake()

    said = []

    def make(wake):
        return Watcher(
            RootSettings(str(music)),
            unknown=lambda files: files,
            deliver=lambda _settled: None,
            say=lambda _level, text: said.append(text),
            wake=wake,
            watch_events=lambda *_arguments, **_options: Source(),
        )

    thread = RootThread(make, name="root")
    thread.start()
    assert found.wait(20)
    thread.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert any("ZeroDivisionError: oops" in text for text in said)
