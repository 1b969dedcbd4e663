"""MP4's absolute offsets, which move when what lies before them grows (ISO/IEC 14496-12, 8.7.5, 8.8)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from genretagd.tagging.elements import DamagedError, UnsupportedError
from genretagd.tagging.splice import Splice, Window

_CONTAINERS: Final = frozenset({b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mfra"})
_LARGEST_FRAGMENT: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class Atom:
    """An atom: its name, where it starts, the size of its header and of the whole, in bytes."""

    name: bytes
    start: int
    head: int
    size: int

    @property
    def end(self) -> int:
        """Return the offset of what follows it."""
        return self.start + self.size


def atoms(data: bytes | bytearray, start: int, end: int) -> Iterator[Atom]:
    """Yield the atoms between two offsets; four zero bytes at the end are QuickTime's terminator.

    Raises
    ------
    DamagedError
        They do not fill the range.
    """
    while start < end:
        if end - start == 4 and not any(data[start:end]):
            return
        if end - start < 8:
            raise DamagedError("an MP4 atom is cut off")
        size, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and end - start >= 16:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        if size < head or start + size > end:
            raise DamagedError(f"the MP4 atom {name!r} does not fit into the one around it")
        yield Atom(name, start, head, size)
        start += size


def patched_moov(content: bytes, threshold: int, by: int) -> bytes:
    """Return the content of moov with every chunk offset at or after `threshold` moved `by` bytes.

    Raises
    ------
    UnsupportedError
        An offset would not fit its field, or there are offsets of a kind we do not move.
    """
    data = bytearray(content)
    for atom in _walk(data, 0, len(data)):
        start = atom.start + atom.head
        if atom.name == b"saio":
            raise UnsupportedError("an MP4 file with encryption data that cannot be moved")
        if atom.name in {b"stco", b"co64"}:
            width = 4 if atom.name == b"stco" else 8
            count = _count(data, start + 4, atom.end, width)
            _move_table(data, start + 8, count=count, width=width, threshold=threshold, by=by)
    return bytes(data)


def shifted_rest(window: Window, top: Sequence[Atom], threshold: int, by: int) -> Iterator[Splice]:
    """Yield splices for the offsets that lie outside of moov: in fragments and their index.

    Raises
    ------
    UnsupportedError
        There are offsets of a kind we do not move.
    """
    for atom in top:
        if atom.name == b"meta":
            raise UnsupportedError("an MP4 file with items of a kind that cannot be moved")
        if atom.name not in {b"moof", b"mfra"}:
            continue
        if atom.size > _LARGEST_FRAGMENT:
            raise DamagedError("a fragment header of the MP4 file is far too large")
        old = window.read(atom.start, atom.size)
        data = bytearray(old)
        for inner in _walk(data, 0, len(data)):
            start = inner.start + inner.head
            if inner.name == b"tfhd" and data[start + 3] & 1:
                _move_table(data, start + 8, count=1, width=8, threshold=threshold, by=by)
            elif inner.name == b"tfra":
                _move_index(data, start, inner.end, threshold, by)
        if data != old:
            yield Splice(atom.start, atom.size, bytes(data))


def _walk(data: bytearray, start: int, end: int) -> Iterator[Atom]:
    for atom in atoms(data, start, end):
        if atom.name in _CONTAINERS:
            yield from _walk(data, atom.start + atom.head, atom.end)
        else:
            yield atom


def _count(data: bytearray, at: int, end: int, width: int) -> int:
    count = int.from_bytes(data[at : at + 4], "big")
    if at + 4 + count * width > end:
        raise DamagedError("a table of offsets of the MP4 file is damaged")
    return count


def _move_table(data: bytearray, at: int, *, count: int, width: int, threshold: int, by: int) -> None:
    form = f">{count}{'I' if width == 4 else 'Q'}"
    if at + count * width > len(data):
        raise DamagedError("a table of offsets of the MP4 file is damaged")
    moved = [offset + by if offset >= threshold else offset for offset in struct.unpack_from(form, data, at)]
    try:
        struct.pack_into(form, data, at, *moved)
    except struct.error as exc:
        raise UnsupportedError("an MP4 file whose offsets have no room to move") from exc


def _move_index(data: bytearray, start: int, end: int, threshold: int, by: int) -> None:
    width = 8 if data[start] else 4
    sizes = int.from_bytes(data[start + 8 : start + 12], "big")
    entry = 2 * width + sum(((sizes >> shift) & 3) + 1 for shift in (4, 2, 0))
    for index in range(_count(data, start + 12, end, entry)):
        at = start + 16 + index * entry + width
        _move_table(data, at, count=1, width=width, threshold=threshold, by=by)
