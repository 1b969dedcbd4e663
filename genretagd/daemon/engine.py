"""What works on files: the pipeline over worker processes, which are let go when there is nothing to do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import genretagd
from genretagd import logs
from genretagd.domain import Outcome
from genretagd.errors import ModelError, TrackError
from genretagd.ledger.journal import DAY_SECONDS, Journal
from genretagd.pipeline import Pipeline
from genretagd.policy import FolderPolicies, unknown_labels
from genretagd.workers.pool import WorkerPool


class Engine(Protocol):
    """Processes files; made anew when the configuration is read again."""

    threads: int
    bundle: str

    @property
    def ready(self) -> bool:
        """Whether a track would be worked on at once."""

    def process(self, path: Path, /, *, tell: Callable[[Outcome], None]) -> Outcome:
        """Take one track along the path; `tell` hears of a write in the transaction that records it.

        Raises
        ------
        GenretagdError
            What no track is to blame for: no ledger, no worker, no model.
        """

    def policy_of(self, path: Path, /) -> str:
        """Return the fingerprint of the policy in force for a path."""

    def warm(self) -> None:
        """Get ready for a track that is about to come.

        Raises
        ------
        GenretagdError
            There is no usable model, or no worker can be started.
        """

    def rest(self) -> None:
        """Give back what can be had again."""

    def kill(self) -> None:
        """End everything in hand at once."""


class PoolEngine:
    """An `Engine` of worker processes.

    Parameters
    ----------
    pool : WorkerPool
        The workers; one thread each is served.
    policy_for : FolderPolicies
        The policy in force for a path. Of labels that are given a name and that the model has not a
        warning is logged.
    journal : Journal
        Told before and after each write.
    bundle : str
        Fingerprint of the model bundle.
    retention_days : int
        The journal forgets what is older; 0 keeps it.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        pool: WorkerPool,
        *,
        policy_for: FolderPolicies,
        journal: Journal,
        bundle: str,
        retention_days: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.threads = pool.count
        self.bundle = bundle
        self.pool = pool
        self._policy_for = policy_for
        self.journal = journal
        self._changing = threading.Lock()
        self._warm = False
        self._labels: tuple[str, ...] = ()
        self._warned: set[str] = set()
        self._retention_days = retention_days
        self._clock = clock
        self._forgot_at = -DAY_SECONDS

    @property
    def ready(self) -> bool:
        """See `Engine.ready`."""
        return self._warm

    def process(self, path: Path, /, *, tell: Callable[[Outcome], None]) -> Outcome:
        """See `Engine.process`; once a day the journal forgets what is too old."""
        self.forget_old()
        if self._labels:
            self._warn_of_labels()
        self._warm = True
        with self.pool.worker() as worker:
            pipeline = Pipeline(
                tags=worker,
                classifier=worker,
                policy_for=self._policy_for,
                journal=self.journal,
                undone=self.journal.undone,
                tell=tell,
            )
            return pipeline.process(path)

    def forget_old(self) -> None:
        """Make the journal forget what is older than the retention, once a day at most.

        Raises
        ------
        LedgerError
            The ledger cannot be written.
        """
        now = self._clock()
        if now >= self._forgot_at + DAY_SECONDS:
            self.journal.forget(days=self._retention_days)
            self._forgot_at = now

    def policy_of(self, path: Path, /) -> str:
        """See `Engine.policy_of`; a folder whose configuration is not valid has one of its own."""
        try:
            return self._policy_for(path).fingerprint()
        except TrackError as exc:
            return "invalid " + hashlib.sha256(exc.problem.encode("utf-8", "replace")).hexdigest()[:8]

    def warm(self) -> None:
        """See `Engine.warm`: one worker loads the model."""
        if self._warm or not self._changing.acquire(blocking=False):
            return
        try:
            self._warm = True
            with self.pool.worker() as worker:
                self._labels = worker.warm()
            self._warn_of_labels()
        finally:
            self._changing.release()

    def _warn_of_labels(self) -> None:
        """Say which labels are given a name and are none of the model's, each once, as soon as folders do."""
        labels = tuple(self._policy_for.labels.items())  # other threads may add to them
        named = {label: file for label, file in labels if label not in self._warned}
        self._warned.update(named)
        for problem in unknown_labels(named, self._labels):
            logs.say("warning", problem)

    def rest(self) -> None:
        """See `Engine.rest`: every worker ends, once it is free; the next track starts it again."""
        if not self._warm:
            return
        with self._changing, ExitStack() as stack:
            self._warm = False
            for _ in range(self.pool.count):
                stack.enter_context(self.pool.worker()).close()

    def kill(self) -> None:
        """See `Engine.kill`."""
        self.pool.kill()


def bundle_fingerprint(bundle: str) -> str:
    """Return a hash of a bundle's description, which holds the hashes of all its other files.

    Parameters
    ----------
    bundle : str
        Directory of a model bundle, or ``"default"``.

    Raises
    ------
    ModelError
        There is no bundle.
    """
    shipped = Path(genretagd.__file__).parent / "data" / "default"
    directory = shipped if bundle == "default" else Path(bundle).expanduser()
    try:
        return hashlib.sha256((directory / "bundle.json").read_bytes()).hexdigest()[:16]
    except OSError as exc:
        raise ModelError(f"{directory}: not a model bundle ({exc.strerror}), name one with --bundle") from exc
