"""Clearing up what a killed write left in a directory: dead temporary files, and files half rewritten."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genretagd.domain import written_at
from genretagd.tagging import inplace, temps
from genretagd.tagging.renaming import put_back


def directory_of(path: Path) -> Path:
    """Return where a write of a track has its temporary files: beside it, or beside what it links to."""
    return written_at(path).parent


def sweep(directory: Path) -> list[str]:
    """Remove temporary files of writers that are surely dead, and put backups and tracks of theirs back.

    Only names that a write of ours uses are looked at, and only files that no living process has
    locked are touched. A directory that cannot be read or written is left as it is.

    Returns
    -------
    list of str
        The names that were cleared up.
    """
    with suppress(OSError), _names_in(directory, temps.is_temporary) as (directory_fd, names):
        in_order = sorted(names, key=temps.is_aside, reverse=True)  # what a copy says of them is asked first
        return [name for name in in_order if _cleared(directory_fd, name)]
    return []


def being_written(directory: Path) -> tuple[str, ...]:
    """Return the temporary files in a directory whose writers are surely alive."""
    with suppress(OSError), _names_in(directory, temps.is_temporary) as (directory_fd, names):
        return tuple(name for name in names if temps.in_use(directory_fd, name))
    return ()


def half_written(directory: Path) -> dict[int, str]:
    """Return the backups that stand in a directory, by the inodes of the files they belong to.

    Such a file is being rewritten, or its old content could not be put back yet, or must not be, since
    somebody has written to it.

    Raises
    ------
    OSError
        The directory cannot be read.
    """
    with _names_in(directory, temps.is_backup) as (directory_fd, names):
        found = {inplace.inode_of(directory_fd, name): name for name in names}
    return {inode: name for inode, name in found.items() if inode is not None}


@contextmanager
def _names_in(directory: Path, chosen: Callable[[str], bool]) -> Iterator[tuple[int, list[str]]]:
    """Open a directory; yield its descriptor and the chosen ones of the names in it."""
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield directory_fd, [name for name in os.listdir(directory_fd) if chosen(name)]  # noqa: PTH208
    finally:
        os.close(directory_fd)


def _cleared(directory_fd: int, name: str) -> bool:
    if temps.is_aside(name):
        with suppress(OSError):
            put_back(directory_fd, name)
            return True
        return False
    if temps.is_there(directory_fd, temps.aside_name(name)):
        return False
    fd = temps.dead(directory_fd, name)
    if fd is None:
        return False
    try:
        if temps.is_backup(name):
            inplace.restore(directory_fd, fd)
        os.unlink(name, dir_fd=directory_fd)
    except (OSError, ValueError):
        return False  # it stays for the next time
    finally:
        os.close(fd)
    return True
