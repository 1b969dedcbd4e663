"""Clearing up what a killed write left in a directory: dead temporary files, and files half rewritten."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from genretagd.tagging import inplace, temps


def directory_of(path: Path) -> Path:
    """Return where a write of a track has its temporary files: beside it, or beside what it links to."""
    return Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent


def sweep(directory: Path) -> list[str]:
    """Remove temporary files of writers that are surely dead, and put backups of theirs back.

    Only names that a write of ours uses are looked at, and only files that no living process has
    locked are touched. A directory that cannot be read or written is left as it is.

    Returns
    -------
    list of str
        The names that were cleared up.
    """
    cleared: list[str] = []
    try:
        directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return cleared
    try:
        with suppress(OSError):
            names = [n for n in os.listdir(directory_fd) if temps.is_temporary(n)]  # noqa: PTH208 - by descriptor
            cleared += [name for name in names if _cleared(directory_fd, name)]
    finally:
        os.close(directory_fd)
    return cleared


def being_written(directory: Path) -> tuple[str, ...]:
    """Return the temporary files in a directory whose writers are surely alive."""
    try:
        directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return ()
    try:
        with suppress(OSError):
            names = [n for n in os.listdir(directory_fd) if temps.is_temporary(n)]  # noqa: PTH208 - by descriptor
            return tuple(name for name in names if temps.in_use(directory_fd, name))
    finally:
        os.close(directory_fd)
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
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        names = [n for n in os.listdir(directory_fd) if temps.is_backup(n)]  # noqa: PTH208 - by descriptor
        found = {inplace.inode_of(directory_fd, name): name for name in names}
    finally:
        os.close(directory_fd)
    return {inode: name for inode, name in found.items() if inode is not None}


def _cleared(directory_fd: int, name: str) -> bool:
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
