"""What the daemon has done since it started, in a size that does not grow."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from genretagd.domain import Outcome, Status

LAST_FILES: Final = 20
RATE_SECONDS: Final = 300.0
MOST_CODES: Final = 100


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of one moment.

    Attributes
    ----------
    by_status : mapping of str to int
        Files per outcome.
    failures : mapping of str to int
        Failed and skipped files per code.
    seconds : float
        Time spent on files, in seconds.
    per_minute : float
        Files per minute over the last five minutes.
    last : tuple of dict
        The last files, the newest first.
    problem : str or None
        What is wrong and is no file's fault.
    """

    by_status: dict[str, int]
    failures: dict[str, int]
    seconds: float
    per_minute: float
    last: tuple[dict[str, Any], ...]
    problem: str | None


class Stats:
    """Counts outcomes; safe for several threads.

    Parameters
    ----------
    clock, wall : callable
        Monotonic seconds, and seconds since the epoch.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._started = clock()
        self._statuses: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._seconds = 0.0
        self._buckets: deque[tuple[int, int]] = deque(maxlen=int(RATE_SECONDS / 10) + 1)
        self._last: deque[dict[str, Any]] = deque(maxlen=LAST_FILES)
        self._problem: str | None = None

    def count(self, outcome: Outcome) -> None:
        """Count one outcome."""
        with self._lock:
            self._statuses[str(outcome.status)] += 1
            if outcome.status in {Status.FAILED, Status.SKIPPED}:
                code = outcome.code or "other"
                self._failures[
                    code if code in self._failures or len(self._failures) < MOST_CODES else "other"
                ] += 1
            self._seconds += outcome.seconds
            bucket = int(self._clock() // 10)
            if self._buckets and self._buckets[-1][0] == bucket:
                self._buckets[-1] = (bucket, self._buckets[-1][1] + 1)
            else:
                self._buckets.append((bucket, 1))
            self._last.appendleft(
                {
                    "at": self._wall(),
                    "path": str(outcome.path),
                    "status": str(outcome.status),
                    "genres": list(outcome.after),
                    "reason": outcome.reason,
                    "seconds": round(outcome.seconds, 3),
                }
            )

    def set_problem(self, problem: str | None) -> bool:
        """Take down what is wrong, None where nothing is; return whether that is news."""
        with self._lock:
            news = problem != self._problem
            self._problem = problem
            return news

    def summary(self) -> Summary:
        """Return the counts of this moment."""
        with self._lock:
            now = self._clock()
            oldest = now // 10 - RATE_SECONDS / 10
            recent = sum(count for bucket, count in self._buckets if bucket >= oldest)
            minutes = max(10.0, min(RATE_SECONDS, now - self._started)) / 60
            return Summary(
                by_status=dict(self._statuses),
                failures=dict(self._failures),
                seconds=self._seconds,
                per_minute=round(recent / minutes, 2),
                last=tuple(self._last),
                problem=self._problem,
            )
