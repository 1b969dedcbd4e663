"""Real events of a real kernel; each test waits for a condition with a limit, never for a time."""

from __future__ import annotations

import shutil
import sys
import threading

import pytest

from genretagd.watcher.events import Inbox, NoticeKind, limit_advice, watch, watched_inodes

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
def test_what_is_watched_can_be_asked_of_the_kernel(tmp_path, ear, source):
    assert tmp_path.stat().st_ino in watched_inodes()


def test_a_missing_root_cannot_be_watched(tmp_path, ear):
    with pytest.raises(OSError):
        watch(str(tmp_path / "missing"), ear.inbox)


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
