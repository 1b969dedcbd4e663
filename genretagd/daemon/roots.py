"""The roots of a daemon: a thread each, kept in step with the configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from genretagd import logs
from genretagd.config import Config
from genretagd.daemon.desk import Desk
from genretagd.daemon.hanging import answer_to
from genretagd.errors import LedgerError, UsageError
from genretagd.ledger.versions import Versions
from genretagd.watcher.events import NoticeKind
from genretagd.watcher.ignoring import IgnoreRules
from genretagd.watcher.report import RootReport, RootSettings
from genretagd.watcher.root import RootWatcher
from genretagd.watcher.thread import RootThread

FORGET_EVERY_SECONDS: Final = 24 * 3600.0
FORGET_AFTER_SECONDS: Final = 7 * 24 * 3600.0
"""Records of files that are gone are kept so long, in case they come back."""

STOP_SECONDS: Final = 0.5

ANSWER_SECONDS: Final = 5.0
"""At a start and at a reload a root is waited for so long."""


def root_settings(config: Config) -> tuple[RootSettings, ...]:
    """Return how each root of a configuration is watched.

    Raises
    ------
    UsageError
        There is no root, one is named twice or lies within another, or one is no directory.
    """
    named = [(root.path, root.mode) for root in config.roots]
    known = {path for path, _ in named}
    named += [(path, config.watch.mode) for path in config.watch.roots if path not in known]
    if not named:
        raise UsageError("watch: no directory, name one or set [watch] roots in the configuration")
    looks = [answer_to(partial(_look, path), otherwise=None, seconds=ANSWER_SECONDS) for path, _ in named]
    settings = [
        RootSettings(
            path=_said_to_hang(path) if look is None else look.path,
            mode=mode,
            ignore=config.library.ignore,
            follow=config.library.symlinks,
            settle_seconds=config.watch.settle_seconds,
            poll_seconds=config.watch.poll_seconds,
            rescan_seconds=config.watch.rescan_seconds,
        )
        for (path, mode), look in zip(named, looks, strict=True)
    ]
    for index, (one, look) in enumerate(zip(settings, looks, strict=True)):
        if look is not None and look.is_file:
            raise UsageError(f"{one.path}: not a directory, name the directory it is in")
        for other in settings[:index]:
            if one.path == other.path or f"{one.path}/".startswith(f"{other.path.rstrip('/')}/"):
                raise UsageError(f"{one.path}: is watched as part of {other.path} already, name one of them")
            if f"{other.path}/".startswith(f"{one.path.rstrip('/')}/"):
                raise UsageError(f"{other.path}: is watched as part of {one.path} already, name one of them")
    return tuple(settings)


class _Look(NamedTuple):
    path: str
    is_file: bool


def _look(path: Path) -> _Look:
    real = os.path.realpath(path)
    return _Look(real, os.path.lexists(real) and not os.path.isdir(real))  # noqa: PTH112 - as the watcher does


def _said_to_hang(path: Path) -> str:
    logs.say("warning", f"{path}: does not answer, is its share there?")
    return os.path.abspath(path)  # noqa: PTH100 - links cannot be resolved now


class Roots:
    """Starts, stops and asks the threads of the roots.

    Parameters
    ----------
    desk : Desk
        Knows what was dealt with, and takes settled files in.
    versions : Versions
        Forgets files that are long gone.
    expect : callable
        Called when a file begins to settle.
    news : callable
        Called when a root is otherwise than before.
    """

    def __init__(
        self, desk: Desk, *, versions: Versions, expect: Callable[[], None], news: Callable[[], None]
    ) -> None:
        self._desk = desk
        self._versions = versions
        self._expect = expect
        self._news = news
        self._threads: dict[RootSettings, RootThread] = {}
        self._forget_at: dict[str, float] = {}

    def set(self, settings: Sequence[RootSettings]) -> None:
        """Watch these roots from now on; those whose settings are as they were go on undisturbed."""
        self.keep(settings)
        known = self._threads
        self._threads = {one: known.get(one) or self._started(one) for one in settings}

    def keep(self, settings: Sequence[RootSettings]) -> None:
        """Stop watching all roots but these."""
        known = self._threads
        for gone in known.keys() - set(settings):
            known[gone].stop()
            known[gone].join(STOP_SECONDS)
        # A new mapping, since other threads may be going through this one.
        self._threads = {one: thread for one, thread in known.items() if one in settings}

    def stop(self) -> None:
        """Stop watching; a root whose share hangs is left behind."""
        for thread in self._threads.values():
            thread.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def rescan(self) -> None:
        """Look at everything again."""
        for thread in self._threads.values():
            thread.watcher.request_rescan()

    def wants(self, path: str) -> bool:
        """Return whether a file is looked at by the roots and the ignore files that there are now."""
        return any(IgnoreRules(one.path, one.ignore).wants(path) for one, _ in self._above(path))

    def unsettle(self, path: str) -> None:
        """Make a file settle anew."""
        for _, thread in self._above(path):
            thread.watcher.inbox.put(NoticeKind.FILE, path)

    def reports(self) -> list[RootReport]:
        """Return how each root is."""
        return [thread.watcher.report() for thread in self._threads.values()]

    @property
    def waiting(self) -> int:
        """How many files wait to be whole."""
        return sum(report.waiting for report in self.reports())

    def _above(self, path: str) -> list[tuple[RootSettings, RootThread]]:
        """Return the root that a path lies below, if there is one: no root lies in another."""
        return [(s, t) for s, t in self._threads.items() if path.startswith(s.path.rstrip("/") + "/")]

    def _started(self, settings: RootSettings) -> RootThread:
        thread = RootThread(lambda wake: self._make(settings, wake), name=f"root {settings.path}")
        thread.start()
        return thread

    def _make(self, settings: RootSettings, wake: Callable[[], None]) -> RootWatcher:
        return RootWatcher(
            settings,
            unknown=self._desk.unknown,
            deliver=self._desk.take_in,
            say=self._say,
            expect=self._expect,
            scanned=self._scanned,
            wake=wake,
        )

    def _say(self, level: str, text: str) -> None:
        logs.say(level, text, event="root")
        self._news()

    def _scanned(self, root: str) -> None:
        self._news()
        self._forget_missing(root)

    def _forget_missing(self, root: str) -> None:
        now = time.monotonic()
        if now < self._forget_at.get(root, now):
            return
        self._forget_at[root] = now + FORGET_EVERY_SECONDS
        try:
            forgotten = self._versions.forget_missing(root, older_than=time.time() - FORGET_AFTER_SECONDS)
        except LedgerError as exc:
            logs.say("error", str(exc))
            return
        if forgotten:
            logs.say("info", f"{root}: forgot {forgotten} files that are long gone")
