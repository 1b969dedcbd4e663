"""One root: by events or polling, rescans as a safety net, waiting when it is away.

`RootWatcher` has no thread and no clock of its own: `step` does what is due and says when it wants
to be called again. `RootThread` calls it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from genretagd.settling import Look, Settled
from genretagd.watcher.coverage import COVERAGE_SECONDS, Coverage
from genretagd.watcher.events import (
    EventSource,
    Inbox,
    Notice,
    NoticeKind,
    WatchLimitError,
    limit_advice,
    watch,
)
from genretagd.watcher.filesystems import NOWHERE, Mount, Place, mounts, place_at
from genretagd.watcher.ignoring import IgnoreRules
from genretagd.watcher.polling import Snapshot
from genretagd.watcher.report import RootReport, RootSettings, RootState
from genretagd.watcher.scanning import Walk, is_marker
from genretagd.watcher.sieve import Sieve
from genretagd.watcher.troubles import Troubles

CHECK_SECONDS: Final = 15.0
"""How often it is checked that the root is there, the same, and heard."""

OVERFLOW_SECONDS: Final = 1.0
"""What answers lost events waits so long, since a burst loses more than once."""

CALM_SECONDS: Final = 300.0
"""After so long without another loss the next one is answered as quickly as the first."""

POLLING_SHARE: Final = 0.1
"""Polling takes so much of the time at most: a pass over a large share may take a minute."""

FULL_PASS_EVERY: Final = 20
"""Every so many polls, files are looked at and not only directories."""


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
        Told the root after each scan.
    wake : callable
        Called from the observer's threads when `step` should be called soon.
    watch_events, list_mounts : callable
        The event source, and what is mounted; tests bring their own.
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
        list_mounts: Callable[[], Sequence[Mount]] = mounts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._say = say
        self._scanned = scanned
        self._watch_events = watch_events
        self._list_mounts = list_mounts
        self._clock = clock
        self.inbox = Inbox(wake)
        self._wake = wake
        self._root = settings.path
        self._troubles = Troubles(self._root, say)
        self._rules = IgnoreRules(self._root, settings.ignore, warn=lambda text: self._say("warning", text))
        self._sieve = Sieve(
            settings, self._rules, self._troubles, unknown=unknown, deliver=deliver, expect=expect, say=say
        )
        self._state = RootState.STARTING
        self._stopping = False
        self._source: EventSource | None = None
        self._place = NOWHERE
        self._polled: tuple[str, ...] = ()
        self._coverage = Coverage()
        self._snapshot = Snapshot()
        self._passes = 0
        self._rescan_wanted = threading.Event()
        self._check_at = 0.0
        self._poll_at: float | None = None
        self._rescan_at: float | None = None
        self._coverage_at: float | None = None
        self._renew_at: float | None = None
        self._renew_pause = OVERFLOW_SECONDS
        self._overflow_at = -CALM_SECONDS
        self._overflows = self._restarts = self._scans = self._files = 0
        self._scan_seconds = 0.0
        self._got_on_at = 0.0

    # What others ask of it, from any thread

    def request_rescan(self) -> None:
        """Ask for everything to be looked at again soon."""
        self._rescan_wanted.set()
        self._wake()

    def stop(self) -> None:
        """Make a scan in progress return early, and deliver nothing more."""
        self._stopping = True
        self._sieve.stop()
        self._wake()

    def report(self) -> RootReport:
        """Return how the root is."""
        ways = [name for name, used in (("events", self._source), ("poll", self._polled)) if used]
        return RootReport(
            path=self._root, state=self._state, mode="+".join(ways) or self.settings.mode,
            file_system=self._place.mount.type, problem=self._troubles.summary(),
            waiting=len(self._sieve), overflows=self._overflows, restarts=self._restarts,
            scans=self._scans, files=self._files, unlisted=self._troubles.unlisted_count,
            scan_seconds=self._scan_seconds, got_on_at=self._got_on_at,
        )  # fmt: skip

    # What its thread does

    def step(self, now: float) -> float:
        """Do what is due and return when to be called again at the latest, in seconds of the clock."""
        self._got_on_at = now
        try:
            self._attend(now)
        except OSError as exc:
            self._go_away(exc.strerror or str(exc), now)
        except Exception as exc:  # noqa: BLE001 - what has settled is to be delivered all the same
            self.stumble(exc)
        self._sieve.hand_over(now)
        times = [self._check_at, self._sieve.next_due()]
        if self._state is RootState.WATCHING:
            times += [self._poll_at, self._rescan_at, self._coverage_at, self._renew_at]
        return min(time for time in times if time is not None)

    def close(self) -> None:
        """Stop watching."""
        self._stopping = True
        self._close_source()

    def stumble(self, exc: Exception) -> None:
        """Say that a step failed for a reason nobody foresaw, and look at everything again."""
        self._troubles.mistake(self._root, exc, answer="looking at everything again")
        soon = self._got_on_at + CHECK_SECONDS
        if self._rescan_at is None or not self._got_on_at < self._rescan_at < soon:
            self._rescan_at = soon

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
            self._renew_at = None
            self._begin(place_at(self._root, self._list_mounts(), before=self._place), now)
            return
        self._rescan_if_due(now)
        if self._poll_at is not None and now >= self._poll_at:
            started = self._clock()
            self._poll(now)
            took = self._clock() - started
            rest = min(took / POLLING_SHARE, self.settings.rescan_seconds)
            self._poll_at = now + max(self.settings.poll_seconds, rest)
        if self._coverage_at is not None and now >= self._coverage_at:
            self._coverage_at = None
            self._cover(self._directories(), now)

    def _rescan_if_due(self, now: float) -> None:
        if self._rescan_wanted.is_set():
            self._rescan_wanted.clear()
            self._rescan_by(now)
        if self._sieve.relieved():
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
        place = place_at(self._root, self._list_mounts(), before=self._place)
        if self._state is RootState.WATCHING:
            if place != self._place:
                what = "other mounts" if place.identity == self._place.identity else "another directory"
                self._say("info", f"{self._root}: {what} there now, looking at everything again")
            elif self._source is None or self._source.healthy():
                return
            else:
                self._restarts += 1
                self._say("warning", f"{self._root}: the observer has died, starting it again")
        elif self._state is RootState.AWAY:
            self._say("info", f"{self._root}: back again")
        self._begin(place, now)

    def _close_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _begin(self, place: Place, now: float) -> None:
        self._place = NOWHERE  # so that a beginning that fails is repeated at the next check
        self._close_source()
        self.inbox.take()
        self._renew_at = None
        self._troubles.problem = None
        self._rules.clear()
        self._snapshot = Snapshot()
        self._passes = 0
        polled: tuple[str, ...] = ()
        if self.settings.mode == "poll" or (self.settings.mode == "auto" and not place.mount.delivers_events):
            polled = (self._root,)
        else:
            try:
                self._source = self._watch_events(self._root, self.inbox, follow=self.settings.follow)
            except WatchLimitError as exc:
                polled = (self._root,)
                self._troubles.warn(f"{exc.strerror}: polling it instead, {exc.advice} and restart")
            if self.settings.mode == "auto" and not polled:
                polled = tuple(mount.point for mount in place.below if not mount.delivers_events)
        self._place = place
        self._state = RootState.WATCHING
        self._coverage = Coverage(polled)
        self._set_polled(polled, now)
        self._rescan(now)

    def _go_away(self, why: str, now: float) -> None:
        if self._state is not RootState.AWAY:
            self._say("warning", f"{self._root}: {why}, waiting for it to come back")
        self._state = RootState.AWAY
        self._troubles.problem = f"{why}, waiting for it to come back"
        self._close_source()
        self._poll_at = self._rescan_at = self._coverage_at = self._renew_at = None
        self._check_at = now + CHECK_SECONDS

    def _hear(self, notice: Notice, now: float) -> None:
        path = notice.path
        if is_marker(path):
            self._rules.clear()
            self._rescan_by(now + OVERFLOW_SECONDS)
        elif notice.kind is NoticeKind.FILE:
            if self._rules.wants(path):
                self._sieve.notice(path, now)
        elif notice.kind is NoticeKind.FILE_GONE:
            self._sieve.forget(path)
        elif notice.kind is NoticeKind.DIRECTORY_GONE:
            self._sieve.forget_below(path)
            self._rules.clear()
            if path == self._root:
                self._check_at = now
        elif path != self._root and self._rules.enter(path) is not None:
            self._coverage_at = now + OVERFLOW_SECONDS
            for listing in self._walk().below(path):
                self._sieve.sift(listing.files, now)

    def _rescan_by(self, when: float) -> None:
        self._rescan_at = when if self._rescan_at is None else min(when, self._rescan_at)

    def _rescan(self, now: float) -> None:
        self._rescan_at = now + self.settings.rescan_seconds
        started = self._clock()
        self._rules.clear()
        self._sieve.forget_unwanted()
        self._troubles.scan_begins()
        files = 0
        directories: list[tuple[str, int]] = []
        walk = self._walk()
        for listing in walk.below(self._root):
            if self._stopping:
                return
            files += len(listing.files)
            directories.append((listing.directory, listing.identity[1]))
            self._sieve.sift(listing.files, now)
        self._files = files
        self._scans += 1
        self._scan_seconds = self._clock() - started
        self._cover(directories, now)
        self._scanned(self._root)

    def _directories(self) -> list[tuple[str, int]]:
        return [(listing.directory, listing.identity[1]) for listing in self._walk().below(self._root)]

    def _cover(self, directories: Sequence[tuple[str, int]], now: float) -> None:
        """Poll the directories that could not be watched."""
        found = None if self._source is None else self._coverage.look(directories)
        if found is None:
            return
        if not found.certain:
            self._coverage_at = now + COVERAGE_SECONDS
        if found.polled == self._polled:
            return
        if found.directories:
            what = f"{found.directories} directories cannot be watched: polling them"
            self._troubles.warn(f"{what}, {limit_advice(None)}")
        else:
            self._troubles.problem = None
        self._set_polled(found.polled, now)
        if found.polled:
            self._poll(now)

    def _set_polled(self, polled: tuple[str, ...], now: float) -> None:
        self._polled = polled
        self._poll_at = now + self.settings.poll_seconds if polled else None

    def _poll(self, now: float) -> None:
        walk = self._walk()
        full = self._passes % FULL_PASS_EVERY == 0 or not self._place.mount.steady_directory_times
        self._passes += 1
        if full:
            self._rules.clear()
        tops = [top for top in self._polled if top == self._root or os.path.isdir(top)]  # noqa: PTH112
        found = self._snapshot.full_pass(walk, tops) if full else self._snapshot.light_pass(walk)
        for files in found:
            self._sieve.sift(files, now)

    def _walk(self) -> Walk:
        return Walk(
            self._rules,
            follow=self.settings.follow,
            on_skip=self._troubles.unlisted,
            on_list=self._get_on,
        )

    def _get_on(self) -> None:
        self._got_on_at = self._clock()
