"""What is still to be told to action plugins: the words between the ledger's outbox and the runner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from genretagd.events import TrackEvent, TrackMoved


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that one action has still to be told.

    Attributes
    ----------
    id : int
        Number of the outbox's row; grows in the order in which events were told.
    event : TrackEvent
        The event, with the track where it is now.
    attempts : int
        How often delivering it has failed.
    """

    id: int
    event: TrackEvent
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up on: until somebody asks to try again."""

    id: int
    action: str
    event: TrackEvent
    attempts: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much one action has still to be told.

    Attributes
    ----------
    waiting, dead : int
        Number of events that will be delivered, and that were given up on.
    last_error : str or None
        Why the most recent of them failed.
    """

    waiting: int
    dead: int
    last_error: str | None


class Outbox(Protocol):
    """Keeps events until they are delivered; safe to use from several threads.

    Instants (`now`, `due_at`) are seconds since the epoch.
    """

    def add(self, event: TrackEvent, /, *, actions: Collection[str], now: float) -> None:
        """Keep an event for each of the actions; one it already has is not added again."""

    def due(self, action: str, /, *, now: float, limit: int) -> list[Delivery]:
        """Return events to deliver now, at most one per track: the oldest that waits."""

    def next_due(self, action: str, /, *, now: float) -> float | None:
        """Return when the next event that is not yet due will be, or None."""

    def told(self, ids: Sequence[int], /) -> int:
        """Mark events as handed to a plugin that has yet to confirm them when it is idle.

        Forgets older events of their tracks that had been given up on; returns their number.
        """

    def delivered(self, ids: Sequence[int], /) -> int:
        """Forget events that were delivered, and older ones as in `told`; returns the number of those."""

    def unwanted(self, ids: Sequence[int], /) -> None:
        """Forget events that the plugin is not to be told."""

    def confirmed(self, action: str, /) -> None:
        """Forget the events of an action that were marked as told."""

    def recover(self, action: str, /, *, latest: float) -> int:
        """Put told events back in line after a crash, and clamp absurd due times; return their number."""

    def unconfirmed(
        self, action: str, /, *, error: str, due_at: float, max_attempts: int, permanent: bool
    ) -> None:
        """Record that confirming the told events failed: all are told again later, or given up on."""

    def failed(self, delivery: int, /, *, error: str, due_at: float | None) -> None:
        """Record a failed attempt: the event is due again then, or never if None."""

    def moved(self, delivery: int, event: TrackMoved, /, *, actions: Collection[str], now: float) -> None:
        """Let the ledger follow a moved track, forget the delivery, and keep the event of the move."""

    def changes(self) -> int:
        """Return a number that differs after another connection has written."""

    def close(self) -> None:
        """Give the ledger's connection back."""
