"""The files to work on: newest first, each once, bounded, with those to be tried again later."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from genretagd.domain import FileVersion

QUEUE_LIMIT: Final = 50_000
FIRST_RETRY_SECONDS: Final = 30.0
LONGEST_RETRY_SECONDS: Final = 6 * 3600.0


def retry_seconds(attempts: int) -> float:
    """Return how long to wait after so many failed attempts: 30 s, 2 min, 8 min ... 6 h."""
    return min(FIRST_RETRY_SECONDS * 4.0 ** max(0, attempts - 1), LONGEST_RETRY_SECONDS)


@dataclass(frozen=True, slots=True)
class Task:
    """A file to work on.

    Attributes
    ----------
    path : str
        The file.
    changed_at : float
        When it arrived, in seconds since the epoch; the newest is taken first.
    version : FileVersion
        What settled.
    """

    path: str
    changed_at: float
    version: FileVersion

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode: hard links to one file are not worked on at the same time."""
        return self.version.device, self.version.inode


class WorkQueue:
    """Shared by the threads that find files and those that work on them.

    Parameters
    ----------
    limit : int
        So many files wait at most. When one more comes the oldest is dropped and `relieved` says
        so: whoever sees it asks for a rescan once there is room. As many are to be tried again later:
        one more is left to the next rescan.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, *, limit: int = QUEUE_LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._changed = threading.Condition()
        self._tasks: dict[str, Task] = {}
        self._order: list[tuple[float, int, str]] = []
        self._ticket = itertools.count()
        self._in_hand: dict[str, Task] = {}
        self._last_try: set[str] = set()  # of those in hand
        self._later: dict[str, tuple[float, Task]] = {}
        self._later_order: list[tuple[float, str]] = []
        self._closed = False
        self._starved = False

    def put(self, task: Task) -> None:
        """Add a file; one that waits already is brought up to date, one in hand is done again after."""
        with self._changed:
            self._later.pop(task.path, None)
            known = self._tasks.get(task.path)
            self._tasks[task.path] = task
            if known is None or known.changed_at != task.changed_at:
                heapq.heappush(self._order, (-task.changed_at, next(self._ticket), task.path))
            if len(self._tasks) > self._limit:
                self._drop_oldest()
            self._trim()
            self._changed.notify()

    def put_later(self, task: Task, seconds: float) -> None:
        """Add a file that is to be taken only after so many seconds."""
        with self._changed:
            full = len(self._later) >= self._limit and task.path not in self._later
            if task.path not in self._tasks and task.path not in self._last_try and not full:
                when = self._clock() + seconds
                self._later[task.path] = (when, task)
                heapq.heappush(self._later_order, (when, task.path))
                self._changed.notify()

    def take(self, limit: float) -> Task | None:
        """Wait for the newest file and take it in hand.

        Returns
        -------
        Task or None
            None where there was none for `limit` seconds, and once the queue is closed.
        """
        with self._changed:
            while not self._closed:
                task = self._next()
                if task is not None:
                    self._in_hand[task.path] = task
                    return task
                due = self._later_order[0][0] if self._later_order else None
                pause = limit if due is None else min(limit, max(0.01, due - self._clock()))
                if not self._changed.wait(pause) and pause == limit:
                    return None
            return None

    def done(self, task: Task) -> None:
        """Put a file out of hand."""
        with self._changed:
            self._in_hand.pop(task.path, None)
            self._last_try.discard(task.path)
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop what waits, also what is to be tried again later; what is in hand is not tried again."""
        with self._changed:
            self._last_try.update(self._in_hand)
            for waiting in (self._tasks, self._order, self._later, self._later_order):
                waiting.clear()

    def close(self) -> None:
        """Make every `take` return None, now and from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def holds(self, path: str, version: FileVersion) -> bool:
        """Return whether this very version of a file waits or is in hand, unless not to be tried again."""
        with self._changed:
            later = self._later.get(path)
            in_hand = self._in_hand.get(path) if path not in self._last_try else None
            tasks = (self._tasks.get(path), in_hand, later[1] if later else None)
            return any(task is not None and task.version == version for task in tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def later(self) -> int:
        """How many files are to be tried again later."""
        return len(self._later)

    @property
    def in_hand(self) -> tuple[str, ...]:
        """The files being worked on."""
        with self._changed:
            return tuple(self._in_hand)

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do now."""
        with self._changed:
            return not self._tasks and not self._in_hand

    def relieved(self) -> bool:
        """Return True once after files were dropped and there is room again."""
        with self._changed:
            relieved = self._starved and len(self._tasks) <= self._limit // 2
            self._starved = self._starved and not relieved
            return relieved

    def _next(self) -> Task | None:
        self._promote()
        busy = {task.identity for task in self._in_hand.values()}
        held: list[tuple[float, int, str]] = []
        found = None
        while self._order:
            entry = heapq.heappop(self._order)
            task = self._tasks.get(entry[2])
            if task is None or -entry[0] != task.changed_at:
                continue
            if task.path in self._in_hand or task.identity in busy:
                held.append(entry)
                continue
            del self._tasks[task.path]
            found = task
            break
        for entry in held:
            heapq.heappush(self._order, entry)
        return found

    def _promote(self) -> None:
        now = self._clock()
        while self._later_order and self._later_order[0][0] <= now:
            when, path = heapq.heappop(self._later_order)
            known = self._later.get(path)
            if known is not None and known[0] == when:
                del self._later[path]
                self._tasks[path] = known[1]
                heapq.heappush(self._order, (-known[1].changed_at, next(self._ticket), path))
        if len(self._tasks) > self._limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        # A tenth at once, so that a flood costs little per file.
        newest = heapq.nlargest(
            self._limit - self._limit // 10, self._tasks.values(), key=lambda t: t.changed_at
        )
        self._tasks = {task.path: task for task in newest}
        self._starved = True

    def _trim(self) -> None:
        # Entries of dropped files must not outlive them by much.
        if len(self._order) > 2 * len(self._tasks) + 64:
            self._order = [(-t.changed_at, next(self._ticket), t.path) for t in self._tasks.values()]
            heapq.heapify(self._order)
        if len(self._later_order) > 2 * len(self._later) + 64:
            self._later_order = [(when, path) for path, (when, _) in self._later.items()]
            heapq.heapify(self._later_order)
