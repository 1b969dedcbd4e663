"""Deliver the waiting events of one action to its plugin: one at a time, in order per track.

`ActionWorker.step` does one piece of work and says how long to wait for the next; a thread of the
runner's calls it. Everything it depends on is handed in, so that tests drive it with a clock of
their own.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from genretagd.actions.backoff import BREAKER_BACKOFF, Backoff, CircuitBreaker
from genretagd.actions.hosted import HostedPlugin
from genretagd.actions.plan import PluginStatus
from genretagd.actions.process import HostDied
from genretagd.delivery import Delivery, Outbox
from genretagd.errors import DeliveryError
from genretagd.events import idle_event

BATCH: Final = 64
"""Events fetched, and confirmed, with one look into the outbox."""

CONFIRM_SECONDS: Final = 1.0
"""A delivered event is forgotten at the latest after so long."""

IDLE_HOST_SECONDS: Final = 300.0
"""A process with nothing to do ends after so long; the next event starts another."""

FLUSH_SECONDS: Final = 600.0
FLUSH_EVENTS: Final = 5000
"""A plugin with on_idle confirms after so long or so many events, however busy the library is."""

QUIET_SECONDS: Final = 30.0
"""It confirms as well when nothing came for so long: another process told the events, and has ended."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker needs from outside.

    Attributes
    ----------
    outbox : Outbox
        Where events wait.
    moved : callable
        Called after the ledger has followed a track that the plugin moved.
    listeners : callable
        The names of the actions that want to know of a move by this one.
    now : callable
        Seconds since the epoch.
    random : callable
        A number in [0, 1).
    backoff, breaker : Backoff
        Delays between attempts of one event, and while a plugin that keeps failing is left alone.
    """

    outbox: Outbox
    moved: Callable[[], None]
    listeners: Callable[[str], Collection[str]]
    now: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    backoff: Backoff = field(default_factory=Backoff)
    breaker: Backoff = BREAKER_BACKOFF


@dataclass(slots=True)
class _Hands:
    """What a worker holds: fetched events, told ones, and those only to be forgotten."""

    batch: deque[Delivery] = field(default_factory=deque)
    done: list[int] = field(default_factory=list)
    done_since: float = math.inf
    unconfirmed: int = 0
    unconfirmed_since: float = math.inf
    used_at: float = -math.inf


class ActionWorker:
    """Delivers to one plugin.

    Parameters
    ----------
    plugin : HostedPlugin
        The plugin.
    around : Surroundings
        What the worker needs from outside.
    """

    def __init__(self, plugin: HostedPlugin, around: Surroundings) -> None:
        self.plugin = plugin
        self.name = plugin.spec.name
        self._around = around
        self._breaker = CircuitBreaker(random=around.random, backoff=around.breaker)
        self._hands = _Hands()
        self._flush_wanted = False
        self._flush_owed = False  # told once before: not to wait for the next idleness
        self.finishing = False

    def wants(self, kind: str) -> bool:
        """Return whether events of a kind are to be kept for this action, which may be switched off now."""
        return self.plugin.handles(kind)

    def recover(self) -> None:
        """Take up what an earlier run left; once, before the first step."""
        latest = self._around.now() + self._around.backoff.longest_seconds
        if self._around.outbox.recover(self.name, latest=latest):
            self._flush_owed = True

    def flush(self) -> None:
        """Ask for on_idle as soon as nothing waits any more; from any thread."""
        self._flush_wanted = True

    def finish(self) -> None:
        """Begin with no further event: what was told is to be confirmed, and that is all; from any thread."""
        self.finishing = True

    def prepare(self) -> None:
        """Start, load and check the plugin before there is anything to tell."""
        self._hands.used_at = self._around.now()
        if self.plugin.spec.common.enabled and not self.plugin.ready():
            self._cannot_begin(self._around.now())

    def step(self) -> float:
        """Do one piece of work and return the seconds until there may be more: 0 for at once."""
        if self.plugin.status.is_final or self.plugin.aborted:
            return math.inf
        now = self._around.now()
        if self.finishing:
            self._confirm_delivered()
            if self._hands.unconfirmed:
                self._step_flush(now)
            return math.inf
        if self._breaker.open_until > now:
            self._confirm_delivered()
            return self._breaker.open_until - now
        if not self._hands.batch:
            self._confirm_delivered()
            limit = 1 if self._breaker.is_tripped else BATCH
            self._hands.batch.extend(self._around.outbox.due(self.name, now=now, limit=limit))
        if self._hands.batch:
            self._step_event(now)
            return 0.0
        if self._flush_is_due(now):
            self._step_flush(now)
            return 0.0
        return self._rest(now)

    def close(self) -> None:
        """Confirm what was delivered and end the process."""
        self._confirm_delivered()
        self.plugin.close()

    def _step_event(self, now: float) -> None:
        if not self.plugin.ready():
            self._hands.batch.clear()
            self._cannot_begin(now)
            return
        delivery = self._hands.batch.popleft()
        if not self.plugin.handles(delivery.event.kind):
            self._around.outbox.unwanted([delivery.id])
            return
        try:
            moved = self.plugin.tell(delivery.event)
        except DeliveryError as exc:
            if not self.plugin.aborted:  # else we ended the process, and the event is not to blame
                self._failed(delivery, exc)
            return
        self._breaker.succeeded()
        self._hands.used_at = self._around.now()
        if moved is None:
            self._delivered(delivery)
        else:
            listeners = self._around.listeners(self.name)
            self._around.outbox.moved(delivery.id, moved, actions=listeners, now=self._around.now())
            self._around.moved()

    def _cannot_begin(self, now: float) -> None:
        self._breaker.trip(now=now)
        if self.plugin.status is PluginStatus.CONFIG_INVALID:  # found out late: nothing was stopped by it
            self.plugin.log.error("%s: %s", self.plugin.status, "; ".join(self.plugin.record().problems))

    def _delivered(self, delivery: Delivery) -> None:
        hands, now = self._hands, self._around.now()
        if self.plugin.has_idle:
            hands.unconfirmed_since = min(hands.unconfirmed_since, now)
            hands.unconfirmed += 1
        hands.done.append(delivery.id)
        hands.done_since = min(hands.done_since, now)
        if now - hands.done_since >= CONFIRM_SECONDS:
            self._confirm_delivered()

    def _confirm_delivered(self) -> None:
        hands = self._hands
        if hands.done:
            outbox = self._around.outbox
            settle = outbox.told if self.plugin.has_idle else outbox.delivered
            outdated = settle(hands.done)
            if outdated:
                self.plugin.log.info("%d events that were given up on are out of date now", outdated)
        hands.done, hands.done_since = [], math.inf

    def _failed(self, delivery: Delivery, exc: DeliveryError) -> None:
        now, attempts = self._around.now(), delivery.attempts + 1
        error = self.plugin.note(exc)
        if isinstance(exc, HostDied):
            self._start_over()
        gives_up = exc.permanent or attempts >= self.plugin.spec.common.max_attempts
        delay = self._delay(attempts, exc)
        self._around.outbox.failed(delivery.id, error=error, due_at=None if gives_up else now + delay)
        self.plugin.log.log(
            logging.ERROR if gives_up else logging.WARNING,
            "%s: %s, %s",
            self.plugin.redact(str(delivery.event.path)),
            error,
            "given up on" if gives_up else f"tried again in {delay:.0f} s",
        )
        if not exc.permanent:  # a permanent failure is the event's, not the plugin's
            self._count_failure(now)

    def _count_failure(self, now: float) -> None:
        was_tripped = self._breaker.is_tripped
        self._breaker.failed(now=now)
        if self._breaker.is_tripped:
            self._hands.batch.clear()  # fetched again when the breaker lets something through
            if not was_tripped:
                delay = self._breaker.open_until - now
                self.plugin.log.error("keeps failing, left alone for %.0f s", delay)

    def _delay(self, attempts: int, exc: DeliveryError) -> float:
        delay = self._around.backoff.delay(attempts, random=self._around.random)
        asked = exc.retry_after_seconds or 0.0
        return min(max(delay, asked), max(delay, self._around.backoff.longest_seconds))

    def _flush_is_due(self, now: float) -> bool:
        hands = self._hands
        if not hands.unconfirmed:
            self._flush_wanted = False
            return False
        return (
            self._flush_wanted
            or self._flush_owed
            or hands.unconfirmed >= FLUSH_EVENTS
            or now - hands.unconfirmed_since >= FLUSH_SECONDS
            or now - hands.used_at >= QUIET_SECONDS
        )

    def _step_flush(self, now: float) -> None:
        self._flush_wanted = False
        try:
            self.plugin.tell(idle_event(at=datetime.fromtimestamp(now, tz=UTC)))
        except DeliveryError as exc:
            if not self.plugin.aborted:
                self._flush_failed(exc, now)
            return
        self._breaker.succeeded()
        self._flush_owed = False
        self._around.outbox.confirmed(self.name)
        self._hands.unconfirmed, self._hands.unconfirmed_since = 0, math.inf
        self._hands.used_at = now

    def _flush_failed(self, exc: DeliveryError, now: float) -> None:
        """Tell everything again to a fresh plugin: what this one still remembers is not to be trusted."""
        error, delay = self.plugin.note(exc), self._delay(self._breaker.failures + 1, exc)
        self._around.outbox.unconfirmed(
            self.name,
            error=error,
            due_at=now + delay,
            max_attempts=self.plugin.spec.common.max_attempts,
            permanent=exc.permanent,
        )
        self.plugin.log.warning("on_idle: %s, told again in %.0f s", error, delay)
        self._hands.unconfirmed, self._hands.unconfirmed_since = 0, math.inf
        self._flush_owed = True
        self.plugin.drop()
        self._count_failure(now)

    def _start_over(self) -> None:
        """After the process died, tell again what it had been told and not confirmed."""
        self._confirm_delivered()
        if self._hands.unconfirmed:
            self._around.outbox.recover(self.name, latest=math.inf)
            self._hands.unconfirmed, self._hands.unconfirmed_since = 0, math.inf
            self._flush_owed = True
        self.plugin.drop()

    def _rest(self, now: float) -> float:
        hands = self._hands
        waits = [IDLE_HOST_SECONDS]
        due = self._around.outbox.next_due(self.name, now=now)
        if due is not None:
            waits.append(due - now)
        if hands.unconfirmed:
            waits.append(min(hands.unconfirmed_since + FLUSH_SECONDS, hands.used_at + QUIET_SECONDS) - now)
        elif self.plugin.is_running and now - hands.used_at >= IDLE_HOST_SECONDS:
            self.plugin.close()
        return max(min(waits), 0.01)
