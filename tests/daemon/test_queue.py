from __future__ import annotations

import threading

import pytest
from waiting import until

from genretagd.daemon.queue import LONGEST_RETRY_SECONDS, Task, WorkQueue, retry_seconds
from genretagd.domain import FileVersion


def task(name: str, changed_at: float = 0.0, inode: int | None = None) -> Task:
    return Task(name, changed_at, FileVersion(1, hash(name) if inode is None else inode, 1, int(changed_at)))


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def work(now) -> WorkQueue:
    return WorkQueue(limit=100, clock=lambda: now[0])


def drain(work: WorkQueue) -> list[str]:
    found = []
    while (taken := work.take(0.0)) is not None:
        found.append(taken.path)
        work.done(taken)
    return found


def test_the_newest_file_is_taken_first(work):
    for name, at in (("old", 1.0), ("newest", 3.0), ("middle", 2.0)):
        work.put(task(name, at))
    assert drain(work) == ["newest", "middle", "old"]


def test_a_file_put_twice_is_taken_once_in_its_latest_state(work):
    work.put(task("a", 1.0))
    work.put(task("b", 2.0))
    work.put(task("a", 3.0))
    assert drain(work) == ["a", "b"]


def test_a_file_put_while_in_hand_is_taken_again_after_it_is_done(work):
    work.put(task("a"))
    taken = work.take(0.0)
    work.put(task("a", 5.0))
    assert work.take(0.0) is None
    work.done(taken)
    assert drain(work) == ["a"]


def test_what_is_cleared_is_not_taken_and_what_is_in_hand_stays_there(work, now):
    work.put(task("in hand"))
    taken = work.take(0.0)
    work.put(task("waits"))
    work.put_later(task("later"), 10.0)
    work.clear()
    assert (len(work), work.later, work.in_hand) == (0, 0, ("in hand",))
    now[0] += 20.0
    work.done(taken)
    work.put(task("new"))
    assert drain(work) == ["new"]


def test_what_was_in_hand_when_all_was_cleared_is_not_tried_again_unless_it_is_found_again(work, now):
    found = task("a")
    work.put(found)
    work.take(0.0)
    assert work.holds("a", found.version)
    work.clear()
    assert not work.holds("a", found.version)
    work.put_later(found, 10.0)
    work.done(found)
    assert work.later == 0
    work.put(found)
    assert work.holds("a", found.version)
    work.take(0.0)
    work.put_later(found, 10.0)
    assert work.later == 1


def test_hard_links_to_one_file_are_not_in_hand_at_the_same_time(work):
    work.put(task("a", 2.0, inode=7))
    work.put(task("b", 1.0, inode=7))
    work.put(task("c", 0.0, inode=8))
    first, second = work.take(0.0), work.take(0.0)
    assert (first.path, second.path) == ("a", "c")
    work.done(first)
    assert work.take(0.0).path == "b"


def test_a_file_to_be_tried_later_comes_when_it_is_due(work, now):
    work.put_later(task("a"), 30.0)
    assert work.take(0.0) is None
    assert work.later == 1
    now[0] = 30.0
    assert drain(work) == ["a"]


def test_a_file_that_changed_is_not_tried_later_but_now(work, now):
    work.put_later(task("a"), 30.0)
    work.put(task("a", 1.0))
    assert drain(work) == ["a"]
    now[0] = 60.0
    assert drain(work) == []


def test_a_flood_is_bounded_keeps_the_newest_and_tells_when_there_is_room_again(work):
    for number in range(1000):
        work.put(task(str(number), float(number)))
        assert len(work) <= 100
    assert not work.relieved()
    assert drain(work)[0] == "999"
    assert work.relieved()
    assert not work.relieved()


def test_files_to_be_tried_later_are_bounded_too_and_fill_the_queue_no_further_when_they_are_due(work, now):
    for number in range(1000):
        work.put_later(task(str(number), float(number)), 30.0)
    assert work.later == 100
    for number in range(1000, 1100):
        work.put(task(str(number), float(number)))
    now[0] = 30.0
    assert work.take(0.0).path == "1099"
    assert work.later == 0
    assert len(work) < 100


def test_files_that_come_and_go_leave_nothing_behind(work):
    for number in range(10_000):
        work.put(task("a", float(number)))
        work.put_later(task("b"), float(number))
        drain(work)
    assert len(work._order) < 200
    assert len(work._later_order) < 200


def test_taking_waits_until_a_file_comes_and_ends_when_the_queue_is_closed():
    work = WorkQueue()
    taken = []

    def take() -> None:
        while not work.closed:
            found = work.take(10.0)
            if found:
                taken.append(found.path)
                work.done(found)

    thread = threading.Thread(target=take)
    thread.start()
    work.put(task("a"))
    work.put_later(task("b"), 0.01)
    until(lambda: len(taken) >= 2)
    work.close()
    thread.join(5)
    assert not thread.is_alive()
    assert taken == ["a", "b"]


def test_pauses_between_attempts_grow_up_to_six_hours():
    pauses = [retry_seconds(attempts) for attempts in range(1, 12)]
    assert pauses[:3] == [30.0, 120.0, 480.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_RETRY_SECONDS
