"""Find, read and check the configuration: command line beats environment beats file."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from genretagd.config.convert import (
    NotConvertible,
    convert,
    did_you_mean,
    option_types,
    parse_text,
    read_options,
)
from genretagd.config.locate import key_lines, line_of
from genretagd.config.schema import FOLDER_SECTIONS, SECTIONS, ActionConfig, Config, RootConfig
from genretagd.domain import unfit_genre
from genretagd.errors import ConfigError

CONFIG_VARIABLE = "GENRETAGD_CONFIG"
PREFIX = "GENRETAGD_"
NOT_OPTIONS: Final = frozenset({CONFIG_VARIABLE, "GENRETAGD_PLUGIN_STATE", "GENRETAGD_WORKER_STDERR"})
LONGEST_FILE: Final = 1 << 20


def find_config(explicit: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Return the configuration file to read: ``--config``, ``GENRETAGD_CONFIG``, the user's own.

    Raises
    ------
    ConfigError
        A file that was named is not there, or it cannot be told whether there is one.
    """
    for origin, named in (("--config", explicit), (CONFIG_VARIABLE, environment.get(CONFIG_VARIABLE))):
        if named:
            path = Path(os.path.expanduser(named))  # noqa: PTH111 - "~nobody" too
            if not _is_file(path):
                raise ConfigError([f"{path}: no such configuration file, check {origin}"])
            return path
    import platformdirs  # noqa: PLC0415 - only where no file was named

    try:
        path = Path(platformdirs.user_config_dir("genretagd")) / "config.toml"
    except RuntimeError:  # no home, so nothing in it
        return None
    return path if _is_file(path) else None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be looked at: {exc.strerror}"]) from exc


def load_config(
    explicit: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Return the configuration in force.

    Parameters
    ----------
    explicit : Path, optional
        The file named on the command line.
    environment : mapping, optional
        The environment; `os.environ` by default.
    overrides : mapping, optional
        Options set on the command line, by option name; None values are not set.

    Raises
    ------
    ConfigError
        With every problem of the file, the environment and the command line.
    """
    environment = os.environ if environment is None else environment
    path = find_config(explicit, environment)
    problems: list[str] = []
    config = _read(path, problems) if path else Config()
    config = _apply(config, _from_environment(environment, problems), "", problems)
    flags = {key: value for key, value in (overrides or {}).items() if value is not None}
    config = _apply(config, flags, "--", problems)
    if problems:
        raise ConfigError(problems)
    return config


def load_folder_config(path: Path, base: Config) -> Config:
    """Return `base` as a folder's own ``.genretagd.toml`` overrides it.

    Raises
    ------
    ConfigError
        With every problem of the file; only [decision], [tags] and [genres] may stand in it.
    """
    problems: list[str] = []
    config = _read(path, problems, base=base, sections=FOLDER_SECTIONS)
    if problems:
        raise ConfigError(problems)
    return dataclasses.replace(config, source=base.source)


def _read(
    path: Path,
    problems: list[str],
    *,
    base: Config | None = None,
    sections: Collection[str] = tuple(SECTIONS),
) -> Config:
    import tomli  # noqa: PLC0415 - only where there is a file

    config = base or Config(source=path)
    try:
        text = _text(path)
        document = tomli.loads(text)
    except RecursionError:
        problems.append(f"{path}: not a configuration: nested too deeply")
        return config
    except tomli.TOMLDecodeError as exc:
        problems.append(f"{path}: not valid TOML: {exc}")
        return config
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        problems.append(f"{path}:{line}: is not UTF-8 text, save it as UTF-8")
        return config
    except (OSError, ValueError) as exc:
        problems.append(f"{path}: cannot be read: {getattr(exc, 'strerror', None) or exc}")
        return config
    reader = _DocumentReader(path, text, problems, config, sections, with_tables=base is None)
    values = {
        name: value for name, table in document.items() if (value := reader.read(name, table)) is not None
    }
    return dataclasses.replace(config, **values)


def _text(path: Path) -> str:
    """Return the text of a configuration file, without waiting for a pipe or reading without end.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is no file of text, or too long for a configuration.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        found = file.read(LONGEST_FILE + 1)
    if len(found) > LONGEST_FILE:
        raise ValueError(f"longer than {LONGEST_FILE >> 20} MiB")
    return found.decode("utf-8-sig")


class _DocumentReader:
    """Reads one section of a TOML document at a time, and tells where its problems are."""

    def __init__(
        self,
        path: Path,
        text: str,
        problems: list[str],
        config: Config,
        sections: Collection[str],
        *,
        with_tables: bool,
    ) -> None:
        self._path = path
        self._lines = key_lines(text)
        self._problems = problems
        self._config = config
        self._sections = sections
        self._tables = {"roots": self._roots, "actions": self._actions} if with_tables else {}

    def read(self, name: str, table: Any) -> Any:
        """Return the value of the `Config` field of that name, or None where there is none."""
        if name in self._tables:
            if isinstance(table, list) and all(isinstance(item, Mapping) for item in table):
                return self._tables[name](table)
            return self._problem(name, what=f"must be an array of tables, written [[{name}]]")
        if name == "genres":
            if isinstance(table, Mapping):
                return {**self._config.genres, **self._genres(table)}
            return self._problem(name, what="must be a table, written [genres]")
        if name in self._sections:
            if isinstance(table, Mapping):
                return self._section(name, table)
            return self._problem(name, what=f"must be a table, written [{name}]")
        known = [*self._sections, "genres", *self._tables]
        return self._problem(name, what=f"unknown section{_owner(name) or did_you_mean(name, known)}")

    def _problem(self, *keys: str, what: str) -> None:
        self._problems.append(f"{self._at(*keys)}: {'.'.join(keys)}: {what}")

    def _at(self, *keys: str) -> str:
        line = line_of(self._lines, keys)
        return f"{self._path}:{line}" if line else str(self._path)

    def _options(self, table: Mapping[str, Any], kind: type, *keys: str) -> dict[str, Any]:
        return read_options(table, kind, lambda key, what: self._problem(*keys, key, what=what))

    def _section(self, name: str, table: Mapping[str, Any]) -> Any:
        found = self._options(table, SECTIONS[name], name)
        return dataclasses.replace(getattr(self._config, name), **found)

    def _genres(self, table: Mapping[str, Any]) -> dict[str, str]:
        names = {}
        for label, given in table.items():
            try:
                names[label] = convert(given, str)
            except NotConvertible as exc:
                self._problem("genres", label, what=str(exc))
            else:
                if wrong := unfit_name(given):
                    self._problem("genres", label, what=wrong)
        return names

    def _roots(self, tables: Sequence[Mapping[str, Any]]) -> tuple[RootConfig, ...]:
        roots = []
        for index, table in enumerate(tables):
            found = self._options(table, RootConfig, "roots", str(index))
            if "path" in found:
                roots.append(RootConfig(**found))
            elif "path" not in table:
                what = 'path is missing, write path = "/where/the/music/is"'
                self._problem("roots", str(index), what=what)
        return tuple(roots)

    def _actions(self, tables: Sequence[Mapping[str, Any]]) -> tuple[ActionConfig, ...]:
        actions = []
        for index, table in enumerate(tables):
            options = dict(table)
            use = options.pop("use", None)
            dated = [key for key, value in options.items() if _holds_time(value)]
            for key in dated:
                self._problem("actions", str(index), key, what="must be no date or time, write it as text")
            if dated:
                continue
            if isinstance(use, str) and use:
                actions.append(ActionConfig(use, options, self._at("actions", str(index))))
            else:
                self._problem("actions", str(index), what='use is missing, write use = "name of the plugin"')
        return tuple(actions)


def _holds_time(value: Any) -> bool:
    """Return whether an option of a plugin holds a TOML date or time, which no plugin can be handed."""
    if isinstance(value, Mapping):
        return any(map(_holds_time, value.values()))
    if isinstance(value, list):
        return any(map(_holds_time, value))
    return isinstance(value, (dt.date, dt.time))


def _owner(option_name: str) -> str:
    section = option_section(option_name)
    return f", this option belongs into [{section}]" if section else ""


def unfit_name(name: str) -> str | None:
    """Return what is wrong with the name for a label, or None; the empty one is for what is never written."""
    return unfit_genre(name) if name else None


def option_section(name: str) -> str | None:
    """Return the section that an option belongs to, or None for an unknown option."""
    return next((section for section, kind in SECTIONS.items() if name in option_types(kind)), None)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for section in SECTIONS.values():
        for name, annotation in option_types(section).items():
            variable = PREFIX + name.upper()
            if variable not in environment:
                continue
            try:
                values[name] = parse_text(environment[variable], annotation)
            except NotConvertible as exc:
                problems.append(f"{variable}: {exc}")
    return values


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that are called like ours and set nothing, as that of a misspelt option does."""
    known = {PREFIX + name.upper() for kind in SECTIONS.values() for name in option_types(kind)}
    return sorted(name for name in environment.keys() - known - NOT_OPTIONS if name.startswith(PREFIX))


def _apply(config: Config, values: Mapping[str, Any], prefix: str, problems: list[str]) -> Config:
    tables: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section = option_section(name)
        if section is None:
            raise KeyError(name)
        tables.setdefault(section, {})[name] = value
    for section, table in tables.items():

        def problem(key: str, what: str) -> None:
            shown = prefix + key.replace("_", "-") if prefix else PREFIX + key.upper()
            problems.append(f"{shown}: {what}")

        found = read_options(table, SECTIONS[section], problem)
        changed = dataclasses.replace(cast("Any", getattr(config, section)), **found)
        config = dataclasses.replace(config, **{section: changed})
    return config
