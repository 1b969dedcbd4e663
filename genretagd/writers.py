"""Who else has a file open, as far as the system tells."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Final

from genretagd import mountinfo

_SET_SIGNAL: Final = 10  # F_SETSIG of Linux
_REFUSING: Final = frozenset({"nfs", "nfs4", "cifs", "smb3"})
"""File systems that give a lease only where the server happens to have given one to our kernel."""


def has_writer(fd: int) -> bool:
    """Return whether anybody has a file open for writing; False where it cannot be known.

    Parameters
    ----------
    fd : int
        The file, open for reading.
    """
    return _lease(fd, "F_RDLCK") is False and type_of(fd) not in _REFUSING


def is_open_elsewhere(fd: int) -> bool:
    """Return whether anybody else has a file open, or may have: True where it cannot be known."""
    return not _lease(fd, "F_WRLCK")


def _lease(fd: int, kind: str) -> bool | None:
    """Return whether a lease (fcntl(2), ``F_SETLEASE``) is given; None where it cannot be asked for.

    A read lease is given only while nobody has the file open for writing, a write lease only while nobody
    else has it open at all. It is handed back at once.
    """
    try:
        import fcntl  # noqa: PLC0415 - POSIX only

        ask = fcntl.F_SETLEASE, getattr(fcntl, kind)  # Linux's alone, as is the next line's number
        fcntl.fcntl(fd, _SET_SIGNAL, signal.SIGURG)  # the default, SIGIO, would end the process
        fcntl.fcntl(fd, *ask)
    except BlockingIOError:
        return False
    except (ImportError, AttributeError, OSError):
        return None
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def type_of(fd: int) -> str:
    """Return the type of the file system that a file is on, "" where it cannot be found out."""
    device = os.fstat(fd).st_dev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        return next((entry.type for entry in mountinfo.entries() if entry.device == numbers), "")
    return ""
