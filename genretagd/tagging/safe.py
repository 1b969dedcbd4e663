"""Putting a new version of a track in the place of the old one, all or nothing.

The new version is made as a hidden temporary file in the track's own directory, checked, given
everything the old one carried, made durable, and only then renamed over it. Whatever fails, and
whenever the process is killed, the track's name leads to the whole old or the whole new file (on
some shares after a sweep only, see `genretagd.tagging.renaming`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from genretagd.domain import UNWRITABLE_DIRECTORY, FileVersion, WriteOptions
from genretagd.errors import FileChangedError, TagError, WriteRefusedError
from genretagd.tagging import inplace, temps
from genretagd.tagging.attributes import copy_attributes, is_immutable
from genretagd.tagging.renaming import may_be_lost, rename_over
from genretagd.tagging.splice import Splice, Window, new_size, normalised, write_copy
from genretagd.writers import has_writer


class Edit(Protocol):
    """What is to become of a file."""

    def plan(self, source_fd: int, /) -> Sequence[Splice]:
        """Say what to change, given the original; nothing at all leaves the file untouched."""

    def verify(self, source_fd: int, copy_fd: int, copy_path: Path, /) -> None:
        """Compare the copy with the original; raise WriteRefusedError on a difference."""


_READ_ONLY: Final = {
    errno.EACCES: ("read-only", "no permission to write here, check the permissions of the directory"),
    errno.EPERM: ("not permitted", "the system does not permit it, check the file's owner, group and flags"),
    errno.EROFS: ("read-only", "the file system is mounted read-only"),
}
_OPEN_ELSEWHERE: Final = frozenset({errno.EACCES, errno.EBUSY, errno.ETXTBSY})
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class Target:
    """The file behind a path: open, with its directory, and known to be the expected version."""

    path: Path
    real: Path
    fd: int
    directory_fd: int
    status: os.stat_result

    @property
    def name(self) -> str:
        """Return the file's name in its directory."""
        return self.real.name

    def close(self) -> None:
        """Close the file, and not again."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            temps.close(fd)


def replace(path: Path, edit: Edit, /, *, expected: FileVersion, options: WriteOptions) -> FileVersion:
    """Replace a track by a new version of itself and return that version.

    A symbolic link is followed: the file it leads to is replaced in its own directory.

    Parameters
    ----------
    path : Path
        The track.
    edit : Edit
        What is to become of it.
    expected : FileVersion
        What the path must lead to, until the last moment before the replacement.
    options : WriteOptions
        What to do about time stamps and hard links.

    Raises
    ------
    FileChangedError
        The path no longer leads to the expected version.
    WriteRefusedError
        A safety rule or the verification forbids it.
    TagError
        The system failed; the file is as it was.
    """
    with explained(path), opened(path, expected=expected) as target:
        splices = normalised(edit.plan(target.fd), Window(target.fd))
        if not splices:
            return expected
        check_permitted(target, options=options)
        check_room(target, new_size(splices, target.status.st_size))
        with copied(target, edit, splices, options=options) as copy:
            check_unchanged(target, expected)
            if target.status.st_nlink > 1 and options.hardlinks == "in-place":
                return _overwritten(target, copy, expected=expected, options=options)
            written = FileVersion.of(os.fstat(copy.fd))
            at_once = not may_be_lost(target.fd)
            target.close()  # SMB replaces no file that is open
            try:
                rename_over(target.directory_fd, target.name, copy, at_once=at_once)
            except OSError as exc:
                if exc.errno in _OPEN_ELSEWHERE:
                    raise _in_use(path, "and this share replaces no such file") from exc
                raise
            sync_directory(target.directory_fd)
            return written  # from here on nothing may fail: the file is changed


def _overwritten(
    target: Target, copy: temps.Temporary, *, expected: FileVersion, options: WriteOptions
) -> FileVersion:
    if not inplace.claim(target.fd):
        raise _in_use(target.path)
    return inplace.overwrite(
        target.directory_fd,
        target.name,
        target.fd,
        copy.fd,
        mtime=options.mtime,
        check=partial(check_unchanged, target, expected),
    )


@contextmanager
def copied(
    target: Target, edit: Edit, splices: Sequence[Splice], *, options: WriteOptions
) -> Iterator[temps.Temporary]:
    """Make a verified, durable copy under a temporary name, which is gone at the end if it still is there."""
    temporary = temps.create(target.directory_fd, target.name)
    try:
        check_owner(target, temporary.fd)
        write_copy(target.fd, temporary.fd, splices)
        temps.let_read(target.directory_fd, temporary)
        edit.verify(target.fd, temporary.fd, target.real.parent / temporary.name)
        copy_attributes(target.fd, temporary.fd, mtime=options.mtime)
        os.fsync(temporary.fd)
        yield temporary
    finally:
        temps.remove(target.directory_fd, temporary)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says into our errors, each with what to do about it."""
    try:
        yield
    except OSError as exc:
        known = _READ_ONLY.get(exc.errno or 0)
        if known:
            raise WriteRefusedError(path, f"{known[1]} ({exc.strerror})", code=known[0]) from exc
        if exc.errno in _NO_ROOM:
            raise TagError(
                path, "no room for a copy beside it, free some space", code="no space", transient=True
            ) from exc
        if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
            raise FileChangedError(path, "the file is gone", code="gone") from exc
        raise TagError(
            path, f"the system failed ({exc.strerror or exc}), try again later", code="io", transient=True
        ) from exc


@contextmanager
def opened(path: Path, *, expected: FileVersion) -> Iterator[Target]:
    """Open the file behind a path and its directory, and check that it is the expected version."""
    real = Path(os.path.realpath(path))
    directory_fd = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = os.open(
            real.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=directory_fd
        )
        target = Target(path, real, fd, directory_fd, os.fstat(fd))
        try:
            if not stat.S_ISREG(target.status.st_mode):
                raise TagError(path, "not a regular file", code="not a file")
            check_unchanged(target, expected)
            yield target
        finally:
            target.close()
    finally:
        temps.close(directory_fd)


def check_permitted(target: Target, *, options: WriteOptions) -> None:
    """Refuse what the safety rules forbid, before anything is created.

    Raises
    ------
    WriteRefusedError
        The file is write-protected, immutable, somebody else's, or has further names, or its directory
        cannot be written.
    """
    status = target.status
    if is_immutable(target.fd):
        raise WriteRefusedError(
            target.path, "the file carries the immutable flag, clear it to have it tagged", code="immutable"
        )
    if not os.access(target.real.parent, os.W_OK):  # as the daemon asks, before it tries again
        problem = "no permission to write to its directory, check its permissions"
        if os.fstatvfs(target.directory_fd).f_flag & os.ST_RDONLY:
            problem = "the file system is mounted read-only"
        raise WriteRefusedError(target.path, problem, code=UNWRITABLE_DIRECTORY)
    if not os.access(target.real, os.W_OK) or not stat.S_IMODE(status.st_mode) & 0o222:
        raise WriteRefusedError(
            target.path, "the file is write-protected, make it writable to have it tagged", code="read-only"
        )
    if os.geteuid() not in {0, status.st_uid}:
        with suppress(OSError, AttributeError):  # where no file can be without a name, the copy will tell
            fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=target.directory_fd)
            try:
                check_owner(target, fd)
            finally:
                temps.close(fd)
    if status.st_nlink > 1 and options.hardlinks == "skip":
        raise WriteRefusedError(
            target.path,
            f'the file has {status.st_nlink} names (hard links), see the option "hardlinks"',
            code="hard links",
        )


def check_owner(target: Target, fd: int) -> None:
    """Refuse a file that, once it is replaced by a new one beside it, would belong to somebody else.

    Some file systems, such as those of Windows and shares that know one user only, give every file to the
    same owner, whoever makes it.

    Raises
    ------
    WriteRefusedError
        It would.
    """
    if os.geteuid() and os.fstat(fd).st_uid != target.status.st_uid:
        raise WriteRefusedError(
            target.path,
            "the file belongs to another user, whose it could not remain; run genretagd as that user",
            code="other owner",
        )


def check_room(target: Target, size: int) -> None:
    """Refuse to begin a copy that cannot fit.

    Raises
    ------
    TagError
        The file system has less room than the copy needs.
    """
    room = os.fstatvfs(target.directory_fd)
    available = room.f_bavail * room.f_frsize
    if room.f_blocks and available < size:
        raise TagError(
            target.path,
            f"no room for a copy beside it ({size:,} bytes needed, {available:,} free), free some space",
            code="no space",
            transient=True,
        )


def check_unchanged(target: Target, expected: FileVersion) -> None:
    """Check that the name still leads to the expected version of the file, and nothing happened to it.

    An edit that puts the modification time back, and a new owner, mode, attribute or name change its
    status change time (``ctime``), which no program can set.

    Raises
    ------
    FileChangedError
        It does not.
    """
    try:
        status = os.stat(target.name, dir_fd=target.directory_fd, follow_symlinks=False)
    except FileNotFoundError as exc:
        raise FileChangedError(target.path, "the file is gone", code="gone") from exc
    if FileVersion.of(status) != expected or status.st_ctime_ns != target.status.st_ctime_ns:
        raise changed_meanwhile(target.path)
    if has_writer(target.fd):
        raise _in_use(target.path)


def changed_meanwhile(path: Path) -> FileChangedError:
    """Return the error for a file that is no longer the version that was looked at."""
    problem = "somebody else changed the file meanwhile, it is left alone"
    return FileChangedError(path, problem, code="changed", transient=True)


def _in_use(path: Path, how: str = "for writing") -> FileChangedError:
    return FileChangedError(path, f"another program has the file open {how}", code="in use", transient=True)


def sync_directory(directory_fd: int) -> None:
    """Make a rename durable, where the file system can."""
    # The rename has happened: a failure here can no longer be undone, and either version is whole.
    with suppress(OSError):
        os.fsync(directory_fd)
