"""What a file carries beside its content: owner, mode, extended attributes (ACLs), flags, times."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import stat
import sys
from typing import Final

from genretagd.domain import MtimePolicy

_GET_FLAGS: Final = 0x80086601  # FS_IOC_GETFLAGS of linux/fs.h on 64-bit machines
_IMMUTABLE: Final = 0x10
_APPEND_ONLY: Final = 0x20
_NOT_SUPPORTED: Final = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def is_immutable(fd: int) -> bool:
    """Return whether a file carries the immutable or the append-only flag."""
    status = os.fstat(fd)
    flags = getattr(status, "st_flags", None)
    if flags is not None:  # macOS and the BSDs
        hands_off = stat.UF_IMMUTABLE | stat.UF_APPEND | stat.SF_IMMUTABLE | stat.SF_APPEND
        return bool(flags & hands_off)
    if not sys.platform.startswith("linux"):
        return False
    answer = array.array("l", [0])
    try:
        fcntl.ioctl(fd, _GET_FLAGS, answer)
    except OSError:
        return False  # the file system has no such flags
    return bool(answer[0] & (_IMMUTABLE | _APPEND_ONLY))


def copy_attributes(source_fd: int, target_fd: int, *, mtime: MtimePolicy) -> None:
    """Give one file the owner, group, mode, ACLs, extended attributes and, on request, times of another.

    Raises
    ------
    OSError
        Something of it cannot be kept; the target must not take the source's place then.
    """
    source = os.fstat(source_fd)
    target = os.fstat(target_fd)
    if (source.st_uid, source.st_gid) != (target.st_uid, target.st_gid):
        _give(target_fd, source.st_uid, source.st_gid)
    mode = stat.S_IMODE(source.st_mode)
    if mode != stat.S_IMODE(os.fstat(target_fd).st_mode):
        os.fchmod(target_fd, mode)
    _copy_extended(source_fd, target_fd)
    if mode != stat.S_IMODE(os.fstat(target_fd).st_mode):  # an ACL's mask is part of the mode
        os.fchmod(target_fd, mode)
    if mtime == "keep":
        os.utime(target_fd, ns=(source.st_atime_ns, source.st_mtime_ns))


def _give(fd: int, owner: int, group: int) -> None:
    try:
        os.fchown(fd, owner, group)
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
        # A container, or a service with users of its own, has no number for this owner or group.
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from exc


def _copy_extended(source_fd: int, target_fd: int) -> None:
    if not hasattr(os, "listxattr"):
        return
    try:
        names = os.listxattr(source_fd)
        present = set(os.listxattr(target_fd))
    except OSError as exc:
        if exc.errno in _NOT_SUPPORTED:
            return
        raise
    for name in names:
        value = os.getxattr(source_fd, name)
        if name in present and os.getxattr(target_fd, name) == value:
            continue
        try:
            os.setxattr(target_fd, name, value)
        except OSError:
            if not name.startswith("security."):  # labels are the system's to give
                raise
    for name in present.difference(names):  # inherited from the directory's default ACL
        if not name.startswith("security."):
            os.removexattr(target_fd, name)
