"""What a run over tracks leaves behind: journal entries, and events for action plugins."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from genretagd.domain import Outcome, Status, TagStore
from genretagd.events import event_of, idle_event

if TYPE_CHECKING:
    from genretagd.actions.runner import Runner
    from genretagd.ledger.change import Change
    from genretagd.ledger.journal import Journal

DRAIN_SECONDS = 10.0
"""So long the end of a run tells plugins what is due; what is left is delivered by the next run."""


class Records:
    """The journal of a run and its action plugins.

    Parameters
    ----------
    journal : Journal
        Of this run.
    runner : Runner or None
        Delivers events; None where no action is configured.
    """

    def __init__(self, journal: Journal, runner: Runner | None) -> None:
        self.journal = journal
        self._runner = runner

    def tell(self, outcome: Outcome, *, undo: bool = False) -> None:
        """Keep the event of an outcome (of an `undo`) for the plugins that want it."""
        if self._runner is None:
            return
        path = Path(os.path.abspath(outcome.path))  # noqa: PTH100 - as the ledger and the daemon spell it
        event = event_of(replace(outcome, path=path), at=datetime.now(UTC), undo=undo)
        if event is not None:
            self._runner.tell(event)

    def tell_others(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the outcomes that were not told when they were recorded: all but tagged tracks."""
        for outcome in outcomes:
            if outcome.status is not Status.TAGGED:
                self.tell(outcome)

    def recover(self, tags: TagStore) -> None:
        """Settle what a crash left open, and tell what had happened all the same."""
        self.journal.recover(tags.read_genres, tell=self._tell_recovered)

    def _tell_recovered(self, entry: Change) -> None:
        undo = entry.undoes is not None
        self.tell(
            Outcome(
                entry.path,
                Status.TAGGED,
                before=entry.genres_before,
                after=entry.genres_after,
                confidence=None if undo else entry.confidence,
                change=entry.tag_change(),
                entry=entry.id,
            ),
            undo=undo,
        )

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep what is told meanwhile for a later run to deliver."""
        try:
            yield
        finally:
            if self._runner is not None:
                self._runner.close(drain_seconds=0)

    @contextlib.contextmanager
    def delivering(self) -> Iterator[None]:
        """Deliver events meanwhile, and give plugins a moment at the end."""
        if self._runner is None:
            yield
            return
        self._runner.start()
        went_well = False
        try:
            yield
            self._runner.tell(idle_event(at=datetime.now(UTC)))
            went_well = True
        finally:
            self._runner.close(drain_seconds=DRAIN_SECONDS, patient=went_well)
