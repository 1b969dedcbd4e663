"""Rewriting a file with several names (hard links) where it lies, so that all of them see the new tags.

A rename cannot do that. Instead the whole old content is kept beside it, durable and under a name
that says so, for as long as the file is being written; whatever interrupts the write, the old
content is put back: at once after an error, by `genretagd.tagging.sweeping` after a crash. A backup
knows the digests of the new content too, so that it is put back only over what an interrupted write
can have left, never over what somebody has since put there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from genretagd.domain import FileVersion, MtimePolicy
from genretagd.lease import lock, unlock
from genretagd.tagging import temps
from genretagd.tagging.splice import copy_range, write_at, write_copy

_MAGIC: Final = b"genretagd backup"
_CHUNK: Final = 1 << 20
_BLOCK: Final = 4096  # what a system writes back whole, or not at all
_DIGEST: Final = 8
_TORN: Final = 2


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says about itself: whose content it holds, how much of it is content, what was coming.

    Attributes
    ----------
    name : str
        A name of the file, in the directory of the backup.
    inode : int
        The file.
    size, new_size : int
        Of the old and of the new content, in bytes.
    atime_ns, mtime_ns : int
        Of the old content, in nanoseconds.
    digests : bytes
        Of each block of the new content, one after another.
    """

    name: str
    inode: int
    size: int
    new_size: int
    atime_ns: int
    mtime_ns: int
    digests: bytes


def claim(fd: int) -> bool:
    """Keep others of us from rewriting a file while it is open here; False where another one does.

    Raises
    ------
    OSError
        The system failed.
    """
    try:
        return lock(fd) is not False
    except OSError as exc:
        if exc.errno == errno.EBADF:  # NFS locks only what is open for writing
            return True
        raise


def overwrite(
    directory_fd: int,
    name: str,
    original_fd: int,
    copy_fd: int,
    *,
    mtime: MtimePolicy,
    check: Callable[[], None],
) -> FileVersion:
    """Give a file the content of a verified copy, without giving it another inode.

    Parameters
    ----------
    directory_fd : int
        The directory of the file.
    name : str
        One of its names, in that directory.
    original_fd : int
        The file, open for reading, and claimed.
    copy_fd : int
        Its new content.
    mtime : str
        Whether the modification time is kept.
    check : callable
        Raises where the name no longer leads to what was copied. Making the backup takes time, so it
        is asked after that, right before the first byte is written.

    Raises
    ------
    OSError
        It failed; the old content is there, or will be after the next sweep of the directory.
    """
    status = os.fstat(original_fd)
    with _backed_up(directory_fd, name, original_fd, copy_fd) as backup_fd:
        check()
        fd = os.open(name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory_fd)
        try:
            if not os.path.samestat(os.fstat(fd), status):
                raise FileNotFoundError(errno.ENOENT, "another file took its place")
            _pass_claim(original_fd, fd)
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


def _pass_claim(original_fd: int, fd: int) -> None:
    """Pass the claim on to the descriptor that writes: on SMB nothing else could (``flock(2)``)."""
    known = os.fstat(original_fd).st_ctime_ns
    unlock(original_fd)
    if not claim(fd) or os.fstat(fd).st_ctime_ns != known:
        raise BlockingIOError(errno.EAGAIN, "another genretagd was faster")


def restore(directory_fd: int, backup_fd: int) -> None:
    """Put the content of a backup back into its file, if that still is the file that was half written.

    Raises
    ------
    OSError
        It cannot be done now, or the file has left the directory; the backup must stay.
    ValueError
        Somebody has written to the file since, or the backup is none of ours; it must stay.
    """
    found = _description(backup_fd)
    if found is None:
        return
    fd = os.open(_name_of(directory_fd, found), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory_fd)
    try:
        _check_half_written(fd, backup_fd, found)
        _write_back(backup_fd, fd, found.size, (found.atime_ns, found.mtime_ns))
    finally:
        os.close(fd)


def _name_of(directory_fd: int, found: Backup) -> str:
    """Return a name of the half written file, which may have been renamed since.

    Raises
    ------
    FileNotFoundError
        It has none in this directory. It may in another one: nothing else holds its old content then.
    """
    for name in (found.name, *os.listdir(directory_fd)):
        with contextlib.suppress(FileNotFoundError):
            if os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_ino == found.inode:
                return name
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), found.name)


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
def _backed_up(directory_fd: int, name: str, original_fd: int, copy_fd: int) -> Iterator[int]:
    status = os.fstat(original_fd)
    new_size = os.fstat(copy_fd).st_size
    made = temps.create(directory_fd, name)
    keep = False
    try:
        write_copy(original_fd, made.fd, [])
        facts = {
            "name": os.fsencode(name).hex(),
            "inode": status.st_ino,
            "size": status.st_size,
            "new_size": new_size,
            "atime_ns": status.st_atime_ns,
            "mtime_ns": status.st_mtime_ns,
        }
        told = json.dumps(facts).encode()
        digests = b"".join(_digest(block) for block in _blocks(copy_fd, new_size))
        write_at(made.fd, digests + told + len(told).to_bytes(4, "big") + _MAGIC, status.st_size)
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


def _check_half_written(fd: int, backup_fd: int, found: Backup) -> None:
    """Check that each block of a file is of the old content or of the new one, or empty beyond the old one.

    Two blocks may be neither: the one that was being written, and the one in which the new content ends.

    Raises
    ------
    ValueError
        It is not.
    """
    size = os.fstat(fd).st_size
    if not min(found.size, found.new_size) <= size <= max(found.size, found.new_size):
        raise ValueError("its size is neither the old nor the new one")
    odd = 0
    for number, block in enumerate(_blocks(fd, size)):
        if _digest(block) == found.digests[number * _DIGEST :][:_DIGEST]:
            continue
        start = number * _BLOCK
        old = os.pread(backup_fd, max(min(len(block), found.size - start), 0), start)
        odd += block != old.ljust(len(block), b"\0")
        if odd > _TORN:
            raise ValueError("somebody has written to it since")


def _blocks(fd: int, size: int) -> Iterator[bytes]:
    for start in range(0, size, _CHUNK):
        chunk = os.pread(fd, min(_CHUNK, size - start), start)
        yield from (chunk[at : at + _BLOCK] for at in range(0, len(chunk), _BLOCK))


def _digest(block: bytes) -> bytes:
    return hashlib.blake2b(block, digest_size=_DIGEST).digest()


def _description(fd: int) -> Backup | None:
    """Return what a backup says about itself; None where it is not whole.

    Raises
    ------
    ValueError
        It is whole and none of ours.
    """
    size = os.fstat(fd).st_size
    tail = os.pread(fd, len(_MAGIC) + 4, max(size - len(_MAGIC) - 4, 0))
    if tail[4:] != _MAGIC:
        return None
    length = int.from_bytes(tail[:4], "big")
    facts: dict[str, Any] = json.loads(os.pread(fd, length, size - len(tail) - length))
    try:
        return Backup(
            name=os.fsdecode(bytes.fromhex(facts["name"])),
            inode=facts["inode"],
            size=facts["size"],
            new_size=facts["new_size"],
            atime_ns=facts["atime_ns"],
            mtime_ns=facts["mtime_ns"],
            digests=os.pread(fd, -(-facts["new_size"] // _BLOCK) * _DIGEST, facts["size"]),
        )
    except (KeyError, TypeError) as exc:
        raise ValueError("not one of our backups") from exc
