"""Taking changes back: beside the pipeline, and journalled like it, so that an undo can be undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from genretagd.domain import FileVersion, GenreTag, Outcome, Status, TagChange, WriteOptions
from genretagd.errors import TrackError, WriteRefusedError
from genretagd.ledger.change import Change
from genretagd.ledger.journal import Journal
from genretagd.policy import Policy

Fields = Mapping[str, tuple[str, ...]]
"""See `GenreTag.fields`."""


class RestoringStore(Protocol):
    """The part of a tag store that undo needs."""

    def read_genres(self, path: Path, /) -> GenreTag:
        """See `TagStore.read_genres`."""

    def digest_audio(self, path: Path, /, *, expected: FileVersion) -> str | None:
        """See `TagStore.digest_audio`."""

    def check_writable(self, path: Path, /, *, expected: FileVersion, options: WriteOptions) -> None:
        """See `TagStore.check_writable`."""

    def restore_fields(
        self,
        path: Path,
        fields: Fields,
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

    Several changes of one track are taken back in one step, as far as nobody else changed its genres
    in between; else those come back. A track that is not as any of the selected changes left it is a
    conflict: they were undone already, or one that is not selected has built upon them.
    """
    by_path: dict[Path, dict[int, Change]] = {}
    for change in selected:
        by_path.setdefault(change.path, {})[change.id] = change
    for path, chosen in by_path.items():
        last = next((change for change in journal.standing(path) if change.id in chosen), None)
        if last is None:
            newest = chosen[max(chosen)]
            yield Step(path, newest, newest, _obstacle(journal, path, chosen))
            continue
        first = last
        while (earlier := _built_upon(journal, first, chosen)) is not None:
            first = earlier
        yield Step(path, first, last)


def _built_upon(journal: Journal, change: Change, chosen: Container[int]) -> Change | None:
    """Return the chosen change whose result a change found, with nothing of somebody else in between."""
    for earlier in journal.standing(change.path, before=change.id):
        if earlier.genres_after != change.genres_before or not earlier.same_audio(change):
            return None
        if earlier.id in chosen:
            changed = _changed_beside(earlier.fields_after or {}, change.fields_before)
            return None if changed else earlier
    return None


def _obstacle(journal: Journal, path: Path, chosen: Container[int]) -> str:
    """Return why a track is not as any of the chosen changes left it."""
    run = None
    entry = journal.latest(path)
    while entry is not None:
        if entry.id in chosen:
            return f"was changed again by {run}" if run else "was changed since by somebody else"
        if entry.undoes is None:
            run = run or entry.run
        entry = journal.latest(path, before=entry.undoes or entry.id)
    return "was undone already"


def _changed_beside(left: Fields, found: Fields) -> list[str]:
    """Return the kinds of the tags beside the main one that are not as they were left."""
    kinds = dict.fromkeys(name[1:] for name in (*left, *found) if name.startswith("_"))
    return [kind for kind in kinds if _beside(kind, left) != _beside(kind, found)]


def _beside(kind: str, fields: Fields) -> Fields:
    return {name: values for name, values in fields.items() if name.startswith(f"{kind}:")}


def undo(
    step: Step,
    store: RestoringStore,
    journal: Journal | None,
    policy_for: Callable[[Path], Policy],
    *,
    tell: Callable[[Outcome], None] = lambda _outcome: None,
) -> Outcome:
    """Take the changes of one track back; a `TrackError` becomes its outcome.

    A tag beside the main one that somebody changed since keeps what it has.

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
    if changed := _changed(last, tag, store):
        reason, code = changed
        return dataclasses.replace(
            outcome, status=Status.SKIPPED, after=tag.genres, reason=f"{reason}, it is left alone", code=code
        )
    if tag.genres == first.genres_before and tag.fields == first.fields_before:
        reason = "is as it was already"
        return dataclasses.replace(outcome, status=Status.KEPT, reason=reason, code="same genre")
    theirs = [kind for kind in _changed_beside(last.fields_after or {}, tag.fields) if kind != tag.format]
    fields = dict(first.fields_before)
    for kind in theirs:
        fields.pop(f"_{kind}", None)  # a tag beside the main one without it is left alone
    kept = [kind for kind in theirs if _beside(kind, tag.fields) != _beside(kind, first.fields_before)]
    if kept:
        reason = f"changed since by somebody else, left alone: {', '.join(kept)}"
        outcome = dataclasses.replace(outcome, reason=reason)
    if journal is None:
        store.check_writable(path, expected=tag.version, options=options)
        return dataclasses.replace(outcome, status=Status.WOULD_TAG)
    if last.kept_mtime:
        options = dataclasses.replace(options, mtime="keep")
    entry = journal.intend(
        path, tag, first.genres_before, model=first.model, confidence=first.confidence, undoes=first.id
    )
    try:
        change = store.restore_fields(path, fields, expected=tag.version, options=options)
    except TrackError as exc:
        if not exc.worker_ended:  # else the entry stays open until the file is seen
            journal.failed(entry, exc.problem)
        raise
    outcome = dataclasses.replace(outcome, after=change.after, change=change, entry=entry)
    with journal.transaction():
        journal.done(entry, change)
        tell(outcome)
    return outcome


def _changed(last: Change, tag: GenreTag, store: RestoringStore) -> tuple[str, str] | None:
    """Return how a file is not what a change left, and the code of that; None where it is."""
    if tag.genres != last.genres_after:
        found = ", ".join(tag.genres) or "no genre"
        return f"was changed since by somebody else (now {found})", "changed since"
    if not last.is_about(tag, store.digest_audio):
        how = "another recording took its place, or a program changed it, as mp3gain does"
        return f"its audio is not that which was tagged ({how}; see --any-audio)", "other audio"
    return None
