"""What a root notices, and when it hands it over."""

from __future__ import annotations

import pytest
from root_bench import Bench, put

from genretagd.settling import PATIENCE_SECONDS, Unfinished
from genretagd.watcher.events import NoticeKind, WatchLimitError
from genretagd.watcher.root import CHECK_SECONDS, FULL_PASS_EVERY


def test_files_that_came_while_nobody_watched_are_found_at_the_start(music):
    put(music / "a" / "x.flac")
    assert Bench(music).run(6) == ["a/x.flac"]


def test_files_that_are_known_are_not_delivered(music):
    put(music / "x.flac")
    put(music / "y.flac")
    assert Bench(music, known={str(music / "x.flac")}).run(6) == ["y.flac"]


def test_an_event_leads_to_a_delivery_after_the_settle_time(music):
    bench = Bench(music)
    bench.run(10)
    put(music / "x.flac")
    bench.event(NoticeKind.FILE, "x.flac")
    assert bench.run(4.9) == []
    assert bench.run(0.2) == ["x.flac"]


def test_a_directory_moved_in_is_delivered_whole(music, tmp_path):
    bench = Bench(music)
    bench.run(1)
    put(tmp_path / "new" / "disc 1" / "x.flac")
    put(tmp_path / "new" / "y.flac")
    (tmp_path / "new").rename(music / "new")
    bench.event(NoticeKind.DIRECTORY, "new")
    assert bench.run(6) == ["new/disc 1/x.flac", "new/y.flac"]


def test_of_a_file_that_somebody_keeps_open_it_is_said_once_why_it_waits(music, monkeypatch):
    writing = [Unfinished("open for writing", patient=True)]
    monkeypatch.setattr("genretagd.watcher.sieve.unfinished", lambda _path: writing[-1])
    put(music / "x.flac")
    bench = Bench(music)
    bench.run(PATIENCE_SECONDS - 100)
    assert bench.said == []
    bench.run(3000)
    assert bench.said == [f"info: {music}/x.flac: still open for writing, waiting for that to end"]
    writing.append(None)
    assert bench.run(70) == ["x.flac"]


def test_a_rename_while_waiting_is_delivered_under_the_new_name_only(music):
    bench = Bench(music)
    bench.run(1)
    put(music / "x.flac")
    bench.event(NoticeKind.FILE, "x.flac")
    bench.run(2)
    (music / "x.flac").rename(music / "X.flac")
    bench.event(NoticeKind.FILE_GONE, "x.flac")
    bench.event(NoticeKind.FILE, "X.flac")
    assert bench.run(6) == ["X.flac"]


def test_what_the_rules_ignore_is_not_delivered_even_if_an_event_tells(music):
    bench = Bench(music, ignore=("*.wav",))
    bench.run(1)
    for name in ("x.wav", "@eaDir/x.flac", "x.part.flac"):
        put(music / name)
        bench.event(NoticeKind.FILE, name)
    assert bench.run(6) == []


def test_lost_events_are_answered_by_one_rescan_and_said(music):
    bench = Bench(music)
    bench.run(1)
    put(music / "x.flac")
    scans = bench.watcher.report().scans
    bench.watcher.inbox.overflow()
    bench.watcher.inbox.overflow()
    assert bench.run(10) == ["x.flac"]
    report = bench.watcher.report()
    assert (report.scans, report.overflows) == (scans + 1, 1)
    assert len(bench.sources) == 2
    assert any("events were lost" in text for text in bench.said)


def test_a_safety_rescan_finds_what_no_event_told(music):
    bench = Bench(music, rescan_seconds=600.0)
    bench.run(1)
    put(music / "x.flac")
    assert bench.run(590) == []
    assert bench.run(20) == ["x.flac"]


@pytest.mark.parametrize(
    ("mode", "mount", "way"),
    [
        ("auto", "ext4", "events"),
        ("auto", "nfs4", "poll"),
        ("events", "nfs4", "events"),
        ("poll", "ext4", "poll"),
    ],
)
def test_the_mode_is_as_asked_for_and_auto_goes_by_the_file_system(music, mode, mount, way):
    bench = Bench(music, mount=mount, mode=mode)
    bench.run(1)
    assert bench.watcher.report().mode == way


def test_without_watches_left_a_root_is_polled_and_the_sysctl_is_named(music):
    bench = Bench(
        music, refuse=WatchLimitError("limit reached", "raise the sysctl fs.inotify.max_user_watches")
    )
    bench.run(100)
    report = bench.watcher.report()
    assert report.mode == "poll"
    assert "max_user_watches" in report.problem
    put(music / "x.flac")
    assert bench.run(40) == ["x.flac"]


def test_a_polled_root_delivers_new_files_at_the_polls(music):
    bench = Bench(music, mode="poll", poll_seconds=30.0)
    bench.run(31)
    put(music / "a" / "x.flac")
    assert bench.run(36) == ["a/x.flac"]


def test_a_polled_file_overwritten_in_place_is_found_by_the_next_full_pass(music):
    put(music / "x.flac")
    bench = Bench(music, mode="poll", poll_seconds=30.0)
    bench.run(100)
    (music / "x.flac").write_bytes(b"longer")
    bench.known.clear()
    assert bench.run(30.0 * FULL_PASS_EVERY + 6) == ["x.flac"]


def test_polls_that_take_long_leave_nine_tenths_of_the_time_to_others(music, monkeypatch):
    bench = Bench(music, mode="poll", poll_seconds=30.0)
    bench.run(29)
    polls = []

    def full_pass(*_arguments):
        polls.append(bench.now)
        bench.now += 20.0
        yield from ()

    monkeypatch.setattr(bench.watcher._snapshot, "full_pass", full_pass)
    monkeypatch.setattr("genretagd.watcher.root.FULL_PASS_EVERY", 1)
    bench.run(500)
    assert polls == [30.0, 230.0, 430.0]


@pytest.mark.parametrize("marker", [".nomedia", ".genretagdignore", ".ndignore", ".genretagd.toml"])
def test_a_file_that_says_what_is_done_in_a_folder_leads_to_a_rescan(music, marker):
    bench = Bench(music)
    bench.run(1)
    scans = bench.watcher.report().scans
    put(music / marker, b"")
    bench.event(NoticeKind.FILE, marker)
    bench.run(3)
    assert bench.watcher.report().scans == scans + 1


@pytest.mark.parametrize("marker", [".nomedia", ".ndignore"])
@pytest.mark.parametrize("told", [True, False])
def test_what_a_marker_that_comes_after_its_files_passes_over_is_not_delivered(music, marker, told):
    bench = Bench(music)
    bench.run(1)
    for name in ("phone/x.flac", "y.flac"):
        put(music / name)
        bench.event(NoticeKind.FILE, name)
    bench.run(1)
    put(music / "phone" / marker, b"")
    if told:
        bench.event(NoticeKind.FILE, f"phone/{marker}")
        bench.run(2)
        assert bench.watcher.report().waiting == 1
    assert bench.run(20) == ["y.flac"]


def test_an_idle_root_asks_to_be_called_rarely(music):
    put(music / "x.flac")
    bench = Bench(music)
    bench.run(10)
    steps = 0
    end = bench.now + 600
    while bench.now < end:
        bench.now = bench.watcher.step(bench.now)
        steps += 1
    assert steps <= 600 / CHECK_SECONDS + 2


def test_what_finds_no_room_to_wait_is_found_when_there_is_room(music, monkeypatch):
    monkeypatch.setattr("genretagd.watcher.sieve.WAITING_LIMIT", 2)
    for name in ("a", "b", "c", "d", "e"):
        put(music / f"{name}.flac")
    bench = Bench(music)
    assert len(bench.run(6)) == 2
    assert len(bench.run(60)) == 3


def test_directories_that_stay_unwatched_are_polled_until_they_are_watched_again(music, monkeypatch):
    put(music / "a" / "b" / "x.flac")
    put(music / "c" / "y.flac")
    watched = {music.stat().st_ino, (music / "c").stat().st_ino}
    monkeypatch.setattr("genretagd.watcher.coverage.watched_inodes", lambda: frozenset(watched))
    bench = Bench(music, poll_seconds=30.0)
    bench.watcher.step(0.0)
    assert bench.watcher.report().mode == "events"
    bench.run(10)
    report = bench.watcher.report()
    assert report.mode == "events+poll"
    assert "2 directories" in report.problem
    put(music / "a" / "b" / "new.flac")
    assert bench.run(40) == ["a/b/new.flac"]
    watched |= {(music / "a").stat().st_ino, (music / "a" / "b").stat().st_ino}
    bench.watcher.request_rescan()
    bench.run(10)
    report = bench.watcher.report()
    assert (report.mode, report.problem) == ("events", None)


def test_directories_unwatched_for_a_moment_only_are_not_polled(music, monkeypatch):
    put(music / "a" / "x.flac")
    answers = iter([frozenset({1})])
    everything = frozenset({music.stat().st_ino, (music / "a").stat().st_ino})
    monkeypatch.setattr("genretagd.watcher.coverage.watched_inodes", lambda: next(answers, everything))
    bench = Bench(music)
    bench.run(20)
    assert bench.watcher.report().mode == "events"
    assert bench.said == []


def test_events_that_go_on_being_lost_are_answered_less_and_less_often(music):
    bench = Bench(music)
    bench.run(1)
    scans = []
    for _ in range(10):
        before = bench.watcher.report().scans
        for _ in range(60):
            bench.watcher.inbox.overflow()
            bench.run(1)
        scans.append(bench.watcher.report().scans - before)
    assert scans[0] <= 6
    assert scans[-1] <= 1
    bench.run(400)
    put(music / "x.flac")
    bench.watcher.inbox.overflow()
    assert bench.run(7) == ["x.flac"]
