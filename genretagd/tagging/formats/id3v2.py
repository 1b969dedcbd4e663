"""ID3v2.2, 2.3 and 2.4 tags, taken apart to whole frames and put together again (id3.org)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from genretagd.tagging.elements import DamagedError, Element, Tag, UnsupportedError
from genretagd.tagging.fields import id3v2_row
from genretagd.tagging.splice import Window
from genretagd.tagging.values import (
    deunsynchronised,
    from_synchsafe,
    id3_description,
    synchsafe,
    unsynchronised,
)

HEADER: Final = 10
NEW_VERSION: Final = 4
_NAME: Final = re.compile(rb"[A-Z][A-Z0-9]{2}[A-Z0-9 \0]?\Z")
_UNSYNCHRONISED: Final = 0x80
_EXTENDED: Final = 0x40
_FOOTER: Final = 0x10


@dataclass(frozen=True, slots=True)
class Id3v2:
    """A tag as found, with what its header says.

    Attributes
    ----------
    start, size : int
        Where it lies in the file, header and footer included, in bytes; size 0 if it is not there.
    version, revision, flags : int
        Of the header.
    extended : bytes
        The extended header, its own size field included.
    footer : bytes
        Of version 2.4 only; its flags need not be those of the header. Empty if there is none.
    tag : Tag
        Its frames.
    """

    start: int
    size: int
    version: int
    revision: int
    flags: int
    extended: bytes
    footer: bytes
    tag: Tag


def absent(start: int) -> Id3v2:
    """Return the tag that a file without one could have at an offset."""
    row = id3v2_row(NEW_VERSION)
    return Id3v2(start, 0, NEW_VERSION, 0, 0, b"", b"", Tag(f"ID3v2.{NEW_VERSION}", row, present=False))


def total_size(window: Window, start: int) -> int:
    """Return the size in bytes of the ID3v2 tag at an offset, 0 if there is none.

    Raises
    ------
    DamagedError
        Its header makes no sense.
    """
    header = window.read(start, HEADER)
    if len(header) < HEADER or header[:3] != b"ID3":
        return 0
    body = from_synchsafe(header[6:10])
    if body is None or header[3] == 0xFF or header[4] == 0xFF:
        raise DamagedError("the ID3v2 header is damaged")
    return HEADER + body + (HEADER if header[3] == 4 and header[5] & _FOOTER else 0)


def parse(window: Window, start: int) -> Id3v2:
    """Take the tag at an offset apart.

    Raises
    ------
    DamagedError
        It cannot be fully parsed.
    UnsupportedError
        It is of a version or uses a feature that cannot be kept.
    """
    size = total_size(window, start)
    if not size:
        return absent(start)
    data = window.read(start, size)
    if len(data) < size:
        raise DamagedError("the ID3v2 tag is longer than the file")
    version, revision, flags = data[3], data[4], data[5]
    if version not in {2, 3, 4}:
        raise UnsupportedError(f"an ID3v2.{version} tag")
    if version == 2 and flags & 0x40:
        raise UnsupportedError("a compressed ID3v2.2 tag")
    footer = data[-HEADER:] if version == 4 and flags & _FOOTER else b""
    if footer and (footer[:4] != b"3DI\4" or footer[6:] != data[6:HEADER]):
        raise DamagedError("the ID3v2 tag has no footer where it should be")
    body = data[HEADER : size - len(footer)]
    if flags & _UNSYNCHRONISED and version < 4:
        body = deunsynchronised(body)
    extended = _extended_header(body, version, flags)
    within = version == 4 and bool(flags & _UNSYNCHRONISED)
    frames = body[len(extended) :]
    plain = False
    try:
        elements, padding = _frames(frames, version, plain=version < 4, unsynchronised=within)
    except DamagedError:
        if version < 4:
            raise
        plain = True  # iTunes wrote such sizes for years
        elements, padding = _frames(frames, version, plain=True, unsynchronised=within)
    if footer and padding:
        raise DamagedError("the ID3v2 tag has padding before its footer")
    row = id3v2_row(version, plain_sizes=plain, unsynchronised=within)
    tag = Tag(f"ID3v2.{version}", row, elements, padding)
    return Id3v2(start, size, version, revision, flags, extended, footer, tag)


def render(found: Id3v2, tag: Tag) -> bytes:
    """Put a tag together in the manner of the one found: version, flags, room in bytes.

    Raises
    ------
    UnsupportedError
        It would be larger than an ID3v2 tag can be.
    """
    if not tag.present:
        return b""
    frames = b"".join(e.raw for e in tag.elements)
    stored = _stored(found, frames, 0)
    padding = tag.padding if tag.exact else found.size - HEADER - len(found.footer) - len(stored)
    if padding < 0:
        padding = found.tag.padding
    if found.footer:
        padding = 0
    if found.version == 3 and found.extended:
        stored = _stored(found, frames, padding)
    size = len(stored) + padding
    if size >= 1 << 28:
        raise UnsupportedError("no room in an ID3v2 tag")
    header = b"ID3" + bytes([found.version, found.revision, found.flags]) + synchsafe(size)
    footer = found.footer and found.footer[:6] + synchsafe(size)
    return header + stored + bytes(padding) + footer


def secondary(found: Id3v2, number: int) -> Id3v2:
    """Return a further tag of a file, to be kept in step where it has a genre."""
    return replace(found, tag=replace(found.tag, kind=f"{found.tag.kind}#{number}", role="step"))


def _stored(found: Id3v2, frames: bytes, padding: int) -> bytes:
    extended = found.extended
    if found.version == 3 and int.from_bytes(extended[6:10], "big") == found.tag.padding and extended:
        extended = extended[:6] + padding.to_bytes(4, "big") + extended[10:]
    body = extended + frames
    return unsynchronised(body) if found.flags & _UNSYNCHRONISED and found.version < 4 else body


def _extended_header(body: bytes, version: int, flags: int) -> bytes:
    if version == 2 or not flags & _EXTENDED:
        return b""
    if _NAME.match(body[:4]):
        return b""  # the flag is set, but frames follow at once: some programs wrote that
    size = from_synchsafe(body[:4]) if version == 4 else int.from_bytes(body[:4], "big") + 4
    if size is None or size < 6 or size > len(body):
        raise DamagedError("the extended header of the ID3v2 tag is damaged")
    checksum = body[5] & 0x20 if version == 4 else body[4] & 0x80
    if checksum:
        raise UnsupportedError("an ID3v2 tag with a checksum")
    if version == 3 and size < 10:
        raise DamagedError("the extended header of the ID3v2 tag is damaged")
    return body[:size]


def _frames(
    data: bytes, version: int, *, plain: bool, unsynchronised: bool
) -> tuple[tuple[Element, ...], int]:
    head = 6 if version == 2 else 10
    letters = 3 if version == 2 else 4
    elements = []
    position = 0
    while position < len(data) and data[position]:
        header = data[position : position + head]
        if len(header) < head or not _NAME.match(header[:letters]):
            raise DamagedError(f"no frame at byte {position} of the ID3v2 tag")
        field = header[letters : 2 * letters]
        size = int.from_bytes(field, "big") if plain or version == 2 else from_synchsafe(field)
        if size is None or position + head + size > len(data):
            raise DamagedError(f"the frame at byte {position} of the ID3v2 tag does not fit into it")
        raw = data[position : position + head + size]
        name = raw[:letters].decode("ascii")
        if name in {"TXX", "TXXX"}:
            name += f":{id3_description(version, raw, unsynchronised=unsynchronised) or ''}"
        elements.append(Element(name, raw))
        position += head + size
    if data[position:].strip(b"\0"):
        raise DamagedError("the padding of the ID3v2 tag is not empty")
    return tuple(elements), len(data) - position
