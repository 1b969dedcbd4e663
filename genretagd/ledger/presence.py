"""Telling a file that is gone from one whose share or disk is not there now."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable


def is_there(path: bytes) -> bool:
    """Return whether a path exists, or may: in a folder that is closed to us, or on a share that is away."""
    try:
        os.lstat(path)
    except OSError as exc:
        return exc.errno not in {errno.ENOENT, errno.ENOTDIR}
    return True


def device_of(path: bytes) -> int | None:
    """Return the number of the device a path lies on, None where there is no such path."""
    try:
        return os.stat(path).st_dev  # noqa: PTH116 - bytes
    except OSError:
        return None


def device_above(path: bytes, *, device_of: Callable[[bytes], int | None] = device_of) -> int | None:
    """Return the device of the nearest directory above a path that is there.

    A file that is missing, while this is the device it was on, is gone. Where it is another, the
    mount point shows what lies below the share: the file may come back.
    """
    while path not in {b"/", b""}:
        path = os.path.dirname(path)  # noqa: PTH120 - bytes
        device = device_of(path)
        if device is not None:
            return device
    return None
