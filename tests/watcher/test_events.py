"""Real events of a real kernel; each test waits for a condition with a limit, never for a time."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from genretagd.watcher.events import (
    Inbox,
    NoticeKind,
    WatchLimitError,
    limit_advice,
    watch,
    watched_inodes,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")


class Ear:
    """An inbox whose notices can be waited for."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self.inbox = Inbox(self._woken.set)
        self.heard: list[tuple[NoticeKind, str]] = []
        self.lost = False

    def hears(self, kind: NoticeKind, path) -> bool:
        for _ in range(50):
            self._woken.clear()
            notices, lost = self.inbox.take()
            self.heard += [(notice.kind, notice.path) for notice in notices]
            self.lost |= lost
            if (kind, str(path)) in self.heard:
                return True
            self._woken.wait(0.2)
        return False


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def source(tmp_path, ear):
    source = watch(str(tmp_path), ear.inbox)
    yield source
    source.close()


def test_a_written_file_is_noticed(tmp_path, ear, source):
    (tmp_path / "x.mp3").write_bytes(b"x")
    assert ear.hears(NoticeKind.FILE, tmp_path / "x.mp3")


def test_a_file_moved_in_from_elsewhere_is_noticed(tmp_path_factory, tmp_path, ear, source):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x.mp3"
    elsewhere.write_bytes(b"x")
    elsewhere.rename(tmp_path / "x.mp3")
    assert ear.hears(NoticeKind.FILE, tmp_path / "x.mp3")


def test_a_rename_is_noticed_on_both_sides(tmp_path, ear, source):
    (tmp_path / "x.mp3").write_bytes(b"x")
    (tmp_path / "x.mp3").rename(tmp_path / "y.mp3")
    assert ear.hears(NoticeKind.FILE, tmp_path / "y.mp3")
    assert ear.hears(NoticeKind.FILE_GONE, tmp_path / "x.mp3")


def test_a_directory_moved_in_is_noticed_and_heard_from_then_on(tmp_path_factory, tmp_path, ear, source):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a" / "b").mkdir(parents=True)
    (elsewhere / "a").rename(tmp_path / "a")
    assert ear.hears(NoticeKind.DIRECTORY, tmp_path / "a")
    (tmp_path / "a" / "b" / "x.mp3").write_bytes(b"x")
    assert ear.hears(NoticeKind.FILE, tmp_path / "a" / "b" / "x.mp3")


def test_a_deleted_directory_is_noticed(tmp_path, ear, source):
    (tmp_path / "a").mkdir()
    assert ear.hears(NoticeKind.DIRECTORY, tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    assert ear.hears(NoticeKind.DIRECTORY_GONE, tmp_path / "a")


@linux
def test_a_queue_overflow_of_the_kernel_is_noticed(tmp_path, ear, source):
    inotify = pytest.importorskip("watchdog.observers.inotify_c")
    source._reader.handle_event(inotify.InotifyEvent(-1, inotify.InotifyConstants.IN_Q_OVERFLOW, 0, b""))
    (tmp_path / "x.mp3").write_bytes(b"x")
    assert ear.hears(NoticeKind.FILE, tmp_path / "x.mp3")
    assert ear.lost


def test_a_source_whose_threads_live_is_healthy_and_one_without_is_not(tmp_path, ear, source):
    assert source.healthy()
    for emitter in list(source._observer.emitters):
        emitter.stop()
        emitter.join(5)
    assert not source.healthy()


@linux
def test_an_unmounted_file_system_counts_as_lost_events(tmp_path, ear, source):
    inotify = pytest.importorskip("watchdog.observers.inotify_c")
    source._reader.handle_event(inotify.InotifyEvent(1, inotify.InotifyConstants.IN_UNMOUNT, 0, b""))
    (tmp_path / "x.mp3").write_bytes(b"x")
    assert ear.hears(NoticeKind.FILE, tmp_path / "x.mp3")
    assert ear.lost


@linux
def test_a_mistake_in_the_readers_thread_counts_as_lost_events_and_does_not_end_it(
    tmp_path, ear, source, monkeypatch
):
    inotify = pytest.importorskip("watchdog.observers.inotify")
    failing = iter([True])
    real = inotify.InotifyMoveEventGrouper.put_event

    def put_event(self, event):
        if next(failing, False):
            raise KeyError(event)
        real(self, event)

    monkeypatch.setattr(inotify.InotifyMoveEventGrouper, "put_event", put_event)
    (tmp_path / "a").mkdir()
    (tmp_path / "x.mp3").write_bytes(b"x")
    assert ear.hears(NoticeKind.FILE, tmp_path / "x.mp3")
    assert ear.lost
    assert source.healthy()


def watched_below(root) -> set[str]:
    """The directories at and below a root that are watched, by the kernel's answer."""
    inodes = watched_inodes()
    return {
        os.path.relpath(directory, root)
        for directory, _, _ in os.walk(root)
        if Path(directory).stat().st_ino in inodes
    }


@linux
def test_a_directory_that_leaves_is_watched_no_longer_and_is_again_when_it_comes_back(
    tmp_path_factory, tmp_path, ear, source
):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for number in range(3):
        (tmp_path / "album" / "cd 1").mkdir(parents=True)
        assert ear.hears(NoticeKind.DIRECTORY, tmp_path / "album")
        (tmp_path / "album").rename(elsewhere / str(number))
        assert ear.hears(NoticeKind.DIRECTORY_GONE, tmp_path / "album")
        ear.heard.clear()
    assert watched_below(elsewhere) == set()
    (elsewhere / "0").rename(tmp_path / "again")
    assert ear.hears(NoticeKind.DIRECTORY, tmp_path / "again")
    (tmp_path / "again").rename(tmp_path / "and again")
    assert ear.hears(NoticeKind.DIRECTORY, tmp_path / "and again")
    (tmp_path / "and again" / "cd 1" / "x.mp3").write_bytes(b"x")
    assert ear.hears(NoticeKind.FILE, tmp_path / "and again" / "cd 1" / "x.mp3")
    assert watched_below(tmp_path) == {".", "and again", "and again/cd 1"}


@linux
def test_the_name_of_a_directory_that_left_can_be_used_again(tmp_path_factory, tmp_path, ear):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    source = watch(str(tmp_path), ear.inbox)
    for name in ("a", "b"):
        (tmp_path / name).rename(elsewhere / name)
        (tmp_path / name).mkdir()
        assert ear.hears(NoticeKind.DIRECTORY, tmp_path / name)
        (tmp_path / name).rmdir()
        assert ear.hears(NoticeKind.DIRECTORY_GONE, tmp_path / name)
        ear.heard.clear()
    shutil.rmtree(elsewhere / "a")
    (tmp_path / "x.mp3").write_bytes(b"x")
    assert ear.hears(NoticeKind.FILE, tmp_path / "x.mp3")
    assert source.healthy()
    threads = list(source._observer.emitters)
    source.close()
    assert not any(thread.is_alive() for thread in (source._observer, source._reader, *threads))


@linux
@pytest.mark.parametrize("order", ["at once", "after the first was heard"])
def test_directories_that_take_each_others_names_are_heard_under_those_they_have(
    tmp_path, ear, source, order
):
    for name in ("one", "two"):
        (tmp_path / name / "in").mkdir(parents=True)
        assert ear.hears(NoticeKind.DIRECTORY, tmp_path / name)
    for old, new in (("one", "third"), ("two", "one"), ("third", "two")):
        (tmp_path / old).rename(tmp_path / new)
        if order != "at once":
            assert ear.hears(NoticeKind.DIRECTORY, tmp_path / new)
    (tmp_path / "last").mkdir()
    assert ear.hears(NoticeKind.DIRECTORY, tmp_path / "last")
    for name in ("one", "two"):
        (tmp_path / name / "in" / "x.mp3").write_bytes(b"x")
        assert ear.hears(NoticeKind.FILE, tmp_path / name / "in" / "x.mp3")


def test_links_that_lead_in_a_circle_are_followed_once(tmp_path_factory, tmp_path, ear):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "up").symlink_to("..")
        (tmp_path / name / "out").symlink_to(elsewhere)
    (tmp_path / "loop").symlink_to("loop")
    source = watch(str(tmp_path), ear.inbox, follow=True)
    try:
        (tmp_path / "c" / "x.mp3").write_bytes(b"x")
        assert ear.hears(NoticeKind.FILE, tmp_path / "c" / "x.mp3")
        (elsewhere / "in" / "y.mp3").write_bytes(b"y")
        assert ear.hears(NoticeKind.FILE, tmp_path / "a" / "out" / "in" / "y.mp3")
    finally:
        source.close()


@linux
def test_a_link_to_a_directory_is_followed_from_when_it_comes_until_it_goes(tmp_path_factory, tmp_path, ear):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    source = watch(str(tmp_path), ear.inbox, follow=True)
    try:
        (tmp_path / "link").symlink_to(elsewhere)
        assert ear.hears(NoticeKind.DIRECTORY, tmp_path / "link")
        (elsewhere / "x.mp3").write_bytes(b"x")
        assert ear.hears(NoticeKind.FILE, tmp_path / "link" / "x.mp3")
        (tmp_path / "link").unlink()
        assert ear.hears(NoticeKind.DIRECTORY_GONE, tmp_path / "link")
        assert watched_below(elsewhere) == set()
    finally:
        source.close()


@linux
def test_litter_is_not_watched_and_takes_no_watches_from_music(tmp_path, ear):
    for name in ("@eaDir/x", ".stversions", "music/@eaDir"):
        (tmp_path / name).mkdir(parents=True)
    source = watch(str(tmp_path), ear.inbox)
    assert watched_below(tmp_path) == {".", "music"}
    source.close()


@linux
def test_without_an_instance_left_the_error_names_the_sysctl(tmp_path, ear, monkeypatch):
    inotify = pytest.importorskip("watchdog.observers.inotify_c")

    def refuse(_class):
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(inotify.InotifyFD, "_create_inotify_fd", refuse)
    with pytest.raises(WatchLimitError) as caught:
        watch(str(tmp_path), ear.inbox)
    assert "fs.inotify.max_user_instances" in caught.value.advice


@linux
def test_closing_waits_for_no_directory_that_does_not_answer(tmp_path, ear, monkeypatch):
    monkeypatch.setattr("genretagd.watcher.events.CLOSE_SECONDS", 0.1)
    source = watch(str(tmp_path), ear.inbox)
    (emitter,) = source._observer.emitters
    with emitter._inotify._lock:  # as if the reader were held up inside it
        source.close()
        assert source._reader.is_alive()
    for thread in (emitter, source._reader):
        thread.join(20)
        assert not thread.is_alive()


@linux
def test_what_is_watched_can_be_asked_of_the_kernel(tmp_path, ear, source):
    assert tmp_path.stat().st_ino in watched_inodes()


def test_a_missing_root_cannot_be_watched(tmp_path, ear):
    with pytest.raises(OSError):
        watch(str(tmp_path / "missing"), ear.inbox)


@linux
def test_a_beginning_that_fails_leaves_no_instance_behind(tmp_path, ear, monkeypatch):
    inotify = pytest.importorskip("watchdog.observers.inotify")

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    def instances() -> int:
        return sum(
            "inotify" in str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()
        )

    before = instances()
    monkeypatch.setattr(inotify.BaseObserver, "start", refuse)
    with pytest.raises(RuntimeError):
        watch(str(tmp_path), ear.inbox)
    assert instances() == before


def test_closing_leaves_no_thread_behind(tmp_path):
    before = set(threading.enumerate())
    watch(str(tmp_path), Ear().inbox).close()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]


@linux
def test_the_advice_names_the_sysctl():
    assert "fs.inotify.max_user_watches" in limit_advice(None)


def test_a_full_inbox_drops_and_says_so():
    inbox = Inbox(lambda: None, limit=3)
    for number in range(5):
        inbox.put(NoticeKind.FILE, str(number))
    notices, lost = inbox.take()
    assert len(notices) == 3
    assert lost
    assert inbox.take() == ([], False)


def test_repeated_notices_in_a_row_are_one():
    inbox = Inbox(lambda: None)
    for _ in range(100):
        inbox.put(NoticeKind.FILE, "x")
    assert len(inbox.take()[0]) == 1


def test_a_loss_that_comes_while_the_inbox_is_emptied_is_told_the_next_time(monkeypatch):
    inbox = Inbox(lambda: None)
    real = inbox._overflowed.is_set

    def is_set():
        before = real()
        inbox.overflow()
        return before

    monkeypatch.setattr(inbox._overflowed, "is_set", is_set)
    assert not inbox.take()[1]
    assert inbox.take()[1]
