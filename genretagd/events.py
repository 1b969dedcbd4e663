"""What happens to tracks, as told to action plugins.

Every event carries a key that stays the same however often it is delivered.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from genretagd.domain import Outcome, Prediction, Status


@dataclass(frozen=True, slots=True)
class TrackTagged:
    """A genre was written into a track's tags, or an undo put back what had been there.

    Attributes
    ----------
    key : str
        Idempotency key: the same at every delivery of this event, another for any other event.
    at : datetime
        When it happened, in UTC.
    path : Path
        The track, where it is now.
    before, after : tuple of str
        The genres on both sides of the write; none after the undo of a first genre.
    confidence : float or None
        Confidence in [0, 1] in the first genre; None after an undo.
    prediction : Prediction or None
        What the model said; None where nothing was predicted: after an undo, or a recovered crash.
    undo : bool
        Whether this is an undo.
    """

    kind: ClassVar[str] = "tagged"
    key: str
    at: datetime
    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    confidence: float | None = None
    prediction: Prediction | None = None
    undo: bool = False


@dataclass(frozen=True, slots=True)
class TrackUnsure:
    """A track was listened to and left alone, because nothing could be decided about it.

    Attributes
    ----------
    key, at, path, before, confidence, prediction
        As in `TrackTagged`.
    reason : str
        Why, in words a person understands.
    """

    kind: ClassVar[str] = "unsure"
    key: str
    at: datetime
    path: Path
    before: tuple[str, ...]
    reason: str
    confidence: float | None = None
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True)
class TrackFailed:
    """A track could not be processed; the file is as it was.

    Attributes
    ----------
    key, at, path
        As in `TrackTagged`.
    reason : str
        What went wrong, in words a person understands.
    code : str
        A short stable word for it, such as ``"corrupt"``.
    transient : bool
        Whether it will be tried again later.
    """

    kind: ClassVar[str] = "failed"
    key: str
    at: datetime
    path: Path
    reason: str
    code: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class TrackMoved:
    """An action plugin moved a track.

    Attributes
    ----------
    key, at
        As in `TrackTagged`.
    path : Path
        Where the track is now.
    moved_from : Path
        Where it was.
    """

    kind: ClassVar[str] = "moved"
    key: str
    at: datetime
    path: Path
    moved_from: Path


@dataclass(frozen=True, slots=True)
class Idle:
    """Everything there was to do is done: the moment to tell a server once instead of a thousand times."""

    kind: ClassVar[str] = "idle"
    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """What a plugin returns from a handler when it moved the event's track.

    Attributes
    ----------
    to : Path
        Where the track is now.
    """

    to: Path


TrackEvent = TrackTagged | TrackUnsure | TrackFailed | TrackMoved
Event = TrackEvent | Idle


def event_of(outcome: Outcome, *, at: datetime, undo: bool = False) -> TrackEvent | None:
    """Return the event that tells an outcome (of an `undo`), or None for one that plugins are not told.

    The key of a tagged track is made of the journal's entry, so that telling it again after a crash
    is the same event, and of the file version, which tells the entries of several ledgers apart.
    The version alone would not do: a rewrite in place that keeps the time can bring one back.
    """
    match outcome.status:
        case Status.TAGGED:
            version = outcome.change.version_after if outcome.change else at
            return TrackTagged(
                key=event_key(TrackTagged.kind, outcome.path, version, outcome.entry, *outcome.after),
                at=at,
                path=outcome.path,
                before=outcome.before,
                after=outcome.after,
                confidence=outcome.confidence,
                prediction=outcome.prediction,
                undo=undo,
            )
        case Status.UNSURE:
            return TrackUnsure(
                key=event_key(TrackUnsure.kind, outcome.path, at),
                at=at,
                path=outcome.path,
                before=outcome.before,
                reason=outcome.reason or "not sure",
                confidence=outcome.confidence,
                prediction=outcome.prediction,
            )
        case Status.FAILED:
            return TrackFailed(
                key=event_key(TrackFailed.kind, outcome.path, at),
                at=at,
                path=outcome.path,
                reason=outcome.reason or "failed",
                code=outcome.code or "failed",
                transient=outcome.transient,
            )
        case _:
            return None


def moved_event(moved_from: Path, to: Path, *, cause: str, at: datetime) -> TrackMoved:
    """Return the event for a move that the event with the key `cause` led to."""
    key = event_key(TrackMoved.kind, to, cause, moved_from)
    return TrackMoved(key=key, at=at, path=to, moved_from=moved_from)


def idle_event(*, at: datetime) -> Idle:
    """Return the event that says that the queue is drained."""
    return Idle(key=event_key(Idle.kind, at), at=at)


def relocated(event: Event, path: Path) -> Event:
    """Return an event whose track has meanwhile been moved to `path`."""
    return event if isinstance(event, Idle) else replace(event, path=path)


def event_key(*parts: object) -> str:
    """Return a key of 32 hexadecimal digits that is the same for the same parts."""
    digest = hashlib.sha256()
    for part in parts:
        text = os.fsencode(part) if isinstance(part, Path) else str(part).encode("utf-8", "replace")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:32]
