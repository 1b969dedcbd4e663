"""A new version of a file as a short list of splices; everything outside them stays byte for byte.

A tag editor here never moves audio about in place: it says which ranges of the original give way
to which bytes, and the copy is put together from the original's ranges by the kernel (shared
blocks where the file system can, holes kept) and those few bytes.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 1 << 20
_FICLONE: Final = 0x40049409  # linux/fs.h: share all blocks of another file


@dataclass(frozen=True, slots=True)
class Splice:
    """`length` bytes from `start` on in the original give way to `data`."""

    start: int
    length: int
    data: bytes

    @property
    def end(self) -> int:
        """Return the offset in the original where it goes on."""
        return self.start + self.length


class Window:
    """A file of a fixed size, read at absolute offsets.

    Parameters
    ----------
    fd : int
        Open for reading.
    size : int or None
        Number of bytes that exist; None asks the system.
    """

    def __init__(self, fd: int, size: int | None = None) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size if size is None else size

    def read(self, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start` on; fewer at the end of the file."""
        length = min(length, self.size - start)
        if length <= 0 or start < 0:
            return b""
        data = os.pread(self.fd, length, start)
        if len(data) == length:
            return data
        parts = [data]
        while data and length > len(data):
            start, length = start + len(data), length - len(data)
            data = os.pread(self.fd, length, start)
            parts.append(data)
        return b"".join(parts)


def normalised(splices: Iterable[Splice], window: Window) -> list[Splice]:
    """Return splices in order, each cut down to what really changes; empty if nothing does.

    Raises
    ------
    ValueError
        They overlap or lie outside the file: a mistake of the caller.
    """
    result = []
    position = 0
    for splice in sorted(splices, key=lambda s: (s.start, s.length)):
        if splice.start < position or splice.length < 0 or splice.end > window.size:
            raise ValueError(f"splice {splice.start}+{splice.length} overlaps another or the end of the file")
        position = splice.end
        trimmed = _trimmed(splice, window.read(splice.start, splice.length))
        if trimmed.length or trimmed.data:
            result.append(trimmed)
    return result


def _trimmed(splice: Splice, old: bytes) -> Splice:
    new = splice.data
    shared = min(len(old), len(new))
    head = _common(old[:shared], new[:shared])
    rest = shared - head
    tail = _common(old[len(old) - rest :][::-1], new[len(new) - rest :][::-1])
    return Splice(splice.start + head, len(old) - head - tail, new[head : len(new) - tail])


def _common(one: bytes, other: bytes) -> int:
    low, high = 0, len(one)
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def kept(splices: Sequence[Splice], size: int) -> Iterator[tuple[int, int, int]]:
    """Yield the ranges that stay, as (offset in the original, offset in the copy, length)."""
    position = shift = 0
    for splice in splices:
        if splice.start > position:
            yield position, position + shift, splice.start - position
        position = splice.end
        shift += len(splice.data) - splice.length
    if size > position:
        yield position, position + shift, size - position


def new_size(splices: Sequence[Splice], size: int) -> int:
    """Return the size in bytes that the splices give to a file of `size` bytes."""
    return size + sum(len(s.data) - s.length for s in splices)


def write_copy(source_fd: int, target_fd: int, splices: Sequence[Splice]) -> None:
    """Fill an empty file with another's content under the splices.

    Raises
    ------
    OSError
        Reading or writing failed.
    """
    status = os.fstat(source_fd)
    moved = any(start != target for start, target, _ in kept(splices, status.st_size))
    if not moved and _clone(source_fd, target_fd):
        os.ftruncate(target_fd, new_size(splices, status.st_size))
    else:
        sparse = status.st_blocks * 512 < status.st_size
        for start, target, length in kept(splices, status.st_size):
            ranges = _data_ranges(source_fd, start, length) if sparse else [(start, length)]
            for offset, count in ranges:
                copy_range(source_fd, offset, target_fd, target + offset - start, count)
        os.ftruncate(target_fd, new_size(splices, status.st_size))
    shift = 0
    for splice in splices:
        write_at(target_fd, splice.data, splice.start + shift)
        shift += len(splice.data) - splice.length


def same_outside(source_fd: int, target_fd: int, splices: Sequence[Splice]) -> bool:
    """Return whether a copy equals its original everywhere but in the splices, and holds their data."""
    size = os.fstat(source_fd).st_size
    if os.fstat(target_fd).st_size != new_size(splices, size):
        return False
    for start, target, length in kept(splices, size):
        for done in range(0, length, _CHUNK):
            count = min(_CHUNK, length - done)
            if os.pread(source_fd, count, start + done) != os.pread(target_fd, count, target + done):
                return False
    shift = 0
    for splice in splices:
        if os.pread(target_fd, len(splice.data), splice.start + shift) != splice.data:
            return False
        shift += len(splice.data) - splice.length
    return True


def _clone(source_fd: int, target_fd: int) -> bool:
    with suppress(OSError):  # most file systems cannot
        fcntl.ioctl(target_fd, _FICLONE, source_fd)
        return True
    return False


def _data_ranges(fd: int, start: int, length: int) -> Iterator[tuple[int, int]]:
    end = start + length
    while start < end:
        try:
            data = os.lseek(fd, start, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # only a hole is left
                return
            yield start, end - start
            return
        if data >= end:
            return
        hole = min(os.lseek(fd, data, os.SEEK_HOLE), end)
        yield data, hole - data
        start = hole


def copy_range(source_fd: int, start: int, target_fd: int, target: int, length: int) -> None:
    """Copy a range of one file into another, within the kernel where it can.

    Raises
    ------
    OSError
        Reading or writing failed, or the source is too short.
    """
    by_kernel = hasattr(os, "copy_file_range")
    while length:
        count = 0
        if by_kernel:
            with suppress(OSError):  # some file systems and servers cannot, and say so in many ways
                count = os.copy_file_range(source_fd, target_fd, length, start, target)
            by_kernel = count > 0
        if not by_kernel:
            count = os.pwrite(target_fd, os.pread(source_fd, min(length, _CHUNK), start), target)
        if not count:
            raise OSError(errno.EIO, "the file ended while it was copied")
        start, target, length = start + count, target + count, length - count


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of some bytes into a file.

    Raises
    ------
    OSError
        Writing failed.
    """
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, offset)
        view, offset = view[count:], offset + count
