"""What happens to tracks, as told to action plugins: frozen dataclasses, and JSON both ways.

An event crosses process borders and outlives the process that told it, so its JSON form carries a
version, and every event carries a key that stays the same however often it is delivered. A path
is text in JSON; a file name that is not valid UTF-8 also travels as the Base64 of its bytes
(``path_base64``), which wins when the event is read back.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from genretagd.domain import Outcome, Prediction, Status

EVENT_VERSION: Final = 1
"""Version of the JSON form; a reader refuses a newer one."""


@dataclass(frozen=True, slots=True)
class TrackTagged:
    """A genre was written into a track's tags.

    Attributes
    ----------
    key : str
        Idempotency key: the same at every delivery of this event, another for any other event.
    at : datetime
        When it happened, in UTC.
    path : Path
        The track, where it is now.
    before, after : tuple of str
        The genres on both sides of the write.
    confidence : float or None
        Confidence in [0, 1] in the first genre; None where nothing was predicted (an undo).
    prediction : Prediction or None
        What the model said; None where nothing was predicted (an undo).
    """

    kind: ClassVar[str] = "tagged"
    key: str
    at: datetime
    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    confidence: float | None = None
    prediction: Prediction | None = None


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

KINDS: Final[Mapping[str, type[Event]]] = {
    kind.kind: kind for kind in (TrackTagged, TrackUnsure, TrackFailed, TrackMoved, Idle)
}


def event_of(outcome: Outcome, *, at: datetime) -> TrackEvent | None:
    """Return the event that tells an outcome, or None for one that plugins are not told.

    The key of a tagged track is made of the file version that was written, so that telling it
    again after a crash is the same event.
    """
    match outcome.status:
        case Status.TAGGED:
            version = outcome.change.version_after if outcome.change else at
            return TrackTagged(
                key=event_key(TrackTagged.kind, outcome.path, version, *outcome.after),
                at=at,
                path=outcome.path,
                before=outcome.before,
                after=outcome.after,
                confidence=outcome.confidence,
                prediction=outcome.prediction,
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


def event_to_json(event: Event) -> dict[str, Any]:
    """Return an event as an object of plain JSON values, all of its text valid Unicode."""
    found: dict[str, Any] = {"version": EVENT_VERSION, "kind": event.kind}
    for name in event.__dataclass_fields__:
        if name == "kind":
            continue
        value = getattr(event, name)
        if isinstance(value, Path):
            found.update(_path_to_json(name, value))
        elif isinstance(value, datetime):
            found[name] = value.astimezone(UTC).isoformat(timespec="microseconds")
        elif isinstance(value, Prediction):
            found[name] = _prediction_to_json(value)
        elif isinstance(value, tuple):
            found[name] = [_printable(item) for item in value]
        else:
            found[name] = _printable(value) if isinstance(value, str) else value
    return found


def event_to_text(event: Event) -> str:
    """Return an event as one line of ASCII JSON."""
    return json.dumps(event_to_json(event), separators=(",", ":"), allow_nan=False)


def event_from_json(found: Any) -> Event:
    """Return the event that `event_to_json` made an object of.

    Raises
    ------
    ValueError
        It is no event, or one of a newer version.
    """
    if not isinstance(found, Mapping):
        raise ValueError("event: must be a JSON object")  # noqa: TRY004 - one exception for all that is wrong
    version = found.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= EVENT_VERSION:
        raise ValueError(f"event: version {version!r} is not known, this genretagd reads {EVENT_VERSION}")
    kind = KINDS.get(str(found.get("kind")))
    if kind is None:
        raise ValueError(f"event: kind must be one of {', '.join(KINDS)}, not {found.get('kind')!r}")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, field in kind.__dataclass_fields__.items():
        if name == "kind" or (name not in found and field.default is not MISSING):
            continue
        if name not in found and name + "_base64" not in found:
            raise ValueError(f"event: {name} is missing")
        try:
            values[name] = _from_json(found, name, hints[name])
        except (TypeError, ValueError, KeyError, AttributeError) as exc:
            raise ValueError(f"event: {name}: {exc}") from exc
    return kind(**values)


def event_from_text(text: str) -> Event:
    """Return the event in a JSON text.

    Raises
    ------
    ValueError
        The text is no JSON, or no event.
    """
    try:
        return event_from_json(json.loads(text))
    except json.JSONDecodeError as exc:
        raise ValueError(f"event: not valid JSON: {exc}") from exc


def _from_json(found: Mapping[str, Any], name: str, annotation: Any) -> Any:
    value = found.get(name)
    if annotation is Path:
        return _path_from_json(found, name)
    if annotation is datetime:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
        if at.tzinfo is None:
            raise ValueError("must carry its offset from UTC")
        return at.astimezone(UTC)
    if annotation == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError("must be a list of texts")
        return tuple(value)
    if annotation == Prediction | None:
        return None if value is None else _prediction_from_json(value)
    if annotation == float | None:
        return None if value is None else _number(value)
    if not isinstance(value, annotation):
        raise TypeError(f"must be of type {annotation.__name__}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("must be a number")
    return float(value)


def _printable(text: str) -> str:
    """Return text without lone surrogates, which strict readers of JSON refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _path_to_json(name: str, path: Path) -> Iterable[tuple[str, str]]:
    text = os.fspath(path)
    yield name, os.fsencode(text).decode("utf-8", "replace")
    if _printable(text) != text:
        yield name + "_base64", base64.b64encode(os.fsencode(text)).decode("ascii")


def _path_from_json(found: Mapping[str, Any], name: str) -> Path:
    encoded, text = found.get(name + "_base64"), found.get(name)
    if encoded is not None:
        return Path(os.fsdecode(base64.b64decode(encoded, validate=True)))
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError("must be the path of a file")
    return Path(text)


def _prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    return {
        "probabilities": {_printable(label): value for label, value in prediction.ranked()},
        "outside": prediction.outside,
        "seconds": prediction.seconds,
        "peak_dbfs": prediction.peak_dbfs if math.isfinite(prediction.peak_dbfs) else None,
        "model": _printable(prediction.model),
        "min_confidence": prediction.min_confidence,
    }


def _prediction_from_json(found: Mapping[str, Any]) -> Prediction:
    peak = found["peak_dbfs"]
    return Prediction(
        probabilities={str(label): _number(value) for label, value in found["probabilities"].items()},
        outside=_number(found["outside"]),
        seconds=_number(found["seconds"]),
        peak_dbfs=-math.inf if peak is None else _number(peak),
        model=str(found["model"]),
        min_confidence=_number(found["min_confidence"]),
    )
