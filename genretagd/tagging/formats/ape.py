"""APEv2 tags (and the first version of them), taken apart to whole items (wiki.hydrogenaud.io, APEv2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from genretagd.tagging.elements import DamagedError, Element, Tag, UnsupportedError
from genretagd.tagging.fields import APE_ROW, NAMES
from genretagd.tagging.splice import Window

MAGIC: Final = b"APETAGEX"
FOOTER: Final = 32
_VERSION: Final = 2000
_HAS_HEADER: Final = 0x80000000
_IS_HEADER: Final = 0x20000000
_HAS_NO_FOOTER: Final = 0x40000000
_CANONICAL: Final = {name.casefold(): name for name in (*NAMES, APE_ROW.genre)}


@dataclass(frozen=True, slots=True)
class Ape:
    """A tag as found: where it lies (size 0 if it is not there), its header (if it has one) and footer."""

    start: int
    size: int
    header: bytes
    footer: bytes
    tag: Tag


def parse(window: Window, end: int) -> Ape:
    """Take the tag that ends at an offset apart.

    Raises
    ------
    DamagedError
        It cannot be fully parsed.
    """
    footer = window.read(end - FOOTER, FOOTER) if end >= FOOTER else b""
    if footer[:8] != MAGIC:
        facts = MAGIC + struct.pack("<III", _VERSION, 0, 0)
        header = facts + struct.pack("<IQ", _HAS_HEADER | _IS_HEADER, 0)
        new = Tag("APEv2", APE_ROW, present=False)
        return Ape(end, 0, header, facts + struct.pack("<IQ", _HAS_HEADER, 0), new)
    size, count, flags = struct.unpack("<III", footer[12:24])
    if flags & (_IS_HEADER | _HAS_NO_FOOTER) or size < FOOTER:
        raise DamagedError("the footer of the APEv2 tag is damaged")
    start = end - size - (FOOTER if flags & _HAS_HEADER else 0)
    data = window.read(end - size, size - FOOTER)
    if start < 0 or len(data) != size - FOOTER:
        raise DamagedError("the APEv2 tag is longer than the file")
    header = window.read(start, FOOTER) if flags & _HAS_HEADER else b""
    if header and header[:20] != footer[:20]:
        raise DamagedError("the APEv2 tag has no header where it should be")
    elements = _items(data, count)
    return Ape(start, end - start, header, footer, Tag("APEv2", APE_ROW, elements))


def render(found: Ape, tag: Tag) -> bytes:
    """Put a tag together in the manner of the one found.

    Raises
    ------
    UnsupportedError
        It would be larger than readers accept.
    """
    if not tag.present:
        return b""
    items = b"".join(e.raw for e in tag.elements)
    if len(items) > 1 << 28:
        raise UnsupportedError("no room in an APEv2 tag")
    facts = struct.pack("<II", len(items) + FOOTER, len(tag.elements))
    header, footer = (part and part[:12] + facts + part[20:] for part in (found.header, found.footer))
    return header + items + footer


def _items(data: bytes, count: int) -> tuple[Element, ...]:
    elements = []
    position = 0
    for _ in range(count):
        size = int.from_bytes(data[position : position + 4], "little")
        stop = data.find(b"\0", position + 8, position + 8 + 256)
        if position + 8 > len(data) or stop < position + 10 or stop + 1 + size > len(data):
            raise DamagedError(f"the item at byte {position} of the APEv2 tag is damaged")
        key = data[position + 8 : stop].decode("latin-1")
        elements.append(Element(_CANONICAL.get(key.casefold(), key), data[position : stop + 1 + size]))
        position = stop + 1 + size
    if position != len(data):
        raise DamagedError("the APEv2 tag has bytes that belong to no item")
    return tuple(elements)
