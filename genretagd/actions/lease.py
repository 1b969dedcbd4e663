"""Only one process at a time delivers from a ledger, so that no event is delivered twice at once."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Lease:
    """The right to deliver, given up by the system itself when its process ends in whatever way.

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
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def give_back(self) -> None:
        """Give the right back; safe without having it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
