"""The path of one file: read, listen, decide, journal, write, tell. Knows protocols only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from genretagd.decision import average, combine, decide, not_judged
from genretagd.domain import (
    Abstention,
    Classifier,
    Decision,
    DigestAudio,
    GenreTag,
    Journal,
    Outcome,
    Prediction,
    Provenance,
    Status,
    TagStore,
)
from genretagd.errors import FileChangedError, TrackError, WriteRefusedError
from genretagd.policy import Policy

_Result = TypeVar("_Result")


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
    wrote : callable or None
        Says in a dry run what the journal would say: see `Journal.wrote`.
    undone : callable
        Says whether a file is as an undo left it, so that it is kept: for runs that nobody asked for.
    tell : callable
        Told of each track that was tagged, inside the journal's transaction that records it: what it
        keeps in the ledger is kept exactly if the change is.
    """

    def __init__(
        self,
        *,
        tags: TagStore,
        classifier: Classifier,
        policy_for: Callable[[Path], Policy],
        journal: Journal | None,
        wrote: Callable[[Path, GenreTag, DigestAudio], bool | None] | None = None,
        undone: Callable[[Path, GenreTag, DigestAudio], bool] = lambda _path, _tag, _digest: False,
        tell: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        self._tags = tags
        self._classifier = classifier
        self._policy_for = policy_for
        self._journal = journal
        self._wrote = journal.wrote if journal is not None else wrote
        self._undone = undone
        self._tell = tell

    def process(self, path: Path, /) -> Outcome:
        """Take one track along the whole path; a `TrackError` becomes its outcome."""
        started = time.perf_counter()
        outcome = self._attempt(path, lambda: self._whole(path))
        return replace(outcome, seconds=time.perf_counter() - started)

    def process_album(self, paths: Sequence[Path], /) -> list[Outcome]:
        """Take the tracks of one album along the path; all get the genre of their average.

        Tracks that have a genre are kept and not listened to. A track that cannot be read takes
        no part; the others go on. Interludes and silence get the album's genre and have no say in it,
        unless there is nothing else.
        """
        outcomes: dict[Path, Outcome] = {}
        heard: list[tuple[Candidate, Prediction]] = []
        seconds: dict[Path, float] = {}
        for path in paths:
            started = time.perf_counter()
            outcome = self._attempt(path, partial(self._listen_for_album, path, heard))
            if outcome is not None:
                outcomes[path] = outcome
            seconds[path] = time.perf_counter() - started
        if len({prediction.model for _, prediction in heard}) > 1:
            for candidate, _ in heard:
                outcomes[candidate.path] = _failed(candidate.path, _model_replaced(candidate.path))
        elif heard:
            judged = [p for c, p in heard if not_judged(p, c.policy.decision) is None]
            mean = average(judged or [prediction for _, prediction in heard])
            for candidate, prediction in heard:
                started = time.perf_counter()
                decision = decide(mean, candidate.policy.decision)
                apply = partial(self.apply, candidate, prediction, decision)
                outcomes[candidate.path] = self._attempt(candidate.path, apply)
                seconds[candidate.path] += time.perf_counter() - started
        return [replace(outcomes[path], seconds=seconds[path]) for path in paths]

    def consider(self, path: Path, /) -> Candidate | Outcome:
        """Read a track's genres and return it as a candidate, or the outcome that it is kept.

        Raises
        ------
        TagError
            The tags cannot be read.
        """
        policy = self._policy_for(path)
        tag = self._tags.read_genres(path)
        existing = tuple(g for g in tag.genres if not policy.is_placeholder(g))
        if tag.locked:
            return _kept(path, tag, "locked by a tag of its own", "locked")
        if existing and policy.existing == "keep":
            return _kept(path, tag, f"has a genre: {', '.join(existing)}", "has genre")
        if existing and policy.existing == "replace-ours" and not self._is_ours(path, tag):
            return _kept(path, tag, f"has a genre that is not ours: {', '.join(existing)}", "not ours")
        if self._undone(path, tag, self._tags.digest_audio):
            return _kept(path, tag, 'was undone, "genretagd tag" would tag it again', "undone")
        return Candidate(path, tag, existing, policy)

    def apply(self, candidate: Candidate, prediction: Prediction, decision: Decision, /) -> Outcome:
        """Write what was decided, where there is something to write.

        Raises
        ------
        TagError
            The write was refused or failed; the file is as it was.
        """
        path, tag, policy = candidate.path, candidate.tag, candidate.policy
        outcome = Outcome(
            path,
            Status.UNSURE,
            before=tag.genres,
            after=tag.genres,
            prediction=prediction,
            confidence=decision.confidence,
        )
        if isinstance(decision, Abstention):
            return replace(outcome, reason=_why(decision), code=str(decision.reason))

        after = combine(candidate.existing, decision.names, policy.existing)
        known = {genre.casefold() for genre in after}
        kept = [g for g in tag.genres if policy.protects(g) and g.casefold() not in known]
        after = (*after, *kept)
        if after == tag.genres:
            return replace(outcome, status=Status.KEPT, reason="has this genre already", code="same genre")
        if self._journal is None:
            self._tags.check_writable(path, expected=tag.version, options=policy.write)
            return replace(outcome, status=Status.WOULD_TAG, after=after)

        if self._tags.read_genres(path) != tag:  # an edit may leave size and modification time as they were
            raise FileChangedError(
                path,
                "somebody else changed its tag meanwhile, it is left alone",
                code="changed",
                transient=True,
            )
        provenance = Provenance(prediction.model, decision.confidence) if policy.provenance else None
        entry = self._journal.intend(path, tag, after, model=prediction.model, confidence=decision.confidence)
        try:
            change = self._tags.write_genres(
                path, after, expected=tag.version, options=policy.write, provenance=provenance
            )
        except TrackError as exc:
            if not exc.worker_ended:  # else the entry stays open until the file is seen
                self._journal.failed(entry, exc.problem)
            raise
        outcome = replace(outcome, status=Status.TAGGED, after=change.after, change=change, entry=entry)
        with self._journal.transaction():
            self._journal.done(entry, change)
            self._tell(outcome)
        return outcome

    def _whole(self, path: Path) -> Outcome:
        candidate = self.consider(path)
        if isinstance(candidate, Outcome):
            return candidate
        prediction = self._classifier.predict(path)
        return self.apply(candidate, prediction, decide(prediction, candidate.policy.decision))

    def _listen_for_album(self, path: Path, heard: list[tuple[Candidate, Prediction]]) -> Outcome | None:
        candidate = self.consider(path)
        if isinstance(candidate, Outcome):
            return candidate
        heard.append((candidate, self._classifier.predict(path)))
        return None

    def _is_ours(self, path: Path, tag: GenreTag) -> bool:
        known = self._wrote(path, tag, self._tags.digest_audio) if self._wrote is not None else None
        # Who edits a genre may leave our fields beside it, so these only count where nothing is recorded.
        return tag.written_by_us if known is None else known

    @staticmethod
    def _attempt(path: Path, step: Callable[[], _Result]) -> _Result | Outcome:
        try:
            return step()
        except TrackError as exc:
            return _failed(path, exc)


def listen(path: Path, classifier: Classifier, policy_for: Callable[[Path], Policy]) -> Outcome:
    """Predict one track without looking at its tags; a `TrackError` becomes its outcome.

    `Outcome.after` holds the genres that would be decided on, and is empty when unsure.
    """
    started = time.perf_counter()
    try:
        policy = policy_for(path)
        prediction = classifier.predict(path)
    except TrackError as exc:
        return replace(_failed(path, exc), seconds=time.perf_counter() - started)
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


def _model_replaced(path: Path) -> TrackError:
    problem = "the model was replaced while its album was listened to, run again"
    return TrackError(path, problem, code="model replaced", transient=True)


def _why(abstention: Abstention) -> str:
    return f"{abstention.reason}: {abstention.detail}"


def _failed(path: Path, exc: TrackError) -> Outcome:
    status = Status.SKIPPED if isinstance(exc, WriteRefusedError) else Status.FAILED
    return Outcome(path, status, reason=exc.problem, code=exc.code, transient=exc.transient)


def _kept(path: Path, tag: GenreTag, reason: str, code: str) -> Outcome:
    return Outcome(path, Status.KEPT, reason=reason, code=code, before=tag.genres, after=tag.genres)
