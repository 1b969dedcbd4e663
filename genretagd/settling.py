"""Decide when a file is whole: quiet for a while, the same on two looks, and nobody writing.

Thread-free and clockless: whoever owns a `Settling` passes the time in, in seconds of a monotonic
clock, and hands in the functions that look at files. So every rule here can be tested without
waiting, and a month can be simulated in seconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from genretagd.domain import FileVersion

SHORTEST_WAIT_SECONDS: Final = 0.1
"""A file that is not whole is looked at again no sooner, though it need not be quiet at all."""

LONGEST_WAIT_SECONDS: Final = 60.0
"""Pauses between looks at a file that is not whole grow up to this."""

PATIENCE_SECONDS: Final = 600.0
"""A file whose container stays incomplete this long is handed over as it is: it will not grow any more.
What is waited for longer is told."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a file shows.

    Attributes
    ----------
    version : FileVersion
        The content as it is now.
    changed_at : float
        When the inode last changed, in seconds since the epoch: the time of arrival, which
        unlike the modification time survives ``cp --preserve``.
    """

    version: FileVersion
    changed_at: float


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Why a quiet file is not whole yet.

    Attributes
    ----------
    reason : str
        In words, such as ``"open for writing"``.
    patient : bool
        Whether to wait as long as it takes (somebody has the file open) or to give up after
        `PATIENCE_SECONDS` without a change (the container promises more bytes than there are).
    """

    reason: str
    patient: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """A file that is whole."""

    path: str
    look: Look


@dataclass(slots=True)
class _Waiting:
    quiet_since: float
    due: float
    queued: float  # when its entry in the queue comes up: not after `due`
    look: Look
    pause: float
    ticket: int
    told: bool = False


class Settling:
    """The files that were noticed and are not known to be whole yet.

    Parameters
    ----------
    settle_seconds : float
        How long a file must be quiet, and the least time between the two looks; may be 0.
    look : callable
        Returns a `Look` at a path, or None where there is no such regular file any more.
    unfinished : callable
        Says of a quiet file why it is not whole, or None where it is.
    tell : callable
        Told once (path, reason) of a file that is quiet for `PATIENCE_SECONDS` and not whole yet.
    """

    def __init__(
        self,
        *,
        settle_seconds: float,
        look: Callable[[str], Look | None],
        unfinished: Callable[[str], Unfinished | None],
        tell: Callable[[str, str], None] = lambda _path, _reason: None,
    ) -> None:
        self.settle_seconds = settle_seconds
        self._pause = max(settle_seconds, SHORTEST_WAIT_SECONDS)
        self._look = look
        self._unfinished = unfinished
        self._tell = tell
        self._waiting: dict[str, _Waiting] = {}
        self._queue: list[tuple[float, int, str]] = []  # an entry counts where its ticket does
        self._tickets = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, path: object) -> bool:
        return path in self._waiting

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._waiting))

    def notice(self, path: str, now: float, *, look: Look | None = None) -> None:
        """Begin to wait for a file, or begin again because something happened to it.

        Parameters
        ----------
        path : str
            The file.
        now : float
            Seconds of the monotonic clock.
        look : Look, optional
            A look just taken, so that none need be taken here.
        """
        look = look or self._look(path)
        if look is None:
            self.forget(path)
            return
        due = now + self.settle_seconds
        waiting = self._waiting.get(path)
        if waiting is None:
            waiting = self._waiting[path] = _Waiting(now, due, due, look, self._pause, 0)
            self._enqueue(path, waiting)
            return
        if waiting.look.version != look.version:
            waiting.quiet_since = now
        waiting.pause = self._pause
        waiting.look = look
        waiting.due = due
        if due < waiting.queued:  # after pauses that grew; else its entry comes up earlier and is put back
            self._enqueue(path, waiting)

    def forget(self, path: str) -> None:
        """Stop waiting for a file; its entry in the queue is skipped when it comes up."""
        self._waiting.pop(path, None)
        self._trim()

    def forget_below(self, directory: str) -> None:
        """Stop waiting for every file below a directory."""
        prefix = directory.rstrip("/") + "/"
        for path in [path for path in self._waiting if path.startswith(prefix)]:
            del self._waiting[path]
        self._trim()

    def next_due(self) -> float | None:
        """Return when `settled` has something to look at, or None where nothing waits."""
        return self._queue[0][0] if self._queue else None

    def settled(self, now: float) -> list[Settled]:
        """Look at the files that are due and return those that are whole.

        A file that changed between the looks, or is not finished, goes on waiting; one that is
        gone is forgotten.
        """
        whole: list[Settled] = []
        while self._queue and self._queue[0][0] <= now:
            _, ticket, path = heapq.heappop(self._queue)
            waiting = self._waiting.get(path)
            if waiting is None or waiting.ticket != ticket:
                continue
            if waiting.due <= now:
                settled = self._judge(path, waiting, now)
                if settled is not None:
                    whole.append(settled)
                if path not in self._waiting:
                    continue
            self._enqueue(path, waiting)
        return whole

    def _enqueue(self, path: str, waiting: _Waiting) -> None:
        self._tickets += 1
        waiting.ticket = self._tickets
        waiting.queued = waiting.due
        heapq.heappush(self._queue, (waiting.due, waiting.ticket, path))

    def _judge(self, path: str, waiting: _Waiting, now: float) -> Settled | None:
        look = self._look(path)
        if look is None:
            del self._waiting[path]
            return None
        if look.version != waiting.look.version:
            waiting.look = look
            waiting.quiet_since = now
            waiting.pause = self._pause
            waiting.due = now + self._pause
            return None
        obstacle = self._unfinished(path) if look.version.size else None
        long = now - waiting.quiet_since >= PATIENCE_SECONDS
        if obstacle is not None and (obstacle.patient or not long):
            if long and not waiting.told:
                waiting.told = True
                self._tell(path, obstacle.reason)
            waiting.due = now + waiting.pause
            waiting.pause = min(waiting.pause * 2, max(LONGEST_WAIT_SECONDS, self.settle_seconds))
            return None
        del self._waiting[path]
        if not look.version.size:  # nothing in it: whoever fills it will be noticed
            return None
        return Settled(path, look)

    def _trim(self) -> None:
        # Skipped entries must not outlive the files that a busy month creates and deletes.
        if len(self._queue) > 2 * len(self._waiting) + 64:
            self._queue = [(waiting.queued, waiting.ticket, path) for path, waiting in self._waiting.items()]
            heapq.heapify(self._queue)
