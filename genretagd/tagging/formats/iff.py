"""Files of chunks: WAV (RIFF, RF64 and BW64), AIFF and AIFF-C, DSDIFF; and DSF, which ends with its tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from genretagd.tagging.elements import DamagedError, Element, Tag, UnsupportedError, inherited
from genretagd.tagging.fields import INFO_ROW
from genretagd.tagging.formats import id3v2
from genretagd.tagging.splice import Splice, Window

_ENDLESS: Final = 0xFFFFFFFF
_LONGEST_BLANK: Final = 1 << 16
_DSF_HEAD: Final = 28
_EMPTY: Final = "empty"
_EDITED_MASTER: Final = {b"DITI": "title", b"DIAR": "artist"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a family of chunk files writes its sizes and where its tag goes.

    Attributes
    ----------
    name : str
        Short name of the container.
    width : int
        Bytes of a size field.
    order : str
        Its byte order.
    tag : bytes
        Name of the chunk for a new ID3v2 tag.
    """

    name: str
    width: int
    order: Literal["little", "big"]
    tag: bytes

    @property
    def head(self) -> int:
        """Return the size of a chunk's header in bytes."""
        return 4 + self.width


WAV: Final = Dialect("WAV", 4, "little", b"id3 ")
AIFF: Final = Dialect("AIFF", 4, "big", b"ID3 ")
DSDIFF: Final = Dialect("DSDIFF", 8, "big", b"ID3 ")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk: its name, where its header starts, the size of its content, and of it with its pad byte."""

    name: bytes
    start: int
    size: int
    padded: int


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """A file of chunks, with the ID3v2 tags and the INFO list found in it."""

    _dialect: Dialect
    _window: Window
    _chunks: tuple[Chunk, ...]
    _end: int
    _ds64: Chunk | None
    _id3: tuple[id3v2.Id3v2, ...]
    _info: tuple[Chunk, Tag] | None

    @property
    def format(self) -> str:
        """Short name of the container."""
        return self._dialect.name

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All tags, the format's own first."""
        return (*(found.tag for found in self._id3), *((self._info[1],) if self._info else ()))

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """See `Document.splices`."""
        contents, added = self._contents(tags)
        missing = next((sum(tag.sizes) for tag in tags if tag.exact), 0)

        def pad(size: int, *, last: bool) -> bytes:
            return bytes(max(size % 2 - (missing if last else 0), 0))

        stay = [chunk for chunk in self._chunks if contents.get(chunk, b"") is not None]
        last = stay[-1] if stay and not added else None
        result = []
        for chunk in self._chunks:
            if chunk in contents:
                fresh = contents[chunk]
                old = self._dialect.head + chunk.padded
                padded = b"" if fresh is None else fresh + pad(len(fresh), last=chunk is last)
                result.append(Splice(chunk.start, old, padded))
            elif chunk is not self._chunks[-1] or added:
                end, old = chunk.start + self._dialect.head + chunk.size, chunk.padded - chunk.size
                padded = pad(chunk.size, last=chunk is last)
                if len(padded) != old:  # what stands there need not be zero
                    result.append(Splice(end, old, padded))
        if added:
            result.append(Splice(self._end, 0, added + pad(len(added), last=True)))
        growth = sum(len(splice.data) - splice.length for splice in result)
        if growth:
            result.append(self._resized(growth))
        return result

    def _contents(self, tags: Sequence[Tag]) -> tuple[dict[Chunk, bytes | None], bytes]:
        """Return what becomes of chunks, header included and without a pad byte, and a new one for the end.

        None stands for a chunk that goes.
        """
        contents: dict[Chunk, bytes | None] = {}
        added = b""
        head = self._dialect.head
        for found, tag in zip(self._id3, tags, strict=False):
            if tag == found.tag:
                continue
            data = id3v2.render(found, tag)
            chunk = next((c for c in self._chunks if c.start + head == found.start), None)
            if chunk is None:
                added = self._chunk(self._dialect.tag, data) if data else b""
                continue
            # Bytes after the tag within the chunk belong to nobody we know: they stay.
            data += self._window.read(found.start + found.size, chunk.size - found.size)
            stays = tag.present or tag.shape == _EMPTY
            contents[chunk] = self._chunk(chunk.name, data) if stays else None
        if self._info and tags[-1] != self._info[1]:
            chunk, _ = self._info
            contents[chunk] = self._chunk(chunk.name, b"INFO" + _items(tags[-1]))
        return contents, added

    def _chunk(self, name: bytes, data: bytes) -> bytes:
        if len(data) >= _ENDLESS:
            raise UnsupportedError(f"no room in a {self.format} chunk")
        return name + len(data).to_bytes(self._dialect.width, self._dialect.order) + data

    def _resized(self, growth: int) -> Splice:
        size = self._end - self._dialect.head + growth
        if self._ds64:
            return Splice(self._ds64.start + 8, 8, size.to_bytes(8, "little"))
        if self._dialect.width == 4 and size >= _ENDLESS:
            raise UnsupportedError(f"no room in a {self.format} file, which ends at 4 GiB")
        return Splice(4, self._dialect.width, size.to_bytes(self._dialect.width, self._dialect.order))


def parse(window: Window, dialect: Dialect) -> ChunkFile:
    """Take a file of chunks apart.

    Raises
    ------
    DamagedError
        Its chunks or tags cannot be fully parsed.
    """
    head = window.read(0, dialect.head + 4)
    size = int.from_bytes(head[4 : dialect.head], dialect.order)
    ds64 = None
    data_size = 0
    position = dialect.head + 4
    if head[:4] in {b"RF64", b"BW64"}:
        first = window.read(position, 8 + 28)
        if first[:4] != b"ds64" or len(first) < 36:
            raise DamagedError("an RF64 file without its ds64 chunk")
        ds64 = Chunk(b"ds64", position, int.from_bytes(first[4:8], "little"), 0)
        size = int.from_bytes(first[8:16], "little")
        data_size = int.from_bytes(first[16:24], "little")
    end = dialect.head + size
    if end > window.size:
        raise DamagedError("the file is shorter than its header says")
    beyond = window.read(end, _LONGEST_BLANK + 1)
    if any(beyond) or len(beyond) > _LONGEST_BLANK:  # sound, or a tag: a chunk would come in front of it
        raise DamagedError("the file is longer than its header says")
    chunks = []
    while position + dialect.head <= end:
        chunk = _chunk_at(window, dialect, position, data_size if ds64 else None)
        stop = position + dialect.head + chunk.size
        if stop > end or not chunk.name.isascii():
            raise DamagedError(f"the chunk at byte {position} is longer than the file")
        chunk = replace(chunk, padded=min(chunk.padded, end - position - dialect.head))
        chunks.append(chunk)
        position += dialect.head + chunk.padded
    if position != end:
        raise DamagedError("the file does not end with a whole chunk")
    found = [_tag(window, dialect, c) for c in chunks if c.name in {b"ID3 ", b"id3 "}]
    found = found or [id3v2.absent(end + dialect.head)]
    listed = next((c for c in chunks if c.name == b"LIST" and dialect is WAV and _is_info(window, c)), None)
    info = _info(window, listed) if listed else None
    master = next((c for c in chunks if c.name == b"DIIN" and dialect is DSDIFF), None)
    plain = _program(info) if info else _master(window, master) if master else {}
    own = found[0].tag
    found[0] = replace(found[0], tag=replace(own, inherited=inherited(own.row, plain)))
    numbered = [id3v2.secondary(one, i) if i > 1 else one for i, one in enumerate(found, start=1)]
    missing = (sum(c.size + c.size % 2 - c.padded for c in chunks),)  # the last one's pad byte, if any
    return ChunkFile(
        dialect,
        window,
        tuple(chunks),
        end,
        ds64,
        tuple(replace(one, tag=replace(one.tag, sizes=missing)) for one in numbered),
        (listed, replace(info, sizes=missing)) if listed and info else None,
    )


def _chunk_at(window: Window, dialect: Dialect, position: int, data_size: int | None) -> Chunk:
    head = window.read(position, dialect.head)
    size = int.from_bytes(head[4:], dialect.order)
    if data_size is not None and head[:4] == b"data" and size == _ENDLESS:
        size = data_size
    return Chunk(head[:4], position, size, size + size % 2)


def _tag(window: Window, dialect: Dialect, chunk: Chunk) -> id3v2.Id3v2:
    start = chunk.start + dialect.head
    within = Window(window.fd, start + chunk.size)
    found = id3v2.parse(within, start)
    if chunk.size and not found.size:
        raise DamagedError("the ID3 chunk holds no ID3v2 tag")
    return found if found.size else replace(found, tag=replace(found.tag, shape=_EMPTY))


def _master(window: Window, chunk: Chunk) -> dict[str, bytes]:
    """Return what the edited master information of a DSDIFF file says, as text by plain names."""
    found: dict[str, bytes] = {}
    position = chunk.start + DSDIFF.head
    within = Window(window.fd, position + chunk.size)
    while position < within.size:
        part = _chunk_at(within, DSDIFF, position, None)
        text = within.read(position + DSDIFF.head, part.size)
        if part.name in _EDITED_MASTER:
            text = text[4 : 4 + int.from_bytes(text[:4], "big")]
            found.setdefault(_EDITED_MASTER[part.name], text.split(b"\0")[0].strip())
        position += DSDIFF.head + part.padded
    return found


def _program(info: Tag) -> dict[str, bytes]:
    """Return which program an INFO list says wrote the file: alone that makes it no place to write to."""
    raw = next((e.raw for e in info.elements if e.name == info.row.plain["program"]), b"")
    text = raw[8 : 8 + int.from_bytes(raw[4:8], "little")].split(b"\0")[0].strip()
    return {"program": text} if text.isascii() else {}


def _is_info(window: Window, chunk: Chunk) -> bool:
    return window.read(chunk.start + 8, 4) == b"INFO"


def _info(window: Window, chunk: Chunk) -> Tag:
    data = window.read(chunk.start + 12, chunk.size - 4)
    elements = []
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        stop = position + 8 + size
        if position + 8 > len(data) or stop > len(data):
            raise DamagedError("the INFO list of the WAV file is damaged")
        stop = min(stop + size % 2, len(data))
        elements.append(Element(data[position : position + 4].decode("latin-1"), data[position:stop]))
        position = stop
    return Tag("INFO", INFO_ROW, tuple(elements), role="stand-in")


def _items(tag: Tag) -> bytes:
    """Put the items of an INFO list together; one that lacks its pad byte can only be the last."""
    return b"".join(e.raw for e in sorted(tag.elements, key=lambda e: len(e.raw) % 2))


@dataclass(frozen=True, slots=True)
class Dsf:
    """A DSF file: its ID3v2 tag lies at the end, where the header points (Sony, DSF file format)."""

    _window: Window
    _id3: id3v2.Id3v2

    @property
    def format(self) -> str:
        """Short name of the container."""
        return "DSF"

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The ID3v2 tag."""
        return (self._id3.tag,)

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """See `Document.splices`."""
        if tags[0] == self._id3.tag:
            return []
        data = id3v2.render(self._id3, tags[0])
        size = self._window.size - self._id3.size + len(data)
        pointer = self._id3.start if data else 0
        facts = size.to_bytes(8, "little") + pointer.to_bytes(8, "little")
        return [Splice(12, 16, facts), Splice(self._id3.start, self._id3.size, data)]


def parse_dsf(window: Window) -> Dsf:
    """Take a DSF file apart.

    Raises
    ------
    DamagedError
        Its header or tag cannot be fully parsed.
    """
    head = window.read(0, _DSF_HEAD)
    if len(head) < _DSF_HEAD or int.from_bytes(head[12:20], "little") != window.size:
        raise DamagedError("the DSF header does not fit the file")
    pointer = int.from_bytes(head[20:28], "little")
    if not pointer:
        return Dsf(window, id3v2.absent(window.size))
    found = id3v2.parse(window, pointer)
    if not found.size or found.start + found.size != window.size:
        raise DamagedError("the DSF file does not end with its tag")
    return Dsf(window, found)
