"""Our frozen dataclasses as JSON and back: what worker processes, the ledger and plugins exchange."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin


def to_json(value: Any) -> Any:
    """Return a value of ours in terms of JSON: dataclasses as objects, tuples as lists.

    Paths become text as the file system encodes them (`os.fsdecode`): a name that is not text
    travels as surrogate escapes, which `json.dumps` writes as ASCII.

    Raises
    ------
    TypeError
        The value is of no kind that JSON or this module knows.
    """
    if value is None or isinstance(value, (bool, int, float, enum.Enum)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, (str, Path)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [to_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def from_json(kind: Any, value: Any) -> Any:
    """Return what `to_json` was given, which was of the annotated `kind`.

    Raises
    ------
    ValueError
        The value is not of that kind.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    try:
        if origin in (types.UnionType, typing.Union):
            inner = [a for a in arguments if a is not types.NoneType]
            return None if value is None else from_json(inner[0], value)
        if origin is tuple:
            return tuple(from_json(arguments[0], item) for item in value)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {str(key): from_json(arguments[1], item) for key, item in value.items()}
        if isinstance(kind, type):
            return _plain(kind, value)
    except (TypeError, AttributeError, KeyError) as exc:
        raise ValueError(f"not {kind}: {exc}") from exc
    return value


def _plain(kind: type, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_json(hints[name], item) for name, item in value.items() if name in hints})
    if kind is Path or issubclass(kind, enum.Enum):
        return kind(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if kind in (str, int, float, bool) and not isinstance(value, kind):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
