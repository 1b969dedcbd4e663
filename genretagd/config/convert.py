"""From TOML values and environment text to a dataclass of options, with every problem named.

The same door serves the configuration file, the environment and the options of action plugins.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

Check = Callable[[Any], str | None]
"""Return what is wrong with a value of the right type, or None."""


class NotConvertible(ValueError):  # noqa: N818 - a signal between functions of this module and its callers
    """A value cannot become what its annotation asks for; the message says what was expected."""


def option(default: Any, help: str, *, check: Check | None = None) -> Any:  # noqa: A002 - the field's word
    """Declare one option of a configuration dataclass: its default, its meaning, its check."""
    return dataclasses.field(default=default, metadata={"help": help, "check": check})


def between(low: float, high: float = math.inf) -> Check:
    """Return a check for low <= value <= high; None passes."""

    def check(value: float | None) -> str | None:
        if value is None or low <= value <= high:
            return None
        return f"must be at least {low:g}" if high == math.inf else f"must be between {low:g} and {high:g}"

    return check


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean "x"?)`` where a known word is near, and nothing where none is."""
    names = {k.casefold(): k for k in known}
    near = difflib.get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    return f' (did you mean "{names[near[0]]}"?)' if near else ""


def convert(value: Any, annotation: Any) -> Any:
    """Return a TOML value as the annotated type.

    Knows bool, int, float (an int is fine), str, Path (``~`` is expanded), Literal, ``X | None``,
    ``tuple[X, ...]`` and ``Mapping[str, X]``.

    Raises
    ------
    NotConvertible
        With what was expected and what was found.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        inner = [a for a in arguments if a is not types.NoneType]
        if value is None:
            return None
        return convert(value, inner[0])
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(f'"{a}"' for a in arguments)
            raise NotConvertible(f"must be one of {choices}, not {_shown(value)}{_near(value, arguments)}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise NotConvertible(f"must be a list, not {_shown(value)}")
        return tuple(convert(item, arguments[0]) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise NotConvertible(f"must be a table, not {_shown(value)}")
        return {str(key): convert(item, arguments[1]) for key, item in value.items()}
    return _scalar(value, annotation)


def _scalar(value: Any, annotation: Any) -> Any:
    if annotation is Any or annotation is object:
        return value
    if annotation is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise NotConvertible(f"must be a finite number, not {value}")
        return float(value)
    if annotation is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if annotation is bool and isinstance(value, bool):
        return value
    if annotation is str and isinstance(value, str):
        return value
    if annotation is Path and isinstance(value, (str, Path)) and str(value):
        try:
            return Path(value).expanduser()
        except RuntimeError as exc:
            raise NotConvertible(f"{_shown(value)} names the home of nobody here") from exc
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
    raise NotConvertible(f"must be {names.get(annotation, annotation)}, not {_shown(value)}")


def parse_text(text: str, annotation: Any) -> Any:
    """Return text from the environment as the annotated type; lists are separated by commas.

    Raises
    ------
    NotConvertible
        With what was expected and what was found.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        inner = [a for a in arguments if a is not types.NoneType]
        return parse_text(text, inner[0]) if text else None
    if origin is tuple:
        return tuple(parse_text(part.strip(), arguments[0]) for part in text.split(",") if part.strip())
    if annotation is bool:
        if text.casefold() in ("1", "true", "yes", "on"):
            return True
        if text.casefold() in ("0", "false", "no", "off"):
            return False
        raise NotConvertible(f"must be true or false, not {_shown(text)}")
    if annotation in (int, float):
        try:
            return convert(annotation(text), annotation)
        except ValueError as exc:
            kind = "a whole number" if annotation is int else "a number"
            raise NotConvertible(f"must be {kind}, not {_shown(text)}") from exc
    return convert(text, annotation)


def option_types(kind: type) -> dict[str, Any]:
    """Return the evaluated annotation of every field of a dataclass, by name."""
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.init}


def read_options(table: Mapping[str, Any], kind: type, problem: Callable[[str, str], None]) -> dict[str, Any]:
    """Return the options that a table sets for a dataclass, converted and checked.

    Parameters
    ----------
    table : mapping
        The TOML table.
    kind : type
        The dataclass that declares the options.
    problem : callable
        Told the key and what is wrong with it, for each problem; the option is left out then.
    """
    known = option_types(kind)
    checks = {f.name: f.metadata.get("check") for f in dataclasses.fields(kind)}
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            problem(key, f"unknown option{did_you_mean(key, known)}")
            continue
        try:
            converted = convert(value, known[key])
        except NotConvertible as exc:
            problem(key, str(exc))
            continue
        check = checks[key]
        wrong = check(converted) if check else None
        if wrong:
            problem(key, f"{wrong}, not {_shown(value)}")
        else:
            found[key] = converted
    return found


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)


def _near(value: Any, choices: tuple[Any, ...]) -> str:
    return did_you_mean(value, [str(c) for c in choices]) if isinstance(value, str) else ""
