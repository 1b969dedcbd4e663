"""The outbox: nothing is lost, tracks keep their order, moved tracks are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from actions_support import AT, tagged

from genretagd.events import TrackEvent, TrackFailed, TrackMoved, TrackUnsure, moved_event, relocated
from genretagd.ledger.database import Database
from genretagd.ledger.outbox import Outbox


def names(outbox: Outbox, action: str = "a", *, now: float = 10.0) -> list[str]:
    return [delivery.event.path.name for delivery in outbox.due(action, now=now, limit=100)]


def test_an_event_waits_for_each_action_once(outbox: Outbox) -> None:
    for _ in range(2):
        outbox.add(tagged("/m/1"), actions=["a", "b"], now=1.0)
    assert (names(outbox, "a"), names(outbox, "b"), names(outbox, "c")) == (["1"], ["1"], [])


def test_an_event_that_waits_survives_its_process(outbox: Outbox, database: Database) -> None:
    event = tagged(os.fsdecode(b"/m/caf\xe9 \xff.mp3"), "A\nB")
    outbox.add(event, actions=["a"], now=1.0)
    database.close()
    again = Outbox(Database(database.path))
    assert [delivery.event for delivery in again.due("a", now=2.0, limit=9)] == [event]
    again.close()


def test_only_the_oldest_event_of_a_track_is_due(outbox: Outbox) -> None:
    for version in (1, 2):
        for track in ("/m/1", "/m/2"):
            outbox.add(tagged(track, version=version), actions=["a"], now=float(version))
    first = outbox.due("a", now=10, limit=9)
    assert [delivery.event.path.name for delivery in first] == ["1", "2"]
    outbox.failed(first[0].id, error="no", due_at=100.0)
    outbox.delivered([first[1].id])
    assert [delivery.event.key for delivery in outbox.due("a", now=10, limit=9)] == [
        tagged("/m/2", version=2).key
    ]
    assert [delivery.event.key for delivery in outbox.due("a", now=100, limit=9)] == [
        tagged("/m/2", version=2).key,
        tagged("/m/1", version=1).key,
    ]


def test_an_error_that_quotes_a_name_which_is_not_text_is_kept(outbox: Outbox) -> None:
    error = os.fsdecode(b"caf\xe9.mp3: not found")
    for track in ("/m/1", "/m/2"):
        outbox.add(tagged(track), actions=["a"], now=1.0)
    first, second = outbox.due("a", now=10, limit=9)
    outbox.failed(first.id, error=error, due_at=None)
    outbox.told([second.id])
    outbox.unconfirmed("a", error=error, due_at=20.0, max_attempts=1, permanent=False)
    assert {letter.last_error for letter in outbox.dead_letters("a")} == {"caf?.mp3: not found"}


def test_a_dead_letter_lets_the_next_event_of_its_track_pass_and_comes_back_on_request(
    outbox: Outbox,
) -> None:
    outbox.add(tagged("/m/1", version=1), actions=["a"], now=1.0)
    outbox.add(tagged("/m/1", version=2), actions=["a"], now=2.0)
    (first,) = outbox.due("a", now=10, limit=9)
    outbox.failed(first.id, error="never again", due_at=None)
    assert [d.event.key for d in outbox.due("a", now=10, limit=9)] == [tagged("/m/1", version=2).key]
    (letter,) = outbox.dead_letters("a")
    assert (letter.event, letter.attempts, letter.last_error) == (first.event, 1, "never again")
    assert outbox.backlog()["a"].dead == 1
    assert outbox.retry("b", now=11) == 0
    assert outbox.retry("a", now=11) == 2
    assert [(d.event.key, d.attempts) for d in outbox.due("a", now=11, limit=9)] == [(first.event.key, 0)]


def event_of_kind(kind: str, version: int) -> TrackEvent:
    key, path = f"{kind}-{version}", Path("/m/1")
    if kind == "moved":
        return TrackMoved(key, AT, path, Path("/m/0"))
    if kind == "unsure":
        return TrackUnsure(key, AT, path, (), "not sure")
    return tagged(path, version=version) if kind == "tagged" else TrackFailed(key, AT, path, "why", "why")


@pytest.mark.parametrize("idle", [False, True], ids=["delivered", "told"])
@pytest.mark.parametrize(
    ("given_up", "later", "is_left"),
    [
        ("tagged", "tagged", False),
        ("tagged", "unsure", True),
        ("tagged", "failed", True),
        ("unsure", "tagged", False),
        ("unsure", "failed", False),
        ("failed", "unsure", False),
        ("failed", "moved", True),
        ("tagged", "moved", True),
        ("moved", "tagged", True),
        ("moved", "moved", True),
    ],
)
def test_what_was_given_up_on_is_forgotten_when_a_later_event_of_its_track_makes_it_untrue(
    outbox: Outbox, given_up: str, later: str, *, is_left: bool, idle: bool
) -> None:
    outbox.add(event_of_kind(given_up, 1), actions=["a", "b"], now=1.0)
    (first,) = outbox.due("a", now=10, limit=9)
    outbox.failed(first.id, error="no", due_at=None)
    outbox.add(tagged("/m/2"), actions=["a"], now=2.0)
    outbox.add(event_of_kind(later, 2), actions=["a"], now=2.0)
    ids = [delivery.id for delivery in outbox.due("a", now=10, limit=9)]
    settle = outbox.told if idle else outbox.delivered
    assert settle(ids) == (not is_left)
    assert len(outbox.dead_letters("a")) == is_left
    assert names(outbox, "b") == ["1"]


def test_an_older_event_that_is_tried_again_while_a_later_one_is_told_does_not_come_after_it(
    outbox: Outbox,
) -> None:
    for version in (1, 2):
        outbox.add(tagged("/m/1", version=version), actions=["a"], now=1.0)
        (delivery,) = outbox.due("a", now=10, limit=9)
        if version == 1:
            outbox.failed(delivery.id, error="no", due_at=None)
    assert outbox.retry("a", now=10) == 2
    assert outbox.delivered([delivery.id]) == 1
    assert outbox.backlog() == {}


def test_what_waits_to_be_tried_again_is_due_on_request_and_no_less_tried(outbox: Outbox) -> None:
    outbox.add(tagged("/m/1"), actions=["a"], now=1.0)
    (delivery,) = outbox.due("a", now=10, limit=9)
    outbox.failed(delivery.id, error="no", due_at=1000.0)
    assert outbox.retry("a", now=10) == 1
    assert [d.attempts for d in outbox.due("a", now=10, limit=9)] == [1]


def test_told_events_are_told_again_after_a_crash_and_gone_after_a_confirmation(outbox: Outbox) -> None:
    for track in ("/m/1", "/m/2"):
        outbox.add(tagged(track), actions=["a"], now=1.0)
    outbox.told([delivery.id for delivery in outbox.due("a", now=2, limit=9)])
    assert names(outbox) == []
    assert outbox.recover("a", latest=99.0) == 2
    assert names(outbox) == ["1", "2"]
    outbox.told([delivery.id for delivery in outbox.due("a", now=2, limit=9)])
    outbox.confirmed("a")
    assert outbox.recover("a", latest=99.0) == 0
    assert outbox.backlog() == {}


def test_a_failed_confirmation_counts_for_every_told_event(outbox: Outbox) -> None:
    outbox.add(tagged("/m/1"), actions=["a"], now=1.0)
    for attempt in (1, 2):
        outbox.told([delivery.id for delivery in outbox.due("a", now=100, limit=9)])
        outbox.unconfirmed("a", error="down", due_at=50.0, max_attempts=2, permanent=False)
        assert outbox.backlog()["a"].dead == (attempt == 2)


def test_the_next_due_time_is_that_of_what_is_not_yet_due(outbox: Outbox) -> None:
    outbox.add(tagged("/m/1"), actions=["a"], now=1.0)
    (delivery,) = outbox.due("a", now=2, limit=9)
    outbox.failed(delivery.id, error="no", due_at=70.0)
    outbox.add(tagged("/m/1", version=2), actions=["a"], now=3.0)
    assert outbox.next_due("a", now=10) == 70.0
    assert outbox.next_due("b", now=10) is None


def test_a_due_time_of_a_clock_that_was_wrong_is_brought_back(outbox: Outbox) -> None:
    outbox.add(tagged("/m/1"), actions=["a"], now=9e9)
    assert names(outbox) == []
    outbox.recover("a", latest=10.0)
    assert names(outbox) == ["1"]


def test_waiting_events_follow_a_moved_track_and_the_move_is_told(outbox: Outbox) -> None:
    outbox.add(tagged("/m/1"), actions=["mover", "a", "b"], now=1.0)
    (delivery,) = outbox.due("mover", now=2, limit=9)
    move = moved_event(Path("/m/1"), Path("/m/Rock/1.mp3"), cause=delivery.event.key, at=AT)
    outbox.moved(delivery.id, move, actions=["a"], now=3.0)
    assert names(outbox, "mover") == []
    assert [d.event.path for d in outbox.due("b", now=9, limit=9)] == [Path("/m/Rock/1.mp3")]
    (waiting,) = outbox.due("a", now=9, limit=9)
    assert waiting.event == relocated(tagged("/m/1"), Path("/m/Rock/1.mp3"))
    outbox.delivered([waiting.id])
    assert [d.event for d in outbox.due("a", now=9, limit=9)] == [move]


def test_an_event_in_a_transaction_that_fails_is_not_kept(outbox: Outbox, database: Database) -> None:
    def told_in_vain() -> None:
        with database.transaction():
            outbox.add(tagged("/m/1"), actions=["a"], now=1.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        told_in_vain()
    assert names(outbox) == []


def test_what_another_connection_adds_is_noticed(outbox: Outbox, database: Database) -> None:
    other = Outbox(Database(database.path, durable=False))
    seen = other.changes()
    assert other.changes() == seen
    outbox.add(tagged("/m/1"), actions=["a"], now=1.0)
    assert other.changes() != seen
    other.close()


def test_a_forgotten_action_has_nothing_to_tell(outbox: Outbox) -> None:
    outbox.add(tagged("/m/1"), actions=["a", "b"], now=1.0)
    assert outbox.forget("a") == 1
    assert (names(outbox, "a"), names(outbox, "b")) == ([], ["1"])
