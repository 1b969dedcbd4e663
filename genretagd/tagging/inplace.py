"""Rewriting a file with several names (hard links) where it lies, so that all of them see the new tags.

A rename cannot do that. Instead the whole old content is kept beside it, durable and under a name
that says so, for as long as the file is being written; whatever interrupts the write, the old
content is put back: at once after an error, by `genretagd.tagging.sweeping` after a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from genretagd.domain import FileVersion, MtimePolicy
from genretagd.tagging import temps
from genretagd.tagging.splice import copy_range, write_copy

_MAGIC: Final = b"genretagd backup"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says about itself: whose content it holds, and how much of it is content."""

    name: str
    inode: int
    size: int
    atime_ns: int
    mtime_ns: int


def overwrite(
    directory_fd: int, name: str, original_fd: int, copy_fd: int, *, mtime: MtimePolicy
) -> FileVersion:
    """Give a file the content of a verified copy, without giving it another inode.

    Parameters
    ----------
    directory_fd : int
        The directory of the file.
    name : str
        One of its names, in that directory.
    original_fd : int
        The file, open for reading.
    copy_fd : int
        Its new content.
    mtime : str
        Whether the modification time is kept.

    Raises
    ------
    OSError
        It failed; the old content is there, or will be after the next sweep of the directory.
    """
    status = os.fstat(original_fd)
    with _backed_up(directory_fd, name, original_fd, status) as backup_fd:
        fd = os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory_fd)
        try:
            size = os.fstat(copy_fd).st_size
            try:
                if size > status.st_size and hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(fd, status.st_size, size - status.st_size)
                _write_differences(copy_fd, fd, size)
                os.ftruncate(fd, size)
                if mtime == "keep":
                    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
                os.fsync(fd)
                return FileVersion.of(os.fstat(fd))
            except BaseException as exc:
                try:
                    _write_back(backup_fd, fd, status.st_size, (status.st_atime_ns, status.st_mtime_ns))
                except OSError:
                    raise _NotRestoredError(*getattr(exc, "args", ())) from exc
                raise
        finally:
            temps.close(fd)


def restore(directory_fd: int, backup_fd: int) -> None:
    """Put the content of a backup back into its file, if that still is the same file.

    Raises
    ------
    OSError
        It cannot be done now; the backup must stay.
    """
    found = _description(backup_fd)
    if found is None:
        return
    try:
        fd = os.open(found.name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory_fd)
    except FileNotFoundError:
        return  # renamed or removed: nobody asks for the old content under this name any more
    try:
        if os.fstat(fd).st_ino == found.inode:
            _write_back(backup_fd, fd, found.size, (found.atime_ns, found.mtime_ns))
    finally:
        os.close(fd)


def inode_of(directory_fd: int, backup: str) -> int | None:
    """Return the inode of the file that a backup belongs to, None where it is gone or no backup."""
    try:
        fd = os.open(backup, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory_fd)
    except OSError:
        return None
    try:
        found = _description(fd)
    except ValueError:
        return None
    finally:
        os.close(fd)
    return found.inode if found else None


@contextlib.contextmanager
def _backed_up(directory_fd: int, name: str, original_fd: int, status: os.stat_result) -> Iterator[int]:
    made = temps.create(directory_fd, name)
    keep = False
    try:
        write_copy(original_fd, made.fd, [])
        facts = {
            "name": os.fsencode(name).hex(),
            "inode": status.st_ino,
            "size": status.st_size,
            "atime_ns": status.st_atime_ns,
            "mtime_ns": status.st_mtime_ns,
        }
        trailer = json.dumps(facts).encode()
        os.pwrite(made.fd, trailer + len(trailer).to_bytes(4, "big") + _MAGIC, status.st_size)
        os.fsync(made.fd)
        standing = temps.backup_name(made.name)
        os.rename(made.name, standing, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
        made = temps.Temporary(standing, made.fd)
        os.fsync(directory_fd)
        try:
            yield made.fd
        except _NotRestoredError:
            keep = True
            raise
    finally:
        if keep:
            os.close(made.fd)
        else:
            with contextlib.suppress(OSError):
                os.ftruncate(made.fd, 0)  # empty, it puts nothing back, should it have to stay
            temps.remove(directory_fd, made)


class _NotRestoredError(OSError):
    """Neither the new nor the old content could be written: the backup stays for the next sweep."""


def _write_back(backup_fd: int, fd: int, size: int, times: tuple[int, int]) -> None:
    _write_differences(backup_fd, fd, size)
    os.ftruncate(fd, size)
    os.utime(fd, ns=times)
    os.fsync(fd)


def _write_differences(source_fd: int, target_fd: int, size: int) -> None:
    """Copy what differs, so that blocks which need no change are not written."""
    for start in range(0, size, _CHUNK):
        count = min(_CHUNK, size - start)
        if os.pread(source_fd, count, start) != os.pread(target_fd, count, start):
            copy_range(source_fd, start, target_fd, start, count)


def _description(fd: int) -> Backup | None:
    size = os.fstat(fd).st_size
    tail = os.pread(fd, len(_MAGIC) + 4, max(size - len(_MAGIC) - 4, 0))
    if tail[4:] != _MAGIC:
        return None
    length = int.from_bytes(tail[:4], "big")
    facts: dict[str, Any] = json.loads(os.pread(fd, length, size - len(tail) - length))
    return Backup(
        name=os.fsdecode(bytes.fromhex(facts["name"])),
        inode=facts["inode"],
        size=facts["size"],
        atime_ns=facts["atime_ns"],
        mtime_ns=facts["mtime_ns"],
    )
