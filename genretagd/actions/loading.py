"""Load a plugin's class and make it with its options; runs in the plugin's own process only."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from genretagd.actions.catalog import Origin, PluginSource, file_problem
from genretagd.actions.options import plugin_options
from genretagd.actions.plan import COMMON
from genretagd.api import API_VERSION
from genretagd.errors import ConfigError, PluginError

HANDLERS: Final = ("on_tagged", "on_unsure", "on_failed", "on_moved", "on_idle")


def load_plugin(source: PluginSource) -> type:
    """Return a plugin's class.

    Raises
    ------
    PluginError
        There is no plugin of this API version there, or its module cannot be imported.
    """
    if source.problem:
        raise PluginError(source.problem)
    try:
        kind = _from_file(source) if source.origin is not Origin.PACKAGE else _from_package(source)
    except PluginError:
        raise
    except BaseException as exc:  # a plugin's module may raise anything, SystemExit included
        raise PluginError(f"{source.name}: cannot be imported: {described(exc)}") from exc
    _check_kind(kind, source.name)
    return kind


def make_plugin(
    kind: type, *, name: str, options: Mapping[str, Any], where: str, environment: Mapping[str, str]
) -> Any:
    """Return a plugin made with its options.

    Raises
    ------
    ConfigError
        With every problem of the options.
    """
    problems: list[str] = []

    def problem(key: str, what: str) -> None:
        problems.append(f"{where}: actions.{name}.{key}: {what}")

    found = plugin_options(options, kind, environment=environment, problem=problem)
    if problems:
        raise ConfigError(problems)
    try:
        return kind(**found)
    except BaseException as exc:  # a plugin's __post_init__ may raise anything
        raise ConfigError([f"{where}: actions.{name}: {described(exc)}"]) from exc


def handlers_of(kind: type) -> tuple[str, ...]:
    """Return the kinds of event a plugin handles, such as ``("tagged", "idle")``."""
    return tuple(name.removeprefix("on_") for name in HANDLERS if callable(getattr(kind, name, None)))


def summary_of(kind: type) -> str:
    """Return the first line of what a plugin's author says about it; what dataclasses say is not that."""
    text = (kind.__doc__ or "").strip()
    return "" if text.startswith(f"{kind.__name__}(") else text.partition("\n")[0]


def described(exc: BaseException) -> str:
    """Return an exception in one line: our own by message, others with their type.

    What others say comes along only so far: a type alone would help nobody.
    """
    try:
        text = " ".join(str(exc).split())
    except BaseException:  # noqa: BLE001 - a plugin's exception may fail to say what it is
        text = ""
    if isinstance(exc, PluginError):
        return text
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _from_file(source: PluginSource) -> type:
    path = Path(source.location)
    if source.origin is Origin.DIRECTORY and (problem := file_problem(path)):
        raise PluginError(problem)
    module_name = f"genretagd_plugin_{source.name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path}: no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their annotations up there
    spec.loader.exec_module(module)
    return _only_plugin(module, path)


def _only_plugin(module: ModuleType, path: Path) -> type:
    found = [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and hasattr(kind, "on_tagged")
    ]
    if not found:
        raise PluginError(f"{path}: no class with a method on_tagged, a plugin has one")
    if len(found) > 1:
        names = ", ".join(kind.__name__ for kind in found)
        raise PluginError(f"{path}: more than one plugin ({names}), write each in a file of its own")
    return found[0]


def _from_package(source: PluginSource) -> type:
    module_name, _, attribute = source.location.partition(":")
    found: Any = importlib.import_module(module_name.strip())
    for part in filter(None, attribute.strip().split(".")):
        found = getattr(found, part)
    if not inspect.isclass(found):
        raise PluginError(f"{source.name}: entry point {source.location} is no class")
    return found


def _check_kind(kind: type, name: str) -> None:
    version = getattr(kind, "api_version", None)
    if version is None:
        raise PluginError(f'{name}: names no API version, write api_version = "{API_VERSION}" in the class')
    if not _speaks(str(version)):
        raise PluginError(
            f"{name}: written for plugin API {version}, this genretagd has {API_VERSION}, "
            "update the one or the other"
        )
    if not dataclasses.is_dataclass(kind):
        raise PluginError(f"{name}: {kind.__name__} is no dataclass, write @dataclass(frozen=True) above it")
    if not handlers_of(kind) or "tagged" not in handlers_of(kind):
        raise PluginError(f"{name}: {kind.__name__} has no method on_tagged")
    for handler in HANDLERS:
        _check_handler(kind, handler, name)
    taken = sorted({field.name for field in dataclasses.fields(kind) if field.init} & set(COMMON))
    if taken:
        raise PluginError(f"{name}: an option cannot be named {taken[0]}, every action has that one")


def _check_handler(kind: type, handler: str, name: str) -> None:
    method = getattr(kind, handler, None)
    if method is None:
        return
    try:
        inspect.signature(method).bind(None, None)
    except (TypeError, ValueError) as exc:
        raise PluginError(f"{name}: {handler} must take the event: def {handler}(self, event)") from exc


def _speaks(version: str) -> bool:
    ours_major, ours_minor = (int(part) for part in API_VERSION.split("."))
    major, _, minor = version.partition(".")
    if not major.isdecimal() or not (minor or "0").isdecimal():
        return False
    return int(major) == ours_major and int(minor or "0") <= ours_minor
