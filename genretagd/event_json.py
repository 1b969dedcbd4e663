"""Events as JSON and back: what the outbox keeps, plugins are told, and `jsonl_log` writes.

An event crosses process borders and outlives the process that told it, so its JSON form carries a
version. A path is text in JSON; a file name that is not valid UTF-8 also travels as the Base64 of
its bytes (``path_base64``), which wins when the event is read back.
"""

from __future__ import annotations

import base64
import json
import math
import os
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from genretagd.domain import Prediction
from genretagd.events import Event, Idle, TrackFailed, TrackMoved, TrackTagged, TrackUnsure

EVENT_VERSION: Final = 1
"""Version of the JSON form; a reader refuses a newer one."""

KINDS: Final[Mapping[str, type[Event]]] = {
    kind.kind: kind for kind in (TrackTagged, TrackUnsure, TrackFailed, TrackMoved, Idle)
}


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
