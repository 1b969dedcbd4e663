"""Which action plugins there are, found without running any of them.

A plugin is a file in a directory named by ``[plugins] directories``, a file that came with
genretagd, or an installed package's entry point; found in this order, so that what the user named
wins and no package replaces a shipped plugin unseen.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

import genretagd

ENTRY_POINTS: Final = "genretagd.actions"


class Origin(StrEnum):
    """Where a plugin comes from."""

    DIRECTORY = "directory"
    SHIPPED = "shipped"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Where to load a plugin from.

    Attributes
    ----------
    name : str
        What ``use`` names: a file's stem, or an entry point's name.
    origin : Origin
        Which kind of place it comes from.
    location : str
        The file, or an entry point as ``module:attribute``.
    problem : str or None
        Why it is refused, where it is.
    """

    name: str
    origin: Origin
    location: str
    problem: str | None = None


class Catalog:
    """All plugins that `use` can name.

    Parameters
    ----------
    directories : sequence of Path
        The directories named in the configuration.
    shipped : Path, optional
        The directory that came with genretagd, by default.
    """

    def __init__(self, directories: Sequence[Path] = (), *, shipped: Path | None = None) -> None:
        self._directories = tuple(directories)
        self._shipped = shipped or shipped_directory()

    def find(self, name: str) -> PluginSource | None:
        """Return the plugin of a name, or None; packages are looked through only where needed."""
        return self._files.get(name) or self._packages.get(name)

    def names(self) -> tuple[str, ...]:
        """Return the names of all plugins, sorted."""
        return tuple(sorted({*self._files, *self._packages}))

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the configured directories themselves."""
        return tuple(p for d in self._directories if (p := directory_problem(d)))

    @cached_property
    def _files(self) -> Mapping[str, PluginSource]:
        found: dict[str, PluginSource] = {}
        for directory in self._directories:
            problem = directory_problem(directory)
            for file in _plugin_files(directory):
                refused = problem or file_problem(file)
                source = PluginSource(file.stem, Origin.DIRECTORY, str(file), refused)
                found.setdefault(file.stem, source)
        for file in _plugin_files(self._shipped):
            found.setdefault(file.stem, PluginSource(file.stem, Origin.SHIPPED, str(file)))
        return found

    @cached_property
    def _packages(self) -> Mapping[str, PluginSource]:
        from importlib.metadata import entry_points  # noqa: PLC0415 - reads every package's metadata

        points = entry_points(group=ENTRY_POINTS)
        return {point.name: PluginSource(point.name, Origin.PACKAGE, point.value) for point in points}


def shipped_directory() -> Path:
    """Return the directory of the plugins that came with genretagd."""
    package = Path(genretagd.__file__).resolve().parent
    inside = package / "shipped_plugins"
    return inside if inside.is_dir() else package.parent / "plugins"


def directory_problem(directory: Path) -> str | None:
    """Return why no plugin is loaded from a directory, or None.

    Whoever may write a plugin, or rename one into its place, decides what we run. So the directory
    must belong to us or to root and be writable by nobody else, and nobody may exchange it: no
    directory above it is writable by everybody (unless, as in /tmp, names are kept by their owners).
    """
    try:
        found = directory.resolve(strict=True)
        if not found.is_dir():
            return f"{directory}: not a directory, [plugins] directories names directories"
        wrong = _writable_by_others(found)
        if wrong:
            return wrong
        for parent in found.parents:
            mode = parent.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return f"{parent}: everybody may write it, so plugins in {directory} are refused"
    except OSError as exc:
        return f"{directory}: cannot be read: {exc.strerror}"
    return None


def file_problem(file: Path) -> str | None:
    """Return why a plugin file is refused, or None; a link is judged by what it leads to."""
    try:
        found = file.resolve(strict=True)
        wrong = _writable_by_others(found)
        if not wrong and found.parent != file.parent.resolve():
            wrong = directory_problem(found.parent)
    except OSError as exc:
        return f"{file}: cannot be read: {exc.strerror}"
    return wrong


def _writable_by_others(path: Path) -> str | None:
    status = path.stat()
    if hasattr(os, "getuid") and status.st_uid not in (0, os.getuid()):
        return f"{path}: belongs to another user, plugins must be yours or root's"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f'{path}: others may write it, run "chmod go-w {path}" if it is to be trusted'
    return None


def _plugin_files(directory: Path) -> Iterable[Path]:
    try:
        files = sorted(directory.glob("*.py"))
    except OSError:
        return []
    return [file for file in files if not file.name.startswith(("_", "."))]
