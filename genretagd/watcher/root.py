"""One root: by events or polling, rescans as a safety net, waiting when it is away.

`RootWatcher` has no thread and no clock of its own: `step` does what is due and says when it wants
to be called again. `RootThread` calls it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from genretagd.settling import Look, Settled, Settling
from genretagd.watcher.events import (
    EventSource,
    Inbox,
    Notice,
    NoticeKind,
    WatchLimitError,
    limit_advice,
    watch,
    watched_inodes,
)
from genretagd.watcher.filesystems import Mount, mount_of, mounts_below
from genretagd.watcher.ignoring import IgnoreRules
from genretagd.watcher.polling import Snapshot
from genretagd.watcher.report import RootReport, RootSettings, RootState
from genretagd.watcher.scanning import Walk, is_marker, look_at
from genretagd.watcher.wholeness import unfinished

CHECK_SECONDS: Final = 15.0
"""How often it is checked that the root is there, the same, and heard."""

OVERFLOW_SECONDS: Final = 1.0
"""What answers lost events waits so long, since a burst loses more than once."""

CALM_SECONDS: Final = 300.0
"""After so long without another loss the next one is answered as quickly as the first."""

COVERAGE_SECONDS: Final = 5.0
"""Directories that nobody watches are looked for again after so long, before it is believed."""

FULL_PASS_EVERY: Final = 20
"""Every so many polls, files are looked at and not only directories."""

WAITING_LIMIT: Final = 50_000
"""So many files wait to settle at once; the rest is found by a rescan afterwards."""


class RootWatcher:
    """Finds the files of one root that are whole and not known.

    Parameters
    ----------
    settings : RootSettings
        The root.
    unknown : callable
        Returns those of a folder's files about which something is to be done: not those that were
        dealt with.
    deliver : callable
        Takes each settled file.
    say : callable
        Told (level, text) of what a person should know; once per change, not per look.
    expect : callable
        Called when a file begins to settle, so that others get ready.
    scanned : callable
        Told the root after each scan that saw all of it.
    wake : callable
        Called from the observer's threads when `step` should be called soon.
    watch_events, mount : callable
        The event source and the file system's type; tests bring their own.
    """

    def __init__(
        self,
        settings: RootSettings,
        *,
        unknown: Callable[[Sequence[tuple[str, Look]]], Sequence[tuple[str, Look]]],
        deliver: Callable[[Settled], None],
        say: Callable[[str, str], None],
        expect: Callable[[], None] = lambda: None,
        scanned: Callable[[str], None] = lambda _root: None,
        wake: Callable[[], None] = lambda: None,
        watch_events: Callable[..., EventSource] = watch,
        mount: Callable[[str], Mount] = mount_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._unknown = unknown
        self._deliver = deliver
        self._say = say
        self._expect = expect
        self._scanned = scanned
        self._watch_events = watch_events
        self._mount_of = mount
        self._clock = clock
        self.inbox = Inbox(wake)
        self._wake = wake
        self._root = settings.path
        self._rules = IgnoreRules(self._root, settings.ignore, warn=lambda text: self._say("warning", text))
        self._settling = Settling(
            settle_seconds=settings.settle_seconds,
            look=lambda path: look_at(path, follow=settings.follow),
            unfinished=unfinished,
        )
        self._state = RootState.STARTING
        self._stopping = False
        self._source: EventSource | None = None
        self._mount = Mount("/", "")
        self._identity: tuple[int, int] | None = None
        self._polled: tuple[str, ...] = ()
        self._mounted: tuple[str, ...] = ()
        self._suspects: set[str] = set()
        self._snapshot = Snapshot()
        self._passes = 0
        self._problem: str | None = None
        self._rescan_wanted = threading.Event()
        self._starved = False
        self._check_at = 0.0
        self._poll_at: float | None = None
        self._rescan_at: float | None = None
        self._coverage_at: float | None = None
        self._renew_at: float | None = None
        self._renew_pause = OVERFLOW_SECONDS
        self._overflow_at = -CALM_SECONDS
        self._overflows = self._restarts = self._scans = self._files = 0
        self._scan_seconds = 0.0
        self._stepped_at = 0.0

    # What others ask of it, from any thread

    def request_rescan(self) -> None:
        """Ask for everything to be looked at again soon."""
        self._rescan_wanted.set()
        self._wake()

    def stop(self) -> None:
        """Make a scan in progress return early."""
        self._stopping = True
        self._wake()

    def report(self) -> RootReport:
        """Return how the root is."""
        ways = [name for name, used in (("events", self._source), ("poll", self._polled)) if used]
        return RootReport(
            path=self._root, state=self._state, mode="+".join(ways) or self.settings.mode,
            file_system=self._mount.type, problem=self._problem, waiting=len(self._settling),
            overflows=self._overflows, restarts=self._restarts, scans=self._scans, files=self._files,
            scan_seconds=self._scan_seconds, stepped_at=self._stepped_at,
        )  # fmt: skip

    # What its thread does

    def step(self, now: float) -> float:
        """Do what is due and return when to be called again at the latest, in seconds of the clock."""
        self._stepped_at = now
        try:
            self._attend(now)
        except OSError as exc:
            self._go_away(exc.strerror or str(exc), now)
        for settled in self._settling.settled(now):
            self._deliver(settled)
        times = (self._check_at, self._poll_at, self._rescan_at, self._coverage_at, self._renew_at)
        return min(time for time in (*times, self._settling.next_due()) if time is not None)

    def close(self) -> None:
        """Stop watching."""
        self._stopping = True
        if self._source is not None:
            self._source.close()
            self._source = None

    def stumble(self, exc: Exception) -> None:
        """Say that a step failed for a reason nobody foresaw, and look at everything again."""
        self._say(
            "error", f"{self._root}: unexpected {type(exc).__name__}: {exc}, looking at everything again"
        )
        self._rescan_wanted.set()

    def _attend(self, now: float) -> None:
        if now >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            self._check(now)
        if self._state is not RootState.WATCHING:
            self.inbox.take()
            return
        notices, overflowed = self.inbox.take()
        if overflowed:
            self._lose_events(now)
        for notice in notices:
            self._hear(notice, now)
        if self._renew_at is not None and now >= self._renew_at:
            assert self._identity is not None
            self._begin(self._identity, now)
            return
        self._rescan_if_due(now)
        if self._poll_at is not None and now >= self._poll_at:
            missed = (now - self._poll_at) // self.settings.poll_seconds
            self._poll_at += (missed + 1) * self.settings.poll_seconds
            self._poll(now)
        if self._coverage_at is not None and now >= self._coverage_at:
            self._coverage_at = None
            self._cover(self._directories(), now)

    def _rescan_if_due(self, now: float) -> None:
        if self._rescan_wanted.is_set():
            self._rescan_wanted.clear()
            self._rescan_by(now)
        if self._starved and len(self._settling) < WAITING_LIMIT // 2:
            self._starved = False
            self._rescan_by(now)
        if self._rescan_at is not None and now >= self._rescan_at:
            self._rescan(now)

    def _lose_events(self, now: float) -> None:
        """Watch anew soon: later and later while events go on being lost."""
        self._overflows += 1
        calm = now - self._overflow_at
        self._overflow_at = now
        if self._renew_at is None:
            pause = OVERFLOW_SECONDS if calm > CALM_SECONDS else min(2 * self._renew_pause, CALM_SECONDS / 5)
            self._renew_pause = pause
            self._renew_at = now + pause
            self._say("warning", f"{self._root}: file system events were lost, looking at everything again")

    def _check(self, now: float) -> None:
        status = os.stat(self._root)  # noqa: PTH116 - a string, as everywhere here
        identity = (status.st_dev, status.st_ino)
        if self._state is RootState.WATCHING and identity == self._identity:
            if self._source is None or self._source.healthy():
                return
            self._restarts += 1
            self._say("warning", f"{self._root}: the observer has died, starting it again")
        elif self._state is RootState.AWAY:
            self._say("info", f"{self._root}: back again")
        self._begin(identity, now)

    def _begin(self, identity: tuple[int, int], now: float) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
        self.inbox.take()
        self._renew_at = None
        self._identity = identity
        self._problem = None
        self._rules.clear()
        self._snapshot = Snapshot()
        self._passes = 0
        self._mount = self._mount_of(self._root)
        polled: tuple[str, ...] = ()
        if self.settings.mode == "poll" or (self.settings.mode == "auto" and not self._mount.delivers_events):
            polled = (self._root,)
        else:
            try:
                self._source = self._watch_events(self._root, self.inbox, follow=self.settings.follow)
            except WatchLimitError as exc:
                polled = (self._root,)
                self._trouble(f"{exc.strerror}: polling it instead, {exc.advice} and restart")
            if self.settings.mode == "auto" and not polled:
                polled = tuple(m.point for m in mounts_below(self._root) if not m.delivers_events)
        self._state = RootState.WATCHING
        self._mounted = polled
        self._suspects = set()
        self._set_polled(polled, now)
        self._rescan(now)

    def _go_away(self, why: str, now: float) -> None:
        if self._state is not RootState.AWAY:
            self._say("warning", f"{self._root}: {why}, waiting for it to come back")
        self._state = RootState.AWAY
        self._problem = f"{why}, waiting for it to come back"
        if self._source is not None:
            self._source.close()
            self._source = None
        self._poll_at = self._rescan_at = self._coverage_at = self._renew_at = None
        self._check_at = now + CHECK_SECONDS

    def _hear(self, notice: Notice, now: float) -> None:
        path = notice.path
        if is_marker(path):
            self._rules.clear()
            self._rescan_by(now + OVERFLOW_SECONDS)
        elif notice.kind is NoticeKind.FILE:
            if self._rules.wants(path):
                self._notice(path, None, now)
        elif notice.kind is NoticeKind.FILE_GONE:
            self._settling.forget(path)
        elif notice.kind is NoticeKind.DIRECTORY_GONE:
            self._settling.forget_below(path)
            self._rules.clear()
            if path == self._root:
                self._check_at = now
        elif path != self._root and self._rules.enter(path) is not None:
            self._coverage_at = now + OVERFLOW_SECONDS
            with contextlib.suppress(FileNotFoundError):  # gone again; its parent told, or will
                for listing in self._walk().below(path):
                    self._sift(listing.files, now)

    def _notice(self, path: str, look: Look | None, now: float) -> None:
        if len(self._settling) >= WAITING_LIMIT and path not in self._settling:
            self._starved = True
            return
        self._settling.notice(path, now, look=look)
        self._expect()

    def _sift(self, files: Sequence[tuple[str, Look]], now: float) -> None:
        for path, look in self._unknown([file for file in files if file[0] not in self._settling]):
            self._notice(path, look, now)

    def _rescan_by(self, when: float) -> None:
        self._rescan_at = when if self._rescan_at is None else min(when, self._rescan_at)

    def _rescan(self, now: float) -> None:
        self._rescan_at = now + self.settings.rescan_seconds
        started = self._clock()
        self._rules.clear()
        files = 0
        directories: list[tuple[str, int]] = []
        walk = self._walk()
        for listing in walk.below(self._root):
            if self._stopping:
                return
            files += len(listing.files)
            directories.append((listing.directory, listing.identity[1]))
            self._sift(listing.files, now)
        self._files = files
        self._scans += 1
        self._scan_seconds = self._clock() - started
        self._cover(directories, now)
        if not walk.unreadable:
            self._scanned(self._root)

    def _directories(self) -> list[tuple[str, int]]:
        return [(listing.directory, listing.identity[1]) for listing in self._walk().below(self._root)]

    def _cover(self, directories: Sequence[tuple[str, int]], now: float) -> None:
        """Poll the directories that could not be watched."""
        if self._source is None:
            return
        watched = watched_inodes()
        if not watched:  # another system, or a source that is not inotify
            return
        unheard = {d for d, inode in directories if inode not in watched and not _is_below(d, self._mounted)}
        # Right after lost events watchdog is busy watching again: only what stays unheard counts.
        deaf = unheard & self._suspects
        self._suspects = unheard
        if unheard != deaf:
            self._coverage_at = now + COVERAGE_SECONDS
        tops = tuple(sorted(d for d in deaf if os.path.dirname(d) not in deaf))  # noqa: PTH120
        polled = (*self._mounted, *tops)
        if polled == self._polled:
            return
        if deaf:
            self._trouble(f"{len(deaf)} directories cannot be watched: polling them, {limit_advice(None)}")
        else:
            self._problem = None
        self._set_polled(polled, now)
        if polled:
            self._poll(now)

    def _set_polled(self, polled: tuple[str, ...], now: float) -> None:
        self._polled = polled
        self._poll_at = now + self.settings.poll_seconds if polled else None

    def _poll(self, now: float) -> None:
        walk = self._walk()
        full = self._passes % FULL_PASS_EVERY == 0 or not self._mount.steady_directory_times
        self._passes += 1
        if full:
            self._rules.clear()
        tops = [top for top in self._polled if top == self._root or os.path.isdir(top)]  # noqa: PTH112
        found = self._snapshot.full_pass(walk, tops) if full else self._snapshot.light_pass(walk)
        for files in found:
            self._sift(files, now)

    def _walk(self) -> Walk:
        return Walk(self._rules, follow=self.settings.follow, on_skip=self._skipped)

    def _skipped(self, path: str, reason: str) -> None:
        self._say("warning", f"{path}: cannot be listed ({reason}), its files are not seen")

    def _trouble(self, problem: str) -> None:
        self._problem = problem
        self._say("warning", f"{self._root}: {problem}")


def _is_below(path: str, tops: Sequence[str]) -> bool:
    known = set(tops)
    while path not in known:
        parent = os.path.dirname(path)  # noqa: PTH120
        if parent == path:
            return False
        path = parent
    return True
