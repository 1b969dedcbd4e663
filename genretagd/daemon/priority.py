"""Leave the disk to others: the I/O priority of this process, which its worker processes inherit."""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Final

_SYSCALLS: Final = {"x86_64": 251, "aarch64": 30, "arm64": 30, "riscv64": 30, "i386": 289, "i686": 289}
_WHO_PROCESS: Final = 1
_CLASS_IDLE: Final = 3 << 13
_DARWIN_TYPE_DISK, _DARWIN_SCOPE_PROCESS, _DARWIN_THROTTLE = 0, 0, 3


def use_idle_disk() -> bool:
    """Use the disk only when nobody else does, where the system can; return whether it could.

    Linux: ``ioprio_set(2)`` with the idle class, which the I/O schedulers BFQ and CFQ honour.
    macOS: ``setiopolicy_np(3)`` with ``IOPOL_THROTTLE``.
    """
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            given = library.setiopolicy_np(_DARWIN_TYPE_DISK, _DARWIN_SCOPE_PROCESS, _DARWIN_THROTTLE)
            return int(given) == 0
        number = _SYSCALLS.get(platform.machine())
        if not sys.platform.startswith("linux") or number is None:
            return False
        return int(library.syscall(number, _WHO_PROCESS, 0, _CLASS_IDLE)) == 0
    except (OSError, AttributeError):
        return False
