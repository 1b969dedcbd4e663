"""The temporary files a write leaves beside a track while it lasts, and clearing up dead ones.

A temporary file is hidden, carries the program's name, and is locked (``flock``) by the process
that makes it for as long as that process lives. The kernel drops the lock when the process
dies, however it dies, so a temporary file that can be locked by somebody else is surely dead.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from genretagd.lease import lock, unlock

NAME_BYTES: Final = 255
TEMPORARY: Final = re.compile(r"\A\.(?:.*\.)?genretagd-[0-9a-f]{12}\.(?:tmp|backup|aside)\Z", re.DOTALL)
_HIDDEN: Final = ".~"
_TMP: Final = ".tmp"
_BACKUP: Final = ".backup"
_ASIDE: Final = ".aside"
_SHORTEST_CUT: Final = 20


def is_temporary(name: str) -> bool:
    """Return whether a file name is one that a write of ours would use."""
    return TEMPORARY.match(name) is not None


def temporary_name(name: str, *, limit: int = NAME_BYTES) -> str:
    """Return a fresh hidden name for a temporary file beside the file called `name`.

    The name is cut between characters to at most `limit` bytes, so that a track whose own name
    is as long as the file system allows has a temporary file too. The tilde is for a name that begins with
    an underscore: what begins with a dot and that is metadata to a Mac, and to a NAS that serves Macs.
    """
    tail = f".genretagd-{secrets.token_hex(6)}{_TMP}"
    room = limit - len(_HIDDEN) - len(tail) - len(_BACKUP)
    stem = name[:room]
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return f"{_HIDDEN}{stem}{tail}"


def backup_name(name: str) -> str:
    """Return the name under which a temporary file stands once it is a backup that must not be lost."""
    return name.removesuffix(_TMP) + _BACKUP


def aside_name(name: str) -> str:
    """Return the name under which a track stands while this temporary file takes its place in two steps."""
    return name.removesuffix(_TMP) + _ASIDE


def copy_of(aside: str) -> str:
    """Return the name of the temporary file that was to take the place of a track set aside."""
    return aside.removesuffix(_ASIDE) + _TMP


def kept_name(aside: str) -> str:
    """Return a visible name, which no other file has, for a track set aside whose own name is taken."""
    track = Path(stem_of(aside))
    drawn = aside.removesuffix(_ASIDE).rpartition("-")[2]
    return f"{track.stem} (kept by genretagd {drawn}){track.suffix}"


def is_aside(name: str) -> bool:
    """Return whether a name is that of a track set aside."""
    return is_temporary(name) and name.endswith(_ASIDE)


def is_backup(name: str) -> bool:
    """Return whether a name is that of a backup."""
    return is_temporary(name) and name.endswith(_BACKUP)


@dataclass(frozen=True, slots=True)
class Temporary:
    """A temporary file that is open, locked and ours.

    Attributes
    ----------
    name : str
        Its name in the directory.
    fd : int
        Open for reading and writing.
    """

    name: str
    fd: int


def create(directory_fd: int, beside: str) -> Temporary:
    """Create and lock a temporary file, readable and writable by its owner only.

    Raises
    ------
    OSError
        The directory cannot be written.
    """
    limit = NAME_BYTES
    while True:
        name = temporary_name(beside, limit=limit)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(name, flags, 0o600, dir_fd=directory_fd)
        except FileExistsError:
            continue
        except OSError as exc:
            if exc.errno == errno.ENAMETOOLONG and limit > 64:
                limit //= 2  # encrypting file systems allow less
                continue
            raise
        try:
            if lock(fd) is not False and is_there(directory_fd, name):
                return Temporary(name, fd)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # a sweep took it between its creation and its lock


def let_read(directory_fd: int, temporary: Temporary) -> None:
    """Let everybody read a temporary file that is complete; that its writer is alive is told as before.

    On an SMB share the lock of a file that is being written keeps all others from reading it, whoever opened
    it for themselves, and be it this process (``flock(2)``).

    Raises
    ------
    OSError
        A sweep took it for dead meanwhile, or the system failed.
    """
    unlock(temporary.fd)  # SMB would keep both
    if lock(temporary.fd, shared=True) is False or not is_there(directory_fd, temporary.name):
        raise OSError(errno.EAGAIN, "another genretagd cleared the copy up")


def remove(directory_fd: int, temporary: Temporary) -> None:
    """Remove and close a temporary file that is no longer needed, unless it has become the track.

    One whose track was set aside and could not be put back stays: that tells `renaming.put_back` so.
    """
    with suppress(OSError):
        if not is_there(directory_fd, aside_name(temporary.name)):
            os.unlink(temporary.name, dir_fd=directory_fd)
    close(temporary.fd)


def close(fd: int) -> None:
    """Close a file whose content is durable, or not wanted: that it cannot be closed changes nothing."""
    with suppress(OSError):
        os.close(fd)


def stem_of(temporary: str) -> str:
    """Return the name of the track that a temporary file stands beside, or its beginning where it is long."""
    return temporary.removeprefix(_HIDDEN).rpartition(".genretagd-")[0]


def is_beside(temporary: str, name: str) -> bool:
    """Return whether a temporary file is one of the file called `name`, or of one with the same beginning."""
    stem = stem_of(temporary)
    return stem == name or (len(os.fsencode(stem)) >= _SHORTEST_CUT and name.startswith(stem))


def in_use(directory_fd: int, name: str) -> bool:
    """Return whether the writer of a temporary file is surely alive."""
    fd = _opened(directory_fd, name)
    if fd is None:
        return False
    try:
        return lock(fd) is False
    except OSError:
        return False
    finally:
        os.close(fd)


def dead(directory_fd: int, name: str) -> int | None:
    """Return an open, locked descriptor of a temporary file whose writer is surely dead, else None."""
    fd = _opened(directory_fd, name)
    if fd is None or lock(fd):
        return fd
    os.close(fd)
    return None


def is_there(directory_fd: int, name: str) -> bool:
    """Return whether a directory has a name, be it of a link that leads nowhere."""
    try:
        os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _opened(directory_fd: int, name: str) -> int | None:
    try:
        return os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory_fd)
    except OSError:
        return None
