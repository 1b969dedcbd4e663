"""Vorbis comments, taken apart to whole comments (xiph.org, Ogg Vorbis I comment field specification)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from genretagd.tagging.elements import DamagedError, Element, Tag, UnsupportedError
from genretagd.tagging.fields import VORBIS_ROW


@dataclass(frozen=True, slots=True)
class Comments:
    """A comment structure as found.

    Attributes
    ----------
    vendor : bytes
        The encoder's name.
    tag : Tag
        The comments.
    suffix : bytes
        What follows them and is kept: Vorbis's framing bit, Opus's binary data.
    """

    vendor: bytes
    tag: Tag
    suffix: bytes


def parse(data: bytes, *, framing: bool = False) -> Comments:
    """Take a comment structure apart; zero bytes after it count as padding.

    Raises
    ------
    DamagedError
        It cannot be fully parsed.
    """
    position = 0

    def counted() -> bytes:
        nonlocal position
        if position + 4 > len(data):
            raise DamagedError("the Vorbis comment ends too early")
        (length,) = struct.unpack_from("<I", data, position)
        if position + 4 + length > len(data):
            raise DamagedError("a Vorbis comment is longer than its block")
        position += 4 + length
        return data[position - length : position]

    vendor = counted()
    if position + 4 > len(data):
        raise DamagedError("the Vorbis comment ends too early")
    (count,) = struct.unpack_from("<I", data, position)
    position += 4
    if count > (len(data) - position) // 4:
        raise DamagedError("the Vorbis comment claims more fields than it has room for")
    elements = tuple(Element(_name(raw), raw) for raw in (counted() for _ in range(count)))
    rest = data[position:]
    suffix = b""
    if framing:
        if not rest or not rest[0] & 1:
            raise DamagedError("the Vorbis comment lacks its framing bit")
        suffix, rest = rest[:1], rest[1:]
    if rest.strip(b"\0"):  # Opus allows binary data here
        return Comments(vendor, Tag("Vorbis comment", VORBIS_ROW, elements), suffix + rest)
    return Comments(vendor, Tag("Vorbis comment", VORBIS_ROW, elements, padding=len(rest)), suffix)


def render(found: Comments, tag: Tag, *, padding: int = 0) -> bytes:
    """Put a comment structure together.

    Raises
    ------
    UnsupportedError
        A field would be larger than the structure can hold.
    """
    parts = [struct.pack("<I", len(found.vendor)), found.vendor, struct.pack("<I", len(tag.elements))]
    for element in tag.elements:
        if len(element.raw) >= 1 << 32:
            raise UnsupportedError("no room in a Vorbis comment")
        parts += [struct.pack("<I", len(element.raw)), element.raw]
    return b"".join((*parts, found.suffix, bytes(padding)))


def _name(raw: bytes) -> str:
    key, separator, _ = raw.partition(b"=")
    return key.decode("latin-1").upper() if separator else ""
