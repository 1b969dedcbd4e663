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
     errno.ENODEV, errno.ENXIO, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNRESET,
     errno.ECONNABORTED}
)  # fmt: skip
"""What a share answers whose server is away: nothing can be concluded about its files."""

GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What is answered for a path at which there is no directory."""


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

    on_list : callable
        Called after each directory.

    Attributes
    ----------
    unreadable : int
        Directories that are there and could not be listed.
    """

    rules: IgnoreRules
    follow: bool = False
    on_skip: Callable[[str, str], None] = lambda _path, _reason: None
    on_odd: Callable[[str], None] = lambda _path: None
    on_list: Callable[[], None] = lambda: None
    unreadable: int = 0
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def below(
        self, directory: str, *, enter: Callable[[str], bool] = lambda _directory: True
    ) -> Iterator[Listing]:
        """List a directory and all below it, where the rules, and `enter`, let us in.

        Raises
        ------
        OSError
            The root cannot be listed: see `miss`.
        """
        pending = [directory]
        while pending:
            current = pending.pop()
            try:
                if self.rules.enter(current) is None:
                    continue
                listing, subdirectories = self._list(current)
            except Exception as exc:  # noqa: BLE001 - what one directory holds must not hide the others
                self.miss(current, exc)
                continue
            self.on_list()
            if listing is not None:
                yield listing
                pending += sorted(filter(enter, subdirectories), reverse=True)

    def miss(self, directory: str, exc: Exception) -> None:
        """Go on without a directory that cannot be listed.

        Raises
        ------
        OSError
            It is the root itself, or seems to be a share that is away, and the root cannot be listed
            either.
        """
        if directory == self.rules.root:
            raise exc
        number = exc.errno if isinstance(exc, OSError) else None
        if number in AWAY:
            os.scandir(self.rules.root).close()
        if number not in GONE:
            self.unreadable += 1
            reason = exc.strerror if isinstance(exc, OSError) else f"unexpected {type(exc).__name__}: {exc}"
            self.on_skip(directory, reason or str(exc))

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
                    if _is_odd(entry):
                        self.on_odd(entry.path)
                if is_directory_name(name) and self._is_directory(entry):
                    subdirectories.append(entry.path)
        return Listing(directory, identity, status.st_mtime_ns, tuple(files)), subdirectories

    def _is_directory(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir(follow_symlinks=self.follow)
        except OSError as exc:  # a link in a circle, or to where we may not look
            self.miss(entry.path, exc)
            return False

    def _look(self, entry: os.DirEntry[str]) -> Look | None:
        try:
            status = entry.stat(follow_symlinks=self.follow)
        except OSError:
            return None
        return look_of(status)


def _is_odd(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.is_symlink() and not entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


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
