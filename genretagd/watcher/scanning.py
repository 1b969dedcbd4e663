"""List the audio files of a tree, directory by directory, without ever going round in circles."""

# Paths are plain strings here: a Path per file costs more than looking at the file.
# ruff: noqa: PTH116, PTH119

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from genretagd.domain import FileVersion
from genretagd.settling import Look
from genretagd.watcher.ignoring import MARKERS, IgnoreRules, is_audio_name, is_directory_name

AWAY: Final = frozenset(
    {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT,
     errno.ENODEV, errno.ENXIO, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNRESET}
)  # fmt: skip
"""What a share answers whose server is away: nothing can be concluded about its files."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in one directory.

    Attributes
    ----------
    directory : str
        Its path.
    identity : tuple of int
        Its device and inode.
    mtime_ns : int
        When entries last came or went, in nanoseconds since the epoch, taken before listing.
    files : tuple of (str, Look)
        The audio files that are looked at, by path.
    """

    directory: str
    identity: tuple[int, int]
    mtime_ns: int
    files: tuple[tuple[str, Look], ...]


@dataclass(slots=True)
class Walk:
    """One pass over a tree, and what it could not see.

    Parameters
    ----------
    rules : IgnoreRules
        What is looked at.
    follow : bool
        Whether symbolic links are followed. Each directory is listed once, whatever links lead
        to it, so a cycle ends.
    on_skip : callable
        Told (path, reason) for a directory that cannot be listed.
    on_odd : callable
        Told the path of what has the name of an audio file and is no file (a pipe, a socket).

    Attributes
    ----------
    unreadable : int
        Directories that could not be listed; a pass with any must not conclude that files are gone.
    """

    rules: IgnoreRules
    follow: bool = False
    on_skip: Callable[[str, str], None] = lambda _path, _reason: None
    on_odd: Callable[[str], None] = lambda _path: None
    unreadable: int = 0
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def below(
        self, directory: str, *, enter: Callable[[str], bool] = lambda _directory: True
    ) -> Iterator[Listing]:
        """List a directory and all below it, where the rules, and `enter`, let us in.

        Raises
        ------
        OSError
            `directory` itself cannot be listed, or the share is away.
        """
        first = True
        pending = [directory]
        while pending:
            current = pending.pop()
            if self.rules.enter(current) is None:
                first = False
                continue
            try:
                listing, subdirectories = self._list(current)
            except OSError as exc:
                if first or exc.errno in AWAY:
                    raise
                if exc.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                    self.unreadable += 1
                    self.on_skip(current, exc.strerror or str(exc))
                continue
            finally:
                first = False
            if listing is not None:
                yield listing
                pending += sorted(filter(enter, subdirectories), reverse=True)

    def _list(self, directory: str) -> tuple[Listing | None, list[str]]:
        status = os.stat(directory)
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return None, []
        self._seen.add(identity)
        rules = self.rules.enter(directory)
        assert rules is not None
        patterns = bool(rules.specs)
        files: list[tuple[str, Look]] = []
        subdirectories: list[str] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if is_audio_name(name):
                    if patterns and rules.ignore(entry.path):
                        continue
                    look = self._look(entry)
                    if look is not None:
                        files.append((entry.path, look))
                        continue
                    if not entry.is_dir() and not entry.is_symlink():
                        self.on_odd(entry.path)
                if is_directory_name(name) and entry.is_dir(follow_symlinks=self.follow):
                    subdirectories.append(entry.path)
        return Listing(directory, identity, status.st_mtime_ns, tuple(files)), subdirectories

    def _look(self, entry: os.DirEntry[str]) -> Look | None:
        try:
            status = entry.stat(follow_symlinks=self.follow)
        except OSError:
            return None
        return look_of(status)


def look_of(status: os.stat_result) -> Look | None:
    """Return the look that a stat result is, or None for what is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        return None
    return Look(FileVersion.of(status), status.st_ctime)


def look_at(path: str, *, follow: bool = False) -> Look | None:
    """Look at a path; None where there is no regular file (any more)."""
    try:
        return look_of(os.stat(path, follow_symlinks=follow))
    except OSError:
        return None


def is_marker(path: str) -> bool:
    """Return whether a path is that of a file that says what is ignored."""
    return os.path.basename(path) in MARKERS
