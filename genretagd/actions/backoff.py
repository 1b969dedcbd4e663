"""When to try again: after a failed event, and after a plugin that fails whatever it is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double, up to a longest one, with jitter so that plugins do not act in step.

    Attributes
    ----------
    first_seconds, longest_seconds : float
        Delay after the first failure, and the bound of all.
    """

    first_seconds: float = 2.0
    longest_seconds: float = 3600.0

    def delay(self, failures: int, *, random: Callable[[], float]) -> float:
        """Return the delay in seconds after so many failures: between half of the full one and all of it."""
        doublings = min(max(failures - 1, 0), 40)
        full = min(self.longest_seconds, self.first_seconds * 2.0**doublings)
        return full * (0.5 + 0.5 * random())


BREAKER_BACKOFF: Final = Backoff(first_seconds=15.0, longest_seconds=900.0)


class CircuitBreaker:
    """Stops calling a plugin that keeps failing, and lets one event through from time to time.

    Parameters
    ----------
    threshold : int
        Failures in a row, of whatever events, after which it opens.
    backoff : Backoff
        How long it stays open, the first and each further time.
    random : callable
        Returns a number in [0, 1).
    """

    def __init__(
        self, *, random: Callable[[], float], threshold: int = 8, backoff: Backoff = BREAKER_BACKOFF
    ) -> None:
        self._random = random
        self._threshold = threshold
        self._backoff = backoff
        self.failures = 0
        self.open_until = -math.inf

    @property
    def is_tripped(self) -> bool:
        """Whether the plugin has failed so often that only single attempts are made."""
        return self.failures >= self._threshold

    def succeeded(self) -> None:
        """Close: the plugin works."""
        self.failures = 0
        self.open_until = -math.inf

    def trip(self, *, now: float) -> None:
        """Open at once: the plugin does not even start."""
        self.failures = max(self.failures, self._threshold - 1)
        self.failed(now=now)

    def failed(self, *, now: float) -> None:
        """Count a failure; open at the threshold, and longer at each further failure."""
        self.failures += 1
        if self.failures >= self._threshold:
            rounds = self.failures - self._threshold + 1
            self.open_until = now + self._backoff.delay(rounds, random=self._random)
