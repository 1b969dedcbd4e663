"""Everybody who hears what became of a file: the log, the statistics, the action plugins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from genretagd import logs
from genretagd.actions.plan import PluginRecord
from genretagd.daemon.hanging import answer_to
from genretagd.daemon.stats import Stats
from genretagd.domain import Outcome, Status
from genretagd.events import Event, event_of, idle_event

DRAIN_SECONDS: Final = 1.0
"""Action plugins get so long to act on what is due when the daemon ends."""

ABORT_SECONDS: Final = 1.0
"""What is still at work then is ended, which takes so long at most, unless it hangs in the system."""

LEVELS: Final = {Status.FAILED: "warning", Status.SKIPPED: "warning"}


class Actions(Protocol):
    """Delivers events to action plugins."""

    def start(self) -> None:
        """Begin to deliver."""

    def tell(self, event: Event, /) -> None:
        """Keep an event and deliver it soon; quick, and never raises."""

    def records(self) -> Sequence[PluginRecord]:
        """Return how each action is."""

    def close(self, *, drain_seconds: float) -> None:
        """Deliver what is due, and end."""


class Telling:
    """Passes on what became of files.

    Parameters
    ----------
    stats : Stats
        Counts it.
    actions : Actions or None
        Action plugins, where there are any.
    news : callable
        Called after each piece of news; must not block.
    """

    def __init__(self, stats: Stats, *, actions: Actions | None, news: Callable[[], None]) -> None:
        self._stats = stats
        self._actions = actions
        self._news = news
        self._restless = False

    @property
    def restless(self) -> bool:
        """Whether action plugins are still to be told that there is nothing more to do."""
        return self._restless

    def plugins(self) -> list[dict[str, Any]]:
        """Return how each action plugin is, as plain JSON values; none that is a secret."""
        records = self._actions.records() if self._actions is not None else ()
        return [
            {
                "name": record.name,
                "status": str(record.status),
                "problems": list(record.problems),
                "last_error": record.last_error,
            }
            for record in records
        ]

    def start(self) -> None:
        """Begin to deliver to action plugins."""
        if self._actions is not None:
            self._actions.start()

    def use(self, actions: Actions | None) -> None:
        """Tell other action plugins from now on."""
        old, self._actions = self._actions, actions  # those who come keep what is told while those who go end
        if old is not None:
            end_actions(old, drain_seconds=DRAIN_SECONDS)
        self.start()

    def close(self) -> None:
        """Deliver what is due, and end; what is not delivered waits in the ledger."""
        if self._actions is not None:
            end_actions(self._actions, drain_seconds=DRAIN_SECONDS)

    def keep(self, outcome: Outcome, /) -> None:
        """Keep for action plugins what became of a file."""
        actions = self._actions
        event = event_of(outcome, at=datetime.now(UTC)) if actions is not None else None
        if actions is not None and event is not None:
            actions.tell(event)
            self._restless = True

    def outcome(self, outcome: Outcome, /) -> None:
        """Hear what became of a file, once it is recorded."""
        self._stats.count(outcome)
        level = LEVELS.get(outcome.status, "info")
        logs.say(level, outcome_text(outcome), event="track", fields=outcome_fields(outcome))
        self._news()

    def trouble(self, problem: str | None, /) -> None:
        """Hear what is wrong and is no file's fault, or (None) that all is right again."""
        if self._stats.set_problem(problem):
            if problem is None:
                logs.say("info", "back to normal")
            self._news()
        if problem is not None:
            logs.say("error", problem)

    def idle(self) -> None:
        """Tell action plugins once that there is nothing more to do for now."""
        if self._restless and self._actions is not None:
            self._restless = False
            self._actions.tell(idle_event(at=datetime.now(UTC)))


def end_actions(actions: Actions, *, drain_seconds: float) -> None:
    """Close action plugins; one that waits for a share within the kernel is left behind."""

    def close() -> bool:
        actions.close(drain_seconds=drain_seconds)
        return True

    if not answer_to(close, otherwise=False, seconds=drain_seconds + ABORT_SECONDS):
        logs.say("warning", "an action plugin hangs and cannot be ended, going on without it")


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome as a line for a person."""
    seconds = f"  {outcome.seconds:.2f} s"
    if outcome.status is Status.TAGGED:
        before, after = ", ".join(outcome.before) or "(none)", ", ".join(outcome.after)
        return (
            f"{outcome.status}  {outcome.path}: {before} -> {after}  ({outcome.confidence or 0:.0%}){seconds}"
        )
    return f"{outcome.status}  {outcome.path}: {outcome.reason}{seconds}"


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the fields of a log line; those that are None are left out by it."""
    return {
        "status": str(outcome.status),
        "path": str(outcome.path),
        "before": list(outcome.before),
        "after": list(outcome.after),
        "confidence": None if outcome.confidence is None else round(outcome.confidence, 4),
        "code": outcome.code,
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 3),
    }
