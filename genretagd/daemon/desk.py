"""Between finding and tagging: what is known, what comes into the queue, what became of it.

Thread-free but for the locks of the queue and the ledger, with every clock injected.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from genretagd.daemon.hanging import Hanging
from genretagd.daemon.queue import Task, WorkQueue, retry_seconds
from genretagd.domain import UNWRITABLE_DIRECTORY, Outcome, Status, written_at
from genretagd.errors import GenretagdError, LedgerError
from genretagd.ledger.versions import MAX_ATTEMPTS, Judgement, Recorded, Versions
from genretagd.settling import Look, Settled

PERHAPS_ITS_OWN: Final = frozenset({"crashed", "time limit"})
"""Codes of what may heal and may be the file's own doing after all: only that is given up some day."""

PAUSE_SECONDS: Final = 60.0
"""A file is tried again so long after what was no file's fault: no room for the ledger, no worker."""


class Process(Protocol):
    """The pipeline."""

    def __call__(self, path: Path, /, *, tell: Callable[[Outcome], None]) -> Outcome:
        """Take a track along the path; `tell` hears of a write in the transaction that records it."""


class Told(Protocol):
    """Is told what became of every file."""

    def keep(self, outcome: Outcome, /) -> None:
        """Keep for others what became of a file, inside the transaction of the ledger that records it."""

    def outcome(self, outcome: Outcome, /) -> None:
        """Hear what became of a file, once it is recorded."""

    def trouble(self, problem: str | None, /) -> None:
        """Hear what is wrong and is no file's fault, or (None) that all is right again."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A file about which something is to be done, by the path of itself and of no link to it."""

    path: str
    look: Look
    judgement: Judgement
    attempts: int


class Desk:
    """Takes files in, has them processed, records what became of them.

    Parameters
    ----------
    queue : WorkQueue
        What is to be done.
    versions : Versions
        What was done.
    judgement_for : callable
        What a path is judged by now.
    look : callable
        Returns a `Look` at a path, None where there is no file.
    told : Told
        Is told what became of each file.
    unsettle : callable
        Makes a path settle anew, because it changed while it was in hand.
    wanted : callable
        Whether a path is looked at by now: what says that it is not may have come since it was queued.
    clock, wall : callable
        Monotonic seconds, and seconds since the epoch.
    """

    def __init__(
        self,
        *,
        queue: WorkQueue,
        versions: Versions,
        judgement_for: Callable[[str], Judgement],
        look: Callable[[str], Look | None],
        told: Told,
        unsettle: Callable[[str], None],
        wanted: Callable[[str], bool] = lambda _path: True,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._versions = versions
        self._judgement_for = judgement_for
        self._look = look
        self._told = told
        self._unsettle = unsettle
        self._wanted = wanted
        self._clock = clock
        self._wall = wall
        self._resume_at: float | None = None  # while no file gets through: when the next one tries
        self._stumbled = ""  # the file that was the last not to get through
        self.hanging = Hanging(clock=clock)

    def known(self, path: str, look: Look) -> bool:
        """Return whether nothing is to be done about a file: it was dealt with, or it waits already."""
        if self._queue.holds(path, look.version):
            return True
        try:
            found = self._recorded(path, look, self._judgement_for(path))
        except LedgerError as exc:
            self._told.trouble(str(exc))
            return False
        return found is not None and _holds_good_still(found)

    def unknown(self, files: Sequence[tuple[str, Look]]) -> list[tuple[str, Look]]:
        """Return those of the files of one folder about which something is to be done."""
        if not files:
            return []
        try:
            judgement = self._judgement_for(files[0][0])
            heals = UNWRITABLE_DIRECTORY if _is_directory_writable(files[0][0]) else None
            maybe = self._versions.open(files, judgement, but=heals)
        except LedgerError as exc:
            self._told.trouble(str(exc))
            return list(files)
        return [(path, look) for path, look in maybe if not self.known(path, look)]

    def take_in(self, settled: Settled) -> None:
        """Queue a file that is whole, unless this version of it was dealt with."""
        look = settled.look
        if not self.known(settled.path, look):
            self._queue.put(Task(settled.path, look.changed_at, look.version))

    def work_on(self, task: Task, process: Process) -> Outcome | None:
        """Deal with a file in hand.

        Parameters
        ----------
        task : Task
            Taken from the queue; it is out of hand afterwards, whatever happens.
        process : Process
            The pipeline.

        Returns
        -------
        Outcome or None
            None where there was nothing to do: it is gone, not wanted any more, was dealt with, or changed
            meanwhile, or was dropped, since the queue was closed.
        """
        try:
            return self._work_on(task, process)
        except GenretagdError as exc:  # no ledger, no worker, no model: nobody's file is to blame
            if self._queue.closed:
                return None
            if self._stumbled not in {"", task.path}:  # one alone may be to blame after all
                self._resume_at = self._clock() + PAUSE_SECONDS
            self._stumbled = task.path
            self._told.trouble(str(exc))
            self._queue.put_later(task, PAUSE_SECONDS)
            return None
        finally:
            self._queue.done(task)

    def _work_on(self, task: Task, process: Process) -> Outcome | None:
        pause = self.hanging.pause(task.version.device)
        if pause:
            self._queue.put_later(task, pause)
            return None
        with self.hanging.looking(task.version.device):
            found = self._find(task.path)
        if found is None:
            return None
        pause = self._pause()
        if pause:
            self._queue.put_later(task, pause)
            return None
        before, judgement = found.look, found.judgement
        written = False

        def keep(outcome: Outcome) -> None:
            nonlocal written
            written = outcome.change is not None
            version = outcome.change.version_after if outcome.change else before.version
            changed_at = before.changed_at if _may_be_permitted(outcome) else None
            self._versions.record(
                outcome, version, judgement, attempts=attempts, at=self._wall(), changed_at=changed_at
            )
            self._told.keep(outcome)

        attempts = 0
        outcome = process(Path(found.path), tell=keep)
        hangs = outcome.code == "hangs"  # whoever looks there now would hang too
        self.hanging.hear(task.version.device, hangs=hangs)
        if not written:
            if not self._holds_good(outcome, task, before):
                return None
            if outcome.status is Status.FAILED and outcome.transient:
                most = MAX_ATTEMPTS if outcome.code in PERHAPS_ITS_OWN else MAX_ATTEMPTS - 1
                attempts = min(1 + found.attempts, most)
            with self._versions.together():
                keep(outcome)
            if 0 < attempts < MAX_ATTEMPTS:
                self._queue.put_later(task, retry_seconds(attempts))
        self._resume_at, self._stumbled = None, ""
        self._told.trouble(None)
        self._told.outcome(outcome)
        if not hangs:
            self._check_judgement(task, judgement)
        return outcome

    def _find(self, path: str) -> _Found | None:
        look = self._look(path)
        if look is None or not self._wanted(path):
            return None
        judgement = self._judgement_for(path)
        known_as = os.fspath(written_at(Path(path)))
        recorded = self._recorded(known_as, look, judgement)
        if recorded is not None and _holds_good_still(recorded):
            return None
        return _Found(known_as, look, judgement, recorded.attempts if recorded else 0)

    def _pause(self) -> float:
        """Return how long a file is to wait; where none gets through, one at a time tries whether it does.

        Each of the others would start a worker, or be listened to, only to be put off.
        """
        at = self._resume_at  # once: other threads change it
        if at is None:
            return 0.0
        now = self._clock()
        if now < at:
            return at - now
        self._resume_at = now + PAUSE_SECONDS
        return 0.0

    def _check_judgement(self, task: Task, judgement: Judgement) -> None:
        """Make a file settle anew where the model or the policy changed while it was in hand."""
        with self.hanging.looking(task.version.device):
            if self._judgement_for(task.path) != judgement:
                self._unsettle(task.path)

    def _recorded(self, path: str, look: Look, judgement: Judgement) -> Recorded | None:
        return self._versions.done(path, look.version, judgement, changed_at=look.changed_at)

    def _holds_good(self, outcome: Outcome, task: Task, before: Look) -> bool:
        """Return whether an outcome without a write is one of the file that is there."""
        if self._queue.closed and outcome.transient:  # it may be our end that it ran into
            return False
        if outcome.code == "hangs":
            return True
        with self.hanging.looking(task.version.device):
            after = self._look(task.path)
        if after is None:
            return False
        if after.version != before.version:  # replaced: what we heard is not what is there
            self._unsettle(task.path)
            return False
        return True


def _holds_good_still(recorded: Recorded) -> bool:
    """Return whether nothing more is to be done about a file of which this is recorded.

    That its directory can be written at last leaves no trace in the file.
    """
    heals = recorded.code == UNWRITABLE_DIRECTORY and _is_directory_writable(os.path.realpath(recorded.path))
    return recorded.final and not heals


def _is_directory_writable(path: str) -> bool:
    return os.access(os.path.dirname(path), os.W_OK)  # noqa: PTH120 - called for each directory


def _may_be_permitted(outcome: Outcome) -> bool:
    """Return whether another mode, owner or number of names may let a file be tagged."""
    return outcome.status is Status.SKIPPED or outcome.code == "unreadable"
