"""The options of a plugin: from the [[actions]] table to the fields of its dataclass."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from genretagd.config import NotConvertible, convert, read_options
from genretagd.config.convert import option_types
from genretagd.plugin_tools import Secret, read_secret

Problem = Callable[[str, str], None]


def plugin_options(
    table: Mapping[str, Any], kind: type, *, environment: Mapping[str, str], problem: Problem
) -> dict[str, Any]:
    """Return what to make a plugin of.

    Parameters
    ----------
    table : mapping
        The options as written in the configuration.
    kind : type
        The plugin's dataclass.
    environment : mapping
        Where secrets written as ``env:NAME`` are read.
    problem : callable
        Told the option and what is wrong with it, for each problem.
    """
    known = option_types(kind)
    secret = {name: value for name, value in table.items() if _holds_secret(known.get(name))}
    plain = {name: value for name, value in table.items() if name not in secret}
    found = read_options(plain, kind, problem)
    for name, value in found.items():
        for path in _relative_paths(value):  # a plugin's process runs in no directory of the user's
            problem(name, f'must be a whole path, or begin with ~, not "{path}"')
    for name, value in secret.items():
        try:
            found[name] = _secret(value, known[name], environment)
        except ValueError as exc:
            problem(name, str(exc))
    for field in dataclasses.fields(kind):
        if field.init and _is_required(field) and field.name not in table:
            shown = describe_type(known[field.name])
            problem(field.name, f"is missing, write {field.name} = ... ({shown})")
    return found


def describe_options(kind: type) -> dict[str, str]:
    """Return each option of a plugin with its type and default, in words."""
    known = option_types(kind)
    return {
        field.name: describe_type(known[field.name]) + _default(field)
        for field in dataclasses.fields(kind)
        if field.init
    }


def describe_type(annotation: Any) -> str:
    """Return an annotation in the words of a configuration file."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        inner = [a for a in arguments if a is not types.NoneType]
        return describe_type(inner[0])
    if origin is typing.Literal:
        return " or ".join(f'"{choice}"' for choice in arguments)
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {describe_type(arguments[1])}"
    words = {bool: "true or false", int: "whole number", float: "number", str: "text", Secret: "secret"}
    return words.get(annotation, str(getattr(annotation, "__name__", annotation)).lower())


def _default(field: dataclasses.Field[Any]) -> str:
    if _is_required(field):
        return ", required"
    if field.default is dataclasses.MISSING or field.default in (None, (), ""):
        return ""
    return f", default {json.dumps(field.default, default=str)}"


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _relative_paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path) and not value.is_absolute():
        yield value
    elif isinstance(value, (tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _relative_paths(item)


def _holds_secret(annotation: Any) -> bool:
    return annotation is Secret or any(_holds_secret(inner) for inner in get_args(annotation))


def _secret(value: Any, annotation: Any, environment: Mapping[str, str]) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError('must be a list of "env:NAME" or "file:/path"')
        return tuple(_secret(item, arguments[0], environment) for item in value)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError('must be a table of "env:NAME" or "file:/path"')
        return {str(key): _secret(item, arguments[1], environment) for key, item in value.items()}
    try:
        text = convert(value, str)
    except NotConvertible:
        raise ValueError('must be "env:NAME" or "file:/path"') from None
    return read_secret(text, environment)
