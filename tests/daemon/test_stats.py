from __future__ import annotations

from pathlib import Path

from genretagd.daemon.stats import LAST_FILES, MOST_CODES, Stats
from genretagd.domain import Outcome, Status


def test_files_are_counted_by_outcome_and_failures_by_reason():
    stats = Stats(clock=lambda: 0.0)
    stats.count(Outcome(Path("/a"), Status.TAGGED, after=("Rock",), seconds=0.5))
    stats.count(Outcome(Path("/b"), Status.FAILED, code="corrupt", seconds=0.25))
    stats.count(Outcome(Path("/c"), Status.SKIPPED))
    summary = stats.summary()
    assert summary.by_status == {"tagged": 1, "failed": 1, "skipped": 1}
    assert summary.failures == {"corrupt": 1, "other": 1}
    assert summary.seconds == 0.75
    assert [file["path"] for file in summary.last] == ["/c", "/b", "/a"]


def test_the_rate_is_that_of_the_last_five_minutes():
    now = [0.0]
    stats = Stats(clock=lambda: now[0])
    for _ in range(600):
        now[0] += 1.0
        stats.count(Outcome(Path("/a"), Status.TAGGED))
    assert 59 <= stats.summary().per_minute <= 63
    now[0] += 1000.0
    assert stats.summary().per_minute == 0.0


def test_a_million_files_take_no_more_room_than_a_few():
    stats = Stats(clock=lambda: 0.0)
    for number in range(5000):
        stats.count(Outcome(Path(f"/{number}"), Status.FAILED, code=str(number)))
    summary = stats.summary()
    assert len(summary.last) == LAST_FILES
    assert len(summary.failures) <= MOST_CODES + 1
    assert sum(summary.failures.values()) == 5000


def test_only_a_change_of_what_is_wrong_is_news():
    stats = Stats()
    assert [stats.set_problem(p) for p in (None, "a", "a", "b", None)] == [False, True, False, True, True]
