"""A right that one process at a time has: to deliver from a ledger, to train into a folder."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

HELD: Final = frozenset({errno.EAGAIN, errno.EACCES})
"""What the system says of a file that another process has locked."""
NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system says that knows no locks."""


def lock(descriptor: int, *, shared: bool = False) -> bool | None:
    """Lock a file: True when it is ours now, False when another holds it, None where locks do not exist.

    Parameters
    ----------
    descriptor : int
        The file.
    shared : bool
        Whether others may have such a lock at the same time.

    Raises
    ------
    OSError
        Anything else is wrong.
    """
    try:
        import fcntl  # noqa: PLC0415 - POSIX only
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in HELD:
            return False
        if exc.errno in NO_LOCKS:
            return None
        raise
    return True


def unlock(descriptor: int) -> None:
    """Give the lock of a file up before it is closed; safe without having it."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl  # noqa: PLC0415 - POSIX only

        fcntl.flock(descriptor, fcntl.LOCK_UN)


class Lease:
    """The right, given up by the system itself when its process ends in whatever way.

    Where a file system knows no locks everybody has it.

    Parameters
    ----------
    path : Path
        A file that stands for the right; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the right and return whether we have it now."""
        if self._descriptor is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)  # no child inherits it (PEP 446)
        try:
            ours = lock(descriptor)
        except OSError:
            ours = False
        if ours:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return ours is not False

    def give_back(self) -> None:
        """Give the right back; safe without having it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
