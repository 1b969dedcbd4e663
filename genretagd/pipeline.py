"""The path of one file: read, listen, decide, journal, write, tell. Knows protocols only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from genretagd.config import Config
from genretagd.decision import DecisionPolicy, average, combine, decide
from genretagd.domain import (
    Abstention,
    Classifier,
    Decision,
    ExistingPolicy,
    GenreTag,
    Journal,
    Outcome,
    Prediction,
    Provenance,
    Status,
    TagStore,
    WriteOptions,
)
from genretagd.errors import TrackError, WriteRefusedError

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the user decided about how tracks are decided on and written.

    `placeholders` and `protected` are compared without case.
    """

    decision: DecisionPolicy
    existing: ExistingPolicy
    placeholders: frozenset[str]
    protected: frozenset[str]
    write: WriteOptions
    provenance: bool

    @classmethod
    def of(cls, config: Config) -> Policy:
        """Return the policy that a configuration describes."""
        wanted, tags = config.decision, config.tags
        return cls(
            decision=DecisionPolicy(
                min_confidence=wanted.min_confidence,
                min_margin=wanted.min_margin,
                max_genres=wanted.max_genres,
                min_seconds=wanted.min_seconds,
                silence_dbfs=wanted.silence_dbfs,
                genre_names=config.genres,
            ),
            existing=tags.existing,
            placeholders=frozenset(genre.casefold() for genre in tags.placeholders),
            protected=frozenset(genre.casefold() for genre in tags.protected),
            write=WriteOptions(mtime=tags.mtime, hardlinks=tags.hardlinks, id3v1=tags.id3v1),
            provenance=tags.provenance,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A track that may get a genre: its tag as read, and the genres in it that count."""

    path: Path
    tag: GenreTag
    existing: tuple[str, ...]
    policy: Policy


class Pipeline:
    """Takes tracks along the path; one per thread, since a worker serves one thread at a time.

    Parameters
    ----------
    tags : TagStore
        Reads and writes tags.
    classifier : Classifier
        Listens.
    policy_for : callable
        The policy in force for a path (folders may have their own).
    journal : Journal or None
        Told before and after each write; None is a dry run, which stops before the write.
    """

    def __init__(
        self,
        *,
        tags: TagStore,
        classifier: Classifier,
        policy_for: Callable[[Path], Policy],
        journal: Journal | None,
    ) -> None:
        self._tags = tags
        self._classifier = classifier
        self._policy_for = policy_for
        self._journal = journal

    def process(self, path: Path, /) -> Outcome:
        """Take one track along the whole path; a `TrackError` becomes its outcome."""
        started = time.perf_counter()
        outcome = self._attempt(path, lambda: self._whole(path))
        return replace(outcome, seconds=time.perf_counter() - started)

    def process_album(self, paths: Sequence[Path], /) -> list[Outcome]:
        """Take the tracks of one album along the path; all get the genre of their average.

        Tracks that have a genre are kept and not listened to. A track that cannot be read takes
        no part; the others go on.
        """
        outcomes: dict[Path, Outcome] = {}
        judged: list[tuple[Candidate, Prediction]] = []
        for path in paths:

            def listen(path: Path, classifier: Classifier, policy: Policy) -> Outcome:
    """Predict one track without looking at its tags; a `TrackError` becomes its outcome.

    `Outcome.after` holds the genres that would be decided on, and is empty when unsure.
    """
    started = time.perf_counter()
    try:
        prediction = classifier.predict(path)
    except TrackError as exc:
        return _failed(path, exc)
    decision = decide(prediction, policy.decision)
    outcome = Outcome(
        path,
        Status.PREDICTED,
        prediction=prediction,
        confidence=decision.confidence,
        seconds=time.perf_counter() - started,
    )
    if isinstance(decision, Abstention):
        return replace(outcome, status=Status.UNSURE, reason=_why(decision), code=str(decision.reason))
    return replace(outcome, after=decision.names)


def _why(abstention: Abstention) -> str:
    return f"{abstention.reason}: {abstention.detail}"


def _failed(path: Path, exc: TrackError) -> Outcome:
    status = Status.SKIPPED if isinstance(exc, WriteRefusedError) else Status.FAILED
    return Outcome(path, status, reason=exc.problem, code=exc.code, transient=exc.transient)


def _kept(path: Path, tag: GenreTag, reason: str, code: str) -> Outcome:
    return Outcome(path, Status.KEPT, reason=reason, code=code, before=tag.genres, after=tag.genres)
