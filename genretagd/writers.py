"""Whether anybody has a file open for writing, as far as the system tells."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")
_SET_SIGNAL: Final = 10  # F_SETSIG of Linux
_REFUSING: Final = frozenset({"nfs", "nfs4", "cifs", "smb3"})
"""File systems that give a lease only where the server happens to have given one to our kernel."""


def has_writer(fd: int) -> bool:
    """Return whether anybody has a file open for writing; False where it cannot be known.

    A read lease (fcntl(2), ``F_SETLEASE``) is given only while nobody has. It is handed back at once.

    Parameters
    ----------
    fd : int
        The file, open for reading.
    """
    try:
        import fcntl  # noqa: PLC0415 - POSIX only

        fcntl.fcntl(fd, _SET_SIGNAL, signal.SIGURG)  # the default, SIGIO, would end the process
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return type_of(fd) not in _REFUSING
    except (ImportError, AttributeError, OSError):
        return False
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def type_of(fd: int) -> str:
    """Return the type of the file system that a file is on, "" where it cannot be found out."""
    device = os.fstat(fd).st_dev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in MOUNTS.read_text(errors="replace").splitlines():  # proc(5)
            where, _, what = line.partition(" - ")
            if where.split(" ")[2] == numbers:
                return what.partition(" ")[0]
    return ""
