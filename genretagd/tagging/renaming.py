"""Renaming a verified copy over its track, on file systems that do not all do that in one step."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from typing import Final

from genretagd.tagging import temps
from genretagd.writers import is_open_elsewhere, type_of

_SMB: Final = frozenset({"cifs", "smb3"})
_MENDED: Final = (6, 17)
"""The Linux since when its SMB client does not remove a file that it cannot replace."""


def may_be_lost(fd: int) -> bool:
    """Return whether a track would be removed, instead of being replaced, because somebody has it open.

    So does Linux's SMB client ("smb: client: fix data loss due to broken rename(2)"), since SMB replaces no
    file that is open.
    """
    version = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    return version < _MENDED and type_of(fd) in _SMB and is_open_elsewhere(fd)


def rename_over(directory_fd: int, name: str, copy: temps.Temporary, *, at_once: bool) -> None:
    """Give a copy the name of its track, which is no longer open here.

    Parameters
    ----------
    directory_fd : int
        The directory of both.
    name : str
        The track's.
    copy : Temporary
        What takes its place.
    at_once : bool
        Whether the track is replaced, not set aside first. One of a long name is in any case.

    Raises
    ------
    OSError
        The track is where it was, or will be after the next sweep of the directory.
    """
    try:
        if at_once or temps.stem_of(copy.name) != name:
            os.replace(copy.name, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
        else:
            _swap(directory_fd, name, copy.name)
    except OSError:
        with suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
            if os.path.samestat(found, os.fstat(copy.fd)):
                return  # NFS asks again where a reply was lost, and hears that there is nothing to rename
        raise


def put_back(directory_fd: int, aside: str) -> None:
    """Give a track that was set aside its name again, or remove it where its new version has that.

    Where the copy that was to be the new version is still there, another program took the name before it
    could: then what was set aside is all that there is of the track, and gets a name of its own beside it.

    Raises
    ------
    OSError
        It cannot be done now, or who set it aside is still at it.
    """
    copy = temps.copy_of(aside)
    if temps.in_use(directory_fd, copy):
        raise BlockingIOError
    name = temps.stem_of(aside)
    move = partial(os.rename, aside, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
    if not temps.is_there(directory_fd, name):
        move(name)
    elif temps.is_there(directory_fd, copy):
        move(temps.kept_name(aside))
    else:
        os.unlink(aside, dir_fd=directory_fd)


def _swap(directory_fd: int, name: str, copy: str) -> None:
    """Set a track aside, then give its name to a copy: nothing is replaced, so nothing open is lost."""
    move = partial(os.rename, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
    aside = temps.aside_name(copy)
    move(name, aside)
    try:
        move(copy, name)
    except OSError:
        move(aside, name)
        raise
    with suppress(OSError):  # the next sweep does it
        os.unlink(aside, dir_fd=directory_fd)
