"""Is a quiet file whole? Nobody has it open for writing, nothing of it is missing, and it has no holes.

These questions cost microseconds and open the file read-only; no audio library is involved.
"""

# Paths are plain strings here: a Path per file costs more than looking at the file.
# ruff: noqa: PTH122

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO, Final

from genretagd.settling import Unfinished
from genretagd.writers import has_writer

MOST_BOXES: Final = 10_000
"""A file of more MP4 boxes than this is not measured to its end."""


def unfinished(path: str) -> Unfinished | None:
    """Return why a file is not whole, or None where nothing speaks against it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None  # a locked file is for the pipeline to report and to try again
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        if has_writer(fd):
            return Unfinished("open for writing", patient=True)
        try:
            missing = missing_bytes(file, os.path.splitext(path)[1].casefold(), status.st_size)
        except (OSError, struct.error):
            return None
        if missing > 0:
            return Unfinished(f"{missing} bytes are missing", patient=False)
        if has_hole(fd, status.st_size):
            return Unfinished("parts of it are not written yet", patient=False)
    return None


def has_hole(fd: int, size: int) -> bool:
    """Return whether nobody has written some part of a file yet; False where it cannot be known.

    So does a torrent client leave it between the pieces that it has, in whatever order they come, open or
    not. (But so is long silence in a WAV file on a file system that compresses.)
    """
    try:
        return os.lseek(fd, 0, os.SEEK_HOLE) < size
    except (AttributeError, OSError):
        return False


def missing_bytes(file: BinaryIO, suffix: str, size: int) -> int:
    """Return how many bytes a container promises beyond the file's size; 0 where it is whole or unknown.

    Parameters
    ----------
    file : binary file
        Open at its start.
    suffix : str
        The file name's suffix in lower case.
    size : int
        Size of the file in bytes.
    """
    measure = _MEASURES.get(suffix)
    return max(0, measure(file, size) - size) if measure else 0


def _riff(file: BinaryIO, _size: int) -> int:
    # RIFF: "RIFF", size of the rest as 32 bits, little-endian. Streams write 0 or all ones.
    name, length = struct.unpack("<4sI", file.read(8))
    return 0 if name != b"RIFF" or length >= 0xFFFFFF00 else length + 8


def _aiff(file: BinaryIO, _size: int) -> int:
    # EA IFF 85: "FORM", size of the rest as 32 bits, big-endian.
    name, length = struct.unpack(">4sI", file.read(8))
    return 0 if name != b"FORM" or length >= 0xFFFFFF00 else length + 8


def _dsf(file: BinaryIO, _size: int) -> int:
    # DSF 1.01: "DSD ", size of this chunk, total file size as 64 bits, little-endian.
    name, _chunk, total = struct.unpack("<4sQQ", file.read(20))
    return int(total) if name == b"DSD " else 0


def _mp4(file: BinaryIO, size: int) -> int:
    # ISO 14496-12: boxes of size (32 bits, 1: 64 bits follow, 0: to the end) and type, one after another.
    position = 0
    seen: set[bytes] = set()
    for _ in range(MOST_BOXES):
        if position + 8 > size:
            break
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if not seen and kind not in {b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"}:
            return 0
        seen.add(kind)
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
        if length == 0:
            position = size
            break
        if length < 8:
            return 0
        position += length
    if b"moov" not in seen and position >= size:
        return size + 1  # the index comes last in many files: without it nothing plays
    return position


def _asf(file: BinaryIO, size: int) -> int:
    # ASF 1.2: objects of a 16-byte GUID and a 64-bit size: the header, then the data.
    position = 0
    for _ in range(2):
        if position + 24 > size:
            return max(position, size + 1) if position else 0
        file.seek(position)
        guid, length = struct.unpack("<16sQ", file.read(24))
        if position == 0 and guid[:4] != b"\x30\x26\xb2\x75":
            return 0
        if length < 24:
            return 0
        position += length
    return position


def _ogg(file: BinaryIO, size: int) -> int:
    # RFC 3533: the last page of a logical stream has flag 4 set; the last page starts in the last 64 KiB.
    if file.read(4) != b"OggS":
        return 0
    file.seek(max(0, size - 65_307 - 128))
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or at + 27 > len(tail):
        return size + 1
    segments = tail[at + 26]
    table = tail[at + 27 : at + 27 + segments]
    end = at + 27 + segments + sum(table)
    return size + end - len(tail) if len(table) == segments else size + 1


def _mp3(file: BinaryIO, _size: int) -> int:
    # The Xing/Info header of the first frame may tell the number of bytes of the stream.
    start = 0
    head = file.read(10)
    if head[:3] == b"ID3":
        flags, a, b, c, d = head[5], *head[6:10]
        start = 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if flags & 0x10 else 0)
    file.seek(start)
    frame = file.read(200)
    for name in (b"Xing", b"Info"):
        at = frame.find(name, 4)
        if frame[:1] == b"\xff" and 0 < at <= 40 and len(frame) >= at + 16:
            flags = int.from_bytes(frame[at + 4 : at + 8], "big")
            if flags & 2:
                offset = at + 8 + (4 if flags & 1 else 0)
                return start + int.from_bytes(frame[offset : offset + 4], "big")
    return 0


_MEASURES: Final[Mapping[str, Callable[[BinaryIO, int], int]]] = {
    ".wav": _riff,
    ".aif": _aiff,
    ".aiff": _aiff,
    ".aifc": _aiff,
    ".dsf": _dsf,
    ".mp4": _mp4,
    ".m4a": _mp4,
    ".m4b": _mp4,
    ".wma": _asf,
    ".asf": _asf,
    ".ogg": _ogg,
    ".oga": _ogg,
    ".opus": _ogg,
    ".spx": _ogg,
    ".mp3": _mp3,
}
