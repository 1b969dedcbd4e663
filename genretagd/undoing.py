"""Taking changes back: beside the pipeline, and journalled like it, so that an undo can be undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from genretagd.domain import FileVersion, GenreTag, Outcome, Status, TagChange, WriteOptions
from genretagd.errors import TrackError, WriteRefusedError
from genretagd.ledger.journal import Change, Journal
from genretagd.policy import Policy


class RestoringStore(Protocol):
    """The part of a tag store that undo needs."""

    def read_genres(self, path: Path, /) -> GenreTag:
        """See `TagStore.read_genres`."""

    def restore_fields(
        self,
        path: Path,
        fields: Mapping[str, tuple[str, ...]],
        /,
        *,
        expected: FileVersion,
        options: WriteOptions,
    ) -> TagChange:
        """Put back the fields that a reading held."""


@dataclass(frozen=True, slots=True)
class Step:
    """What undo would do to one track: go back to before `first`, if it still is as `last` left it.

    `conflict` says why it must not; None where it may.
    """

    path: Path
    first: Change
    last: Change
    conflict: str | None = None


def plan(journal: Journal, selected: Iterable[Change]) -> Iterator[Step]:
    """Yield a step for each track among the selected changes.

    Several changes of one track are taken back in one step. A change that a later one, which is
    not selected, has built upon is a conflict.
    """
    by_path: dict[Path, list[Change]] = {}
    for change in selected:
        by_path.setdefault(change.path, []).append(change)
    for path, changes in by_path.items():
        latest = journal.latest(path)
        first, last = changes[0], changes[-1]
        conflict = None
        if latest is not None and latest.id != last.id:
            conflict = (
                "was undone already" if latest.undoes == first.id else f"was changed again by {latest.run}"
            )
        yield Step(path, first, last, conflict)


def undo(
    step: Step,
    store: RestoringStore,
    journal: Journal | None,
    policy_for: Callable[[Path], Policy],
    *,
    tell: Callable[[Outcome], None] = lambda _outcome: None,
) -> Outcome:
    """Take the changes of one track back; a `TrackError` becomes its outcome.

    Parameters
    ----------
    step : Step
        What to do.
    store : RestoringStore
        Reads and writes the tags.
    journal : Journal or None
        Told before and after; None is a dry run, which stops before the write.
    policy_for : callable
        The policy in force for a path (folders may have their own), which says how it is written;
        the modification time is kept where the change kept it.
    tell : callable
        Told of a track that was written, inside the journal's transaction that records it.
    """
    try:
        return _undo(step, store, journal, policy_for, tell)
    except TrackError as exc:
        status = Status.SKIPPED if isinstance(exc, WriteRefusedError) or exc.code == "gone" else Status.FAILED
        return Outcome(step.path, status, reason=exc.problem, code=exc.code, transient=exc.transient)


def _undo(
    step: Step,
    store: RestoringStore,
    journal: Journal | None,
    policy_for: Callable[[Path], Policy],
    tell: Callable[[Outcome], None],
) -> Outcome:
    path, first, last = step.path, step.first, step.last
    if step.conflict:
        return Outcome(path, Status.SKIPPED, reason=step.conflict, code="conflict")
    options = policy_for(path).write
    tag = store.read_genres(path)
    outcome = Outcome(path, Status.TAGGED, before=tag.genres, after=first.genres_before)
    if tag.genres != last.genres_after:
        found = ", ".join(tag.genres) or "no genre"
        reason = f"was changed since by somebody else (now {found}), it is left alone"
        return dataclasses.replace(
            outcome, status=Status.SKIPPED, after=tag.genres, reason=reason, code="changed since"
        )
    if tag.genres == first.genres_before and tag.fields == first.fields_before:
        reason = "is as it was already"
        return dataclasses.replace(outcome, status=Status.KEPT, reason=reason, code="same genre")
    if journal is None:
        return dataclasses.replace(outcome, status=Status.WOULD_TAG)
    if last.kept_mtime:
        options = dataclasses.replace(options, mtime="keep")
    entry = journal.intend(
        path, tag, first.genres_before, model=first.model, confidence=first.confidence, undoes=first.id
    )
    try:
        change = store.restore_fields(path, first.fields_before, expected=tag.version, options=options)
    except TrackError as exc:
        if not exc.worker_ended:  # else the entry stays open until the file is seen
            journal.failed(entry, exc.problem)
        raise
    outcome = dataclasses.replace(outcome, after=change.after, change=change)
    with journal.transaction():
        journal.done(entry, change)
        tell(outcome)
    return outcome
