"""FLAC: metadata blocks before the audio frames (RFC 9639, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from genretagd.tagging.elements import DamagedError, Tag, UnsupportedError, inherited, with_growth
from genretagd.tagging.fields import VORBIS_ROW
from genretagd.tagging.formats import stream, vorbis
from genretagd.tagging.splice import Splice, Window

_PADDING: Final = 1
_COMMENT: Final = 4
_INVALID: Final = 127
_HEAD: Final = 4
_LAST: Final = 0x80
_LARGEST: Final = (1 << 24) - 1


@dataclass(frozen=True, slots=True)
class Block:
    """A metadata block: its type, where its header starts, its length, and whether it is all zeros."""

    kind: int
    start: int
    length: int
    last: bool
    blank: bool = False

    @property
    def end(self) -> int:
        """Return the offset of what follows it."""
        return self.start + _HEAD + self.length


@dataclass(frozen=True, slots=True)
class Flac:
    """A FLAC file: its own comments first, then tags that some programs put around it."""

    _blocks: tuple[Block, ...]
    _comments: vorbis.Comments
    _around: stream.TaggedStream

    @property
    def format(self) -> str:
        """Short name of the container."""
        return "FLAC"

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All tags, the format's own first."""
        return (self._comments.tag, *self._around.tags)

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """See `Document.splices`."""
        result = self._around.splices(tags[1:])
        if tags[0] != self._comments.tag:
            result += self._block_splices(tags[0])
        return result

    def _block_splices(self, tag: Tag) -> list[Splice]:
        old = next((b for b in self._blocks if b.kind == _COMMENT), None)
        anchor = old or self._blocks[0]  # a first comment block follows STREAMINFO
        start, old_size = (old.start, _HEAD + old.length) if old else (anchor.end, 0)
        content = vorbis.render(self._comments, tag)
        if len(content) > _LARGEST:
            raise UnsupportedError("no room in a FLAC comment block")
        size = _HEAD + len(content) if tag.present else 0
        blocks = [b for b in self._blocks if b is not old]
        block = b""
        if tag.present:
            last = not blocks or (old is not None and old.last) or (old is None and anchor.last)
            block = bytes([_COMMENT | (_LAST if last else 0)]) + len(content).to_bytes(3, "big") + content
        result = [Splice(start, old_size, block)]
        if tag.present and old is None and anchor.last:
            result.append(Splice(anchor.start, 1, bytes([anchor.kind])))
        if not tag.present and old is not None and old.last:
            before = self._blocks[self._blocks.index(old) - 1]
            result.append(Splice(before.start, 1, bytes([before.kind | _LAST])))
        lengths = with_growth(tag, self._comments.tag.sizes, size - old_size, largest=_LARGEST)
        for padding, length in zip((b for b in self._blocks if b.blank), lengths, strict=True):
            result.append(Splice(padding.start + 1, 3, length.to_bytes(3, "big")))
            less, more = max(padding.length - length, 0), max(length - padding.length, 0)
            result.append(Splice(padding.end - less, less, bytes(more)))
        return result


def parse(window: Window) -> Flac:
    """Take a FLAC file apart.

    Raises
    ------
    DamagedError
        Its metadata cannot be fully parsed.
    """
    around = stream.parse(window, "FLAC", own=None)
    position = around.audio_start
    if window.read(position, 4) != b"fLaC":
        raise DamagedError("no FLAC stream where it should begin")
    position += 4
    blocks: list[Block] = []
    while not blocks or not blocks[-1].last:
        head = window.read(position, _HEAD)
        if len(head) < _HEAD:
            raise DamagedError("the FLAC metadata ends too early")
        block = Block(head[0] & 0x7F, position, int.from_bytes(head[1:], "big"), bool(head[0] & _LAST))
        if block.end > window.size or block.kind == _INVALID:
            raise DamagedError(f"the FLAC metadata block at byte {position} is damaged")
        if block.kind == _PADDING:
            block = replace(block, blank=not any(window.read(position + _HEAD, block.length)))
        blocks.append(block)
        position = block.end
    if blocks[0].kind != 0 or blocks[0].length != 34:
        raise DamagedError("the FLAC file does not begin with its stream information")
    frame = window.read(position, 2)
    if len(frame) == 2 and (frame[0] != 0xFF or frame[1] & 0xFC != 0xF8):
        raise DamagedError("no FLAC audio follows the metadata")
    found = [b for b in blocks if b.kind == _COMMENT]
    if len(found) > 1:
        raise DamagedError("the FLAC file has more than one comment block")
    padding = tuple(b.length for b in blocks if b.blank)
    tag = Tag("Vorbis comment", VORBIS_ROW, sizes=padding, inherited=inherited(VORBIS_ROW, around.plain))
    if not found:
        return Flac(tuple(blocks), vorbis.Comments(b"genretagd", replace(tag, present=False), b""), around)
    comments = vorbis.parse(window.read(found[0].start + _HEAD, found[0].length))
    suffix = comments.suffix + bytes(comments.tag.padding)
    tag = replace(tag, elements=comments.tag.elements)
    return Flac(tuple(blocks), vorbis.Comments(comments.vendor, tag, suffix), around)
