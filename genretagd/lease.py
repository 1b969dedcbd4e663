"""A right that one process at a time has: to deliver from a ledger, to train into a folder."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What a file system says that knows no locks."""


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
        try:
            import fcntl  # noqa: PLC0415 - POSIX only
        except ImportError:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            return exc.errno in NO_LOCKS
        self._descriptor = descriptor
        return True

    def give_back(self) -> None:
        """Give the right back; safe without having it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
