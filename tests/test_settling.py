"""When a file is whole. The clock is a number that the tests move on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genretagd.domain import FileVersion
from genretagd.settling import PATIENCE_SECONDS, SHORTEST_WAIT_SECONDS, Look, Settling, Unfinished


class Disk:
    """Files that the tests change at will."""

    def __init__(self) -> None:
        self.files: dict[str, Look] = {}
        self.unfinished: dict[str, Unfinished] = {}
        self.looks = 0

    def write(self, path: str, *, size: int = 10, mtime: int = 0, inode: int = 1) -> None:
        self.files[path] = Look(FileVersion(1, inode, size, mtime), float(mtime))

    def look(self, path: str) -> Look | None:
        self.looks += 1
        return self.files.get(path)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def settling(disk: Disk) -> Settling:
    return Settling(settle_seconds=5.0, look=disk.look, unfinished=disk.unfinished.get)


def paths(settled) -> list[str]:
    return [one.path for one in settled]


def test_a_quiet_file_is_whole_after_the_settle_time_and_not_before(disk, settling):
    disk.write("/a")
    settling.notice("/a", 0.0)
    assert settling.settled(4.9) == []
    assert paths(settling.settled(5.0)) == ["/a"]
    assert len(settling) == 0


def test_every_event_begins_the_wait_again(disk, settling):
    disk.write("/a")
    settling.notice("/a", 0.0)
    settling.notice("/a", 4.0)
    assert settling.settled(5.0) == []
    assert paths(settling.settled(9.0)) == ["/a"]


def test_a_file_that_differs_between_two_looks_waits_again_though_no_event_told(disk, settling):
    disk.write("/a", size=10)
    settling.notice("/a", 0.0)
    disk.write("/a", size=20)
    assert settling.settled(5.0) == []
    assert paths(settling.settled(10.0)) == ["/a"]


def test_a_file_deleted_while_waiting_is_forgotten(disk, settling):
    disk.write("/a")
    settling.notice("/a", 0.0)
    del disk.files["/a"]
    assert settling.settled(5.0) == []
    assert settling.next_due() is None


def test_noticing_a_file_that_is_gone_ends_the_wait_for_it(disk, settling):
    disk.write("/a")
    settling.notice("/a", 0.0)
    del disk.files["/a"]
    settling.notice("/a", 1.0)
    assert "/a" not in settling


def test_an_empty_file_is_not_handed_over(disk, settling):
    disk.write("/a", size=0)
    settling.notice("/a", 0.0)
    assert settling.settled(5.0) == []
    assert len(settling) == 0


def test_a_file_that_is_open_for_writing_waits_as_long_as_it_takes(disk, settling):
    disk.write("/a")
    disk.unfinished["/a"] = Unfinished("open for writing", patient=True)
    settling.notice("/a", 0.0)
    now = 0.0
    while now < 10 * PATIENCE_SECONDS:
        now = settling.next_due()
        assert settling.settled(now) == []
    del disk.unfinished["/a"]
    assert paths(settling.settled(settling.next_due())) == ["/a"]


def test_a_file_that_is_closed_after_pauses_that_grew_is_handed_over_after_the_settle_time(disk, settling):
    disk.write("/a")
    disk.unfinished["/a"] = Unfinished("open for writing", patient=True)
    settling.notice("/a", 0.0)
    now = 0.0
    while settling.next_due() - now < 30.0:
        now = settling.next_due()
        assert settling.settled(now) == []
    del disk.unfinished["/a"]
    settling.notice("/a", now + 1.0)
    assert settling.next_due() == now + 6.0
    assert settling.settled(now + 5.9) == []
    assert paths(settling.settled(now + 6.0)) == ["/a"]
    assert settling.settled(now + 100.0) == []
    assert settling.next_due() is None


def test_without_a_settle_time_a_file_that_is_written_is_looked_at_again_later_and_holds_nobody_up(disk):
    disk.write("/a")
    disk.write("/b")
    disk.unfinished["/a"] = Unfinished("open for writing", patient=True)
    settling = Settling(settle_seconds=0.0, look=disk.look, unfinished=disk.unfinished.get)
    settling.notice("/a", 0.0)
    settling.notice("/b", 0.0)
    assert paths(settling.settled(0.0)) == ["/b"]
    assert settling.next_due() == SHORTEST_WAIT_SECONDS
    disk.unfinished.clear()
    disk.write("/a", size=11)
    assert settling.settled(SHORTEST_WAIT_SECONDS) == []
    assert paths(settling.settled(2 * SHORTEST_WAIT_SECONDS)) == ["/a"]


def test_a_container_that_stays_incomplete_is_handed_over_when_patience_ends(disk, settling):
    disk.write("/a")
    disk.unfinished["/a"] = Unfinished("bytes are missing", patient=False)
    settling.notice("/a", 0.0)
    handed_over = None
    while handed_over is None:
        now = settling.next_due()
        if settling.settled(now):
            handed_over = now
    assert PATIENCE_SECONDS <= handed_over <= PATIENCE_SECONDS + 60


def test_patience_counts_from_the_last_change(disk, settling):
    disk.unfinished["/a"] = Unfinished("bytes are missing", patient=False)
    for minute in range(20):
        disk.write("/a", size=10 + minute)
        settling.notice("/a", 60.0 * minute)
        assert settling.settled(60.0 * minute + 30.0) == []


def test_a_forgotten_directory_takes_its_files_along_and_no_others(disk, settling):
    for path in ("/d/a", "/d/e/b", "/dd/c"):
        disk.write(path)
        settling.notice(path, 0.0)
    settling.forget_below("/d")
    assert paths(settling.settled(5.0)) == ["/dd/c"]


def test_a_file_forgotten_and_noticed_again_is_handed_over_once(disk, settling):
    disk.write("/a")
    settling.notice("/a", 0.0)
    settling.forget("/a")
    settling.notice("/a", 1.0)
    assert settling.settled(5.0) == []
    assert paths(settling.settled(6.0)) == ["/a"]
    assert settling.settled(100.0) == []


def test_files_that_come_and_go_leave_nothing_behind(disk, settling):
    for number in range(10_000):
        disk.write(f"/{number}")
        settling.notice(f"/{number}", float(number))
        settling.forget(f"/{number}")
    assert len(settling._queue) < 200


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abc")), max_size=40))
def test_no_file_is_handed_over_sooner_than_the_settle_time_after_its_last_event(events):
    disk = Disk()
    settling = Settling(settle_seconds=5.0, look=disk.look, unfinished=lambda _path: None)
    last: dict[str, float] = {}
    now = 0.0
    for pause, name in events:
        now += pause
        for settled in settling.settled(now):
            assert now >= last.pop(settled.path) + 5.0  # added and not subtracted: as exact as the clock
        disk.write(name, mtime=int(now))
        settling.notice(name, now)
        last[name] = now
    assert sorted(paths(settling.settled(now + 5.0))) == sorted(last)
