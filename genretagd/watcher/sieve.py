"""What is found below a root: the ignored and the known are passed over, the rest is delivered once whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from genretagd.settling import Look, Settled, Settling, Unfinished
from genretagd.watcher.ignoring import IgnoreRules
from genretagd.watcher.report import RootSettings
from genretagd.watcher.scanning import look_at
from genretagd.watcher.troubles import Troubles
from genretagd.watcher.wholeness import unfinished

WAITING_LIMIT: Final = 50_000
"""So many files wait to settle at once; the rest is found by a rescan afterwards."""


class Sieve:
    """The files of one root on their way from being found to being delivered.

    Parameters
    ----------
    settings : RootSettings
        The root.
    rules : IgnoreRules
        What is looked at.
    troubles : Troubles
        Told of what nobody foresaw: one odd file hides no others.
    unknown, deliver, expect, say : callable
        See `RootWatcher`.
    """

    def __init__(
        self,
        settings: RootSettings,
        rules: IgnoreRules,
        troubles: Troubles,
        *,
        unknown: Callable[[Sequence[tuple[str, Look]]], Sequence[tuple[str, Look]]],
        deliver: Callable[[Settled], None],
        expect: Callable[[], None],
        say: Callable[[str, str], None],
    ) -> None:
        self._rules = rules
        self._troubles = troubles
        self._unknown = unknown
        self._deliver = deliver
        self._expect = expect
        self._settling = Settling(
            settle_seconds=settings.settle_seconds,
            look=troubles.guarded(lambda path: look_at(path, follow=settings.follow), None),
            unfinished=troubles.guarded(unfinished, Unfinished("cannot be read", patient=False)),
            tell=lambda path, reason: say("info", f"{path}: still {reason}, waiting for that to end"),
        )
        self._starved = False
        self._stopped = False

    def __len__(self) -> int:
        return len(self._settling)

    def stop(self) -> None:
        """Deliver nothing more; from any thread."""
        self._stopped = True

    def next_due(self) -> float | None:
        """Return when `hand_over` has something to look at, or None where nothing waits."""
        return self._settling.next_due()

    def notice(self, path: str, now: float, *, look: Look | None = None) -> None:
        """Wait for a file to be whole; the look, where there is one, was just taken."""
        if len(self._settling) >= WAITING_LIMIT and path not in self._settling:
            self._starved = True
            return
        self._settling.notice(path, now, look=look)
        self._expect()

    def sift(self, files: Sequence[tuple[str, Look]], now: float) -> None:
        """Wait for those of the files of a directory about which something is to be done."""
        fresh = [file for file in files if file[0] not in self._settling]
        if not fresh:
            return
        try:
            unknown = self._unknown(fresh)
        except Exception as exc:  # noqa: BLE001 - what is odd about one file must not hide the others
            if len(fresh) > 1:
                for file in fresh:
                    self.sift([file], now)
            else:
                self._troubles.mistake(fresh[0][0], exc)
            return
        for path, look in unknown:
            self.notice(path, now, look=look)

    def forget(self, path: str) -> None:
        """Stop waiting for a file."""
        self._settling.forget(path)

    def forget_below(self, directory: str) -> None:
        """Stop waiting for every file below a directory."""
        self._settling.forget_below(directory)

    def forget_unwanted(self) -> None:
        """Stop waiting for what is not looked at any more."""
        for path in self._settling:
            if not self._rules.wants(path):
                self._settling.forget(path)

    def hand_over(self, now: float) -> None:
        """Deliver what is whole by now."""
        whole = self._settling.settled(now)
        if whole:
            self._rules.clear()  # what says that a folder is passed over may have come after its files
        for settled in whole:
            if self._stopped:  # others decide now what is wanted
                return
            try:
                if self._rules.wants(settled.path):
                    self._deliver(settled)
            except Exception as exc:  # noqa: BLE001 - nor must it keep the others waiting
                self._troubles.mistake(settled.path, exc)

    def relieved(self) -> bool:
        """Return True once after files were dropped and there is room again."""
        relieved = self._starved and len(self._settling) < WAITING_LIMIT // 2
        self._starved = self._starved and not relieved
        return relieved
