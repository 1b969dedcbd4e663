"""Ogg: the comment packet of the first audio stream, spread over pages (RFC 3533), chained or multiplexed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from genretagd.tagging.elements import DamagedError, Tag, UnsupportedError
from genretagd.tagging.formats import vorbis
from genretagd.tagging.splice import Splice, Window

_HEAD: Final = 27
_CONTINUED: Final = 1
_FIRST: Final = 2
_LAST: Final = 4
_NO_PACKET_ENDS: Final = (1 << 64) - 1
_LARGEST_COMMENT: Final = 1 << 28
_CODECS: Final = (
    (b"\x01vorbis", "Ogg Vorbis", b"\x03vorbis"),
    (b"OpusHead", "Opus", b"OpusTags"),
    (b"Speex   ", "Speex", b""),
    (b"\x7fFLAC", "Ogg FLAC", b""),
)
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it starts, its header's fields, its lacing values and the size of its content."""

    start: int
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes

    @property
    def content(self) -> int:
        """Return the offset of its content."""
        return self.start + _HEAD + len(self.lacing)

    @property
    def end(self) -> int:
        """Return the offset of what follows it."""
        return self.content + sum(self.lacing)


@dataclass(frozen=True, slots=True)
class Ogg:
    """An Ogg file: its comments and the pages between the identification header and the audio.

    Attributes
    ----------
    format : str
        Such as ``"Opus"``.
    """

    format: str
    _window: Window
    _pages: tuple[Page, ...]
    _packets: tuple[bytes, ...]
    _prefix: bytes
    _comments: vorbis.Comments

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The comments."""
        return (self._comments.tag,)

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """See `Document.splices`."""
        tag = tags[0]
        if tag == self._comments.tag:
            return []
        content = vorbis.render(self._comments, tag)
        padding = tag.padding if tag.exact else len(self._packets[0]) - len(self._prefix) - len(content)
        if padding < 0 or len(self._comments.suffix) > 1:
            padding = self._comments.tag.padding
        prefix = self._prefix
        if self.format == "Ogg FLAC":
            if len(content) + padding >= 1 << 24:
                raise UnsupportedError("no room in a FLAC comment block")
            prefix = prefix[:1] + (len(content) + padding).to_bytes(3, "big")
        packet = prefix + content + bytes(padding)
        return self._with_packets((packet, *self._packets[1:]), tag)

    def _with_packets(self, packets: Sequence[bytes], tag: Tag) -> list[Splice]:
        old, serial = self._pages, self._pages[0].serial
        fresh = _paged(packets, old, tag)
        region: list[bytes] = []
        for page in _pages(self._window, old[0].start):
            if page.start >= old[-1].end:
                break
            if page.serial != serial:  # another stream's page in between stays where it is
                region.append(self._window.read(page.start, page.end - page.start))
            elif fresh:
                region.append(fresh.pop(0))
        start, end = old[0].start, old[-1].end
        added = len(fresh) - (len(old) - _count(region, serial))
        splices = [Splice(start, end - start, b"".join((*region, *fresh)))]
        if added:
            splices += self._renumbered(end, serial, added)
        return splices

    def _renumbered(self, start: int, serial: int, by: int) -> Iterator[Splice]:
        for page in _pages(self._window, start):
            if page.serial != serial:
                continue
            if page.flags & _FIRST:
                return  # the next link of a chain
            raw = bytearray(self._window.read(page.start, page.end - page.start))
            found, right = _checksum(raw), _checksum(_with_checksum(raw))
            struct.pack_into("<I", raw, 18, (page.number + by) & 0xFFFFFFFF)
            fresh = _checksum(_with_checksum(raw)) ^ right ^ found  # a damaged page stays one
            yield Splice(page.start + 18, 8, bytes(raw[18:22]) + fresh.to_bytes(4, "big"))
            if page.flags & _LAST:
                return


def parse(window: Window) -> Ogg:
    """Take the headers of an Ogg file apart.

    Raises
    ------
    DamagedError
        They cannot be fully parsed.
    UnsupportedError
        There is no stream whose comments we know how to write.
    """
    name, magic, first = "", b"", None
    pages = _pages(window, 0)
    for page in pages:
        if not page.flags & _FIRST:
            break
        head = window.read(page.content, 16)
        for start, codec, comment in _CODECS:
            if first is None and head.startswith(start):
                name, magic, first = codec, comment, page
    if first is None:
        raise UnsupportedError("an Ogg file without Vorbis, Opus, Speex or FLAC")
    if not first.lacing or first.lacing[-1] == 255 or first.lacing.count(255) != len(first.lacing) - 1:
        raise DamagedError("the first Ogg page holds more than the identification header")
    ours, packets = _packets(window, first)
    packet = packets[0]
    size = len(magic)
    if name == "Ogg FLAC":
        size = 4
        if len(packet) < 4 or packet[0] & 0x7F != 4 or int.from_bytes(packet[1:4], "big") != len(packet) - 4:
            raise DamagedError("no comments follow the identification header")
    elif not packet.startswith(magic):
        raise DamagedError("no comments follow the identification header")
    comments = vorbis.parse(packet[size:], framing=name == "Ogg Vorbis")
    tag = replace(comments.tag, sizes=tuple(len(page.lacing) for page in ours))
    return Ogg(name, window, ours, packets, packet[:size], replace(comments, tag=tag))


def _packets(window: Window, first: Page) -> tuple[tuple[Page, ...], tuple[bytes, ...]]:
    """Return the pages from the comment packet on to one that ends with a whole packet, and the packets."""
    found: list[Page] = []
    packets: list[bytes] = []
    parts: list[bytes] = []
    total = 0
    for page in _pages(window, first.end):
        if page.serial != first.serial:
            continue
        if page.flags & _FIRST or bool(page.flags & _CONTINUED) != bool(parts):
            raise DamagedError("the Ogg pages of the comments do not fit together")
        if page.number != first.number + len(found) + 1:
            raise DamagedError("an Ogg page of the comments is missing")
        raw = window.read(page.start, page.end - page.start)
        if _with_checksum(bytearray(raw)) != raw:
            raise DamagedError("an Ogg page of the comments has a wrong checksum")
        found.append(page)
        position = _HEAD + len(page.lacing)
        for lace in page.lacing:
            parts.append(raw[position : position + lace])
            position += lace
            if lace < 255:
                packets.append(b"".join(parts))
                parts = []
        total += len(raw)
        if total > _LARGEST_COMMENT:
            raise DamagedError("the comments of the Ogg file have no end")
        if packets and not parts:
            return tuple(found), tuple(packets)
    raise DamagedError("the Ogg file ends within its comments")


def _pages(window: Window, start: int) -> Iterator[Page]:
    while start < window.size:
        head = window.read(start, _HEAD + 255)
        if len(head) < _HEAD or head[:5] != b"OggS\0":
            raise DamagedError(f"no Ogg page at byte {start}")
        flags, granule, serial, number = struct.unpack_from("<BQII", head, 5)
        lacing = head[_HEAD : _HEAD + head[26]]
        page = Page(start, flags, granule, serial, number, lacing)
        if len(lacing) < head[26] or page.end > window.size:
            raise DamagedError(f"the Ogg page at byte {start} is longer than the file")
        yield page
        start = page.end


def _counts(left: int, old: Sequence[Page], tag: Tag) -> Sequence[int]:
    """Return how many of so many laces each page takes.

    It is as it was in a former state, or as it is now for as long as that goes.
    """
    if tag.exact and sum(tag.sizes) == left:
        return tag.sizes
    counts: list[int] = []
    for index, page in enumerate(old):
        after = len(old) - index - 1
        count = min(len(page.lacing) if after else 255, max(left - after, 1), left)
        if count:
            counts.append(count)
        left -= count
    while left:
        counts.append(min(left, 255))
        left -= counts[-1]
    return counts


def _paged(packets: Sequence[bytes], old: Sequence[Page], tag: Tag) -> list[bytes]:
    """Spread packets over pages."""
    lacing, content = bytearray(), b"".join(packets)
    for packet in packets:
        lacing += bytes([255]) * (len(packet) // 255) + bytes([len(packet) % 255])
    counts = _counts(len(lacing), old, tag)
    pages, lace_at, content_at = [], 0, 0
    for index, count in enumerate(counts):
        laces = bytes(lacing[lace_at : lace_at + count])
        size = sum(laces)
        continued = lace_at > 0 and lacing[lace_at - 1] == 255
        last = index == len(counts) - 1
        granule = old[-1].granule if last else (0 if min(laces, default=255) < 255 else _NO_PACKET_ENDS)
        flags = (_CONTINUED if continued else 0) | ((old[-1].flags & _LAST) if last else 0)
        page = replace(old[0], flags=flags, granule=granule, number=old[0].number + index, lacing=laces)
        pages.append(_page(page, content[content_at : content_at + size]))
        lace_at, content_at = lace_at + count, content_at + size
    return pages


def _page(page: Page, content: bytes) -> bytes:
    head = struct.pack(
        "<4sBBQIIIB", b"OggS", 0, page.flags, page.granule, page.serial, page.number, 0, len(page.lacing)
    )
    return _with_checksum(bytearray(head + page.lacing + content))


def _with_checksum(raw: bytearray) -> bytes:
    """Return a page with its CRC-32: zlib's polynomial, but with the bits the other way round."""
    raw[22:26] = bytes(4)
    reversed_ = zlib.crc32(raw.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    raw[22:26] = reversed_.to_bytes(4, "big").translate(_REVERSED)
    return bytes(raw)


def _checksum(raw: bytes | bytearray) -> int:
    return int.from_bytes(raw[22:26], "big")


def _count(pages: Sequence[bytes], serial: int) -> int:
    return sum(1 for raw in pages if struct.unpack_from("<I", raw, 14)[0] == serial)
