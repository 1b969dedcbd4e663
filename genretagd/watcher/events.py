"""File system events by watchdog: the handler only enqueues; overflow and deafness are noticed.

What watchdog reports (measured): a normal write ends in *closed*; a file moved in from elsewhere gives
only *created*; copy and replace gives *moved*; so a file is noticed on each of these.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

INBOX_LIMIT: Final = 50_000

CLOSE_SECONDS: Final = 5.0
"""What is closed is waited for so long."""


class NoticeKind(enum.Enum):
    """What happened to a path."""

    FILE = "file"
    FILE_GONE = "file gone"
    DIRECTORY = "directory"
    DIRECTORY_GONE = "directory gone"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened to a path."""

    kind: NoticeKind
    path: str


class Inbox:
    """Between the observer's threads and the root's: bounded, and honest about what it dropped.

    Parameters
    ----------
    wake : callable
        Called after something arrived; must not block.
    limit : int
        So many notices at most; more are dropped and count as an overflow.
    """

    def __init__(self, wake: Callable[[], None], *, limit: int = INBOX_LIMIT) -> None:
        self._wake = wake
        self._limit = limit
        self._notices: deque[Notice] = deque()
        self._overflowed = threading.Event()

    def put(self, kind: NoticeKind, path: str) -> None:
        """Add a notice; a file's repeated notices in a row are one."""
        notice = Notice(kind, path)
        try:
            if self._notices[-1] == notice:
                return
        except IndexError:
            pass
        if len(self._notices) >= self._limit:
            self.overflow()
            return
        self._notices.append(notice)
        self._wake()

    def overflow(self) -> None:
        """Take down that events were lost."""
        self._overflowed.set()
        self._wake()

    def take(self) -> tuple[list[Notice], bool]:
        """Return what arrived, in order, and whether events were lost since the last time."""
        overflowed = self._overflowed.is_set()
        if overflowed:  # else one that comes right now would be wiped out untold
            self._overflowed.clear()
        taken: list[Notice] = []
        while self._notices:
            taken.append(self._notices.popleft())
        return taken, overflowed


class EventSource(Protocol):
    """Delivers what happens below a root into an inbox, until closed."""

    def healthy(self) -> bool:
        """Return whether events would still arrive."""

    def close(self) -> None:
        """Stop; no event arrives afterwards."""


class WatchLimitError(OSError):
    """The system gives no more watches or instances; `advice` says what to change."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(errno.ENOSPC, problem)
        self.advice = advice


def watch(root: str, inbox: Inbox, *, follow: bool = False) -> EventSource:
    """Watch a tree by events.

    Raises
    ------
    WatchLimitError
        The root cannot be watched for lack of watches or instances.
    OSError
        The root cannot be watched.
    """
    source = _WatchdogSource(root, inbox, follow=follow)
    try:
        source.start()
    except Exception as exc:
        source.close()
        if isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EMFILE}:
            raise WatchLimitError(exc.strerror or "limit reached", limit_advice(exc.errno)) from exc
        raise
    return source


def limit_advice(number: int | None) -> str:
    """Return which sysctl lifts a limit, with the value in force where it can be read."""
    name = "max_user_instances" if number == errno.EMFILE else "max_user_watches"
    try:
        now = f" (now {Path(f'/proc/sys/fs/inotify/{name}').read_text().strip()})"
    except OSError:
        now = ""
    return f"raise the sysctl fs.inotify.{name}{now}"


class _WatchdogSource:
    """One observer for one root.

    On Linux the inotify reader is our own, which tells that events were lost. Whoever hears of it
    closes this source and watches anew.
    """

    def __init__(self, root: str, inbox: Inbox, *, follow: bool) -> None:
        self._root = root
        self._follow = follow
        self._inbox = inbox
        self._reader: Any = None
        self._observer: Any = None

    def start(self) -> None:
        """Begin; returns when everything that is there is watched."""
        from watchdog import events  # noqa: PLC0415 - only where events are used

        wanted = [
            events.FileClosedEvent, events.FileCreatedEvent, events.FileMovedEvent, events.FileDeletedEvent,
            events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent,
        ]  # fmt: skip
        if sys.platform.startswith("linux"):
            from genretagd.watcher.inotify import Reader, observer_of  # noqa: PLC0415

            self._reader = Reader(self._inbox.overflow)
            self._observer = observer_of(self._reader)
        else:
            from watchdog.observers import Observer  # noqa: PLC0415

            self._observer = Observer()
            wanted.append(events.FileModifiedEvent)  # nothing says that a file was closed
        extra: dict[str, Any] = {"follow_symlink": True} if self._follow else {}
        handler = _handler(self._inbox)
        self._observer.schedule(handler, self._root, recursive=True, event_filter=wanted, **extra)
        if self._reader is not None:
            self._reader.start()
        self._observer.start()

    def healthy(self) -> bool:
        """See `EventSource`: every thread between the kernel and the inbox is alive."""
        threads = [self._observer, *self._observer.emitters]
        if self._reader is not None:
            threads.append(self._reader)
        return bool(self._observer.emitters) and all(thread.is_alive() for thread in threads)

    def close(self) -> None:
        """See `EventSource`; what waits for a directory that does not answer is left behind."""
        closing = threading.Thread(target=self._close, name=f"close {self._root}", daemon=True)
        with contextlib.suppress(RuntimeError):  # there is no thread left to be had
            closing.start()
            closing.join(CLOSE_SECONDS)

    def _close(self) -> None:
        with contextlib.suppress(Exception):
            if self._observer is not None and self._observer.is_alive():
                self._observer.stop()
                self._observer.join(CLOSE_SECONDS)
        with contextlib.suppress(Exception):
            if self._reader is not None and self._reader.is_alive():
                self._reader.stop()
                self._reader.join(CLOSE_SECONDS)
            elif self._reader is not None:
                self._reader.close()


def _handler(inbox: Inbox) -> Any:
    from watchdog.events import FileSystemEventHandler  # noqa: PLC0415

    class Handler(FileSystemEventHandler):  # type: ignore[misc]
        """Enqueues and does nothing else: an exception here would leave the observer deaf."""

        def on_any_event(self, event: FileSystemEvent) -> None:
            source = os.fsdecode(event.src_path)
            target = os.fsdecode(event.dest_path or "")
            here = NoticeKind.DIRECTORY if event.is_directory else NoticeKind.FILE
            gone = NoticeKind.DIRECTORY_GONE if event.is_directory else NoticeKind.FILE_GONE
            if event.event_type == "moved":
                inbox.put(gone, source)
                if target:
                    inbox.put(here, target)
            elif event.event_type == "deleted":
                inbox.put(gone, source)
            elif event.event_type != "modified" or not event.is_directory:
                inbox.put(here, source)

    return Handler()


def watched_inodes() -> frozenset[int] | None:
    """Return the inode numbers this process watches by inotify; None where that cannot be known.

    watchdog says nothing of a directory below the root that it could not watch (the limit was
    reached), so the kernel is asked: proc(5), ``fdinfo``, lines ``inotify wd:1 ino:HEX sdev:HEX``.
    Devices are left out: those of the kernel are not those of stat(2) on every file system.
    """
    try:
        descriptors = os.listdir("/proc/self/fdinfo")  # noqa: PTH208 - names, not paths
    except OSError:
        return None
    found: set[int] = set()
    for descriptor in descriptors:
        try:
            lines = Path("/proc/self/fdinfo", descriptor).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("inotify "):
                fields = dict(part.split(":", 1) for part in line.split()[1:] if ":" in part)
                found.add(int(fields["ino"], 16))
    return frozenset(found)
