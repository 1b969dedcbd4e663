"""Streams with tags around them: MP3, AAC, TTA (ID3v2 first), APE, WavPack, Musepack and others (APEv2).

[ID3v2 ...] audio [ID3v2 with footer] [APEv2] [Lyrics3] [ID3v1]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from genretagd.tagging.elements import DamagedError, Element, Tag, UnsupportedError, inherited
from genretagd.tagging.fields import ID3V1_ROW, NO_GENRE
from genretagd.tagging.formats import ape, id3v1, id3v2
from genretagd.tagging.splice import Splice, Window
from genretagd.tagging.values import from_synchsafe

Own = Literal["ID3v2", "APEv2"]


@dataclass(frozen=True, slots=True)
class TaggedStream:
    """A stream with its tags; which of them is its own depends on the format.

    Attributes
    ----------
    format : str
        Such as ``"MP3"``.
    audio_start : int
        Offset of what follows the tags in front of it.
    plain : mapping of str to bytes
        What its ID3v1 tag says beside the genre; see `id3v1.plain`.
    """

    format: str
    audio_start: int
    plain: Mapping[str, bytes]
    _id3: tuple[id3v2.Id3v2, ...]
    _ape: ape.Ape
    _v1_start: int
    _v1: Tag
    _ape_first: bool

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All tags, the format's own first."""
        id3 = tuple(found.tag for found in self._id3)
        both = (self._ape.tag, *id3) if self._ape_first else (*id3, self._ape.tag)
        return (*both, self._v1)

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """See `Document.splices`."""
        count = len(self._id3)
        wanted_ape, wanted_id3 = (
            (tags[0], tags[1 : 1 + count]) if self._ape_first else (tags[count], tags[:count])
        )
        result = []
        for found, tag in zip(self._id3, wanted_id3, strict=True):
            if tag == found.tag:
                continue
            result.append(Splice(found.start, found.size, id3v2.render(found, tag)))
        if wanted_ape != self._ape.tag:
            result.append(Splice(self._ape.start, self._ape.size, self._rendered_ape(wanted_ape)))
        if tags[-1] != self._v1:
            number = tags[-1].elements[0].raw if tags[-1].elements else bytes([NO_GENRE])
            result.append(Splice(self._v1_start + id3v1.GENRE_BYTE, 1, number))
        return result

    def _rendered_ape(self, tag: Tag) -> bytes:
        """Put the APEv2 tag together so that none of its letters lie where those of ID3v1 would.

        Programs built on TagLib would take it for one and see no APEv2 tag any more.
        """
        data = ape.render(self._ape, tag)
        ends_file = self._ape.start + self._ape.size == self._v1_start + id3v1.SIZE
        if tag.exact or not ends_file or not id3v1.is_suspected(data):
            return data
        ours = [e for e in tag.elements if e.name in tag.row.touched]
        data = ape.render(self._ape, replace(tag, elements=(*tag.others, *reversed(ours))))
        if id3v1.is_suspected(data):
            raise UnsupportedError("other programs would take its APEv2 tag for ID3v1")
        return data


def parse(window: Window, name: str, *, own: Own | None) -> TaggedStream:
    """Find and take apart the tags around a stream.

    Parameters
    ----------
    window : Window
        The file.
    name : str
        Short name of the format.
    own : str or None
        The format's own kind of tag, None where it lies within the stream.

    Raises
    ------
    DamagedError
        One of them cannot be fully parsed.
    UnsupportedError
        One of them uses a feature that cannot be kept.
    """
    found = [id3v2.parse(window, 0)]
    start = found[0].size
    while found[-1].size and id3v2.total_size(window, start):
        found.append(id3v2.secondary(id3v2.parse(window, start), len(found) + 1))
        start += found[-1].size

    v1 = id3v1.find(window, start)
    genre = v1[id3v1.GENRE_BYTE :]
    elements = (Element("genre", genre),) if v1 and genre[0] != NO_GENRE else ()
    v1_tag = Tag("ID3v1", ID3V1_ROW, elements, present=bool(v1), role="v1")
    end = window.size - len(v1)
    end -= _lyrics3_size(window, end)
    found_ape = ape.parse(window, end)
    end = found_ape.start
    footer = window.read(end - id3v2.HEADER, id3v2.HEADER) if end - start > id3v2.HEADER else b""
    if footer[:3] == b"3DI":
        body = from_synchsafe(footer[6:10])
        at = end - (body or 0) - 2 * id3v2.HEADER
        if body is not None and at >= start and window.read(at, 3) == b"ID3":
            found.append(id3v2.secondary(id3v2.parse(window, at), len(found) + 1))
            if at + found[-1].size != end:
                raise DamagedError("the ID3v2 tag at the end of the file does not end there")
            end = at
    plain = id3v1.plain(v1)
    found[0] = replace(found[0], tag=_with_role(found[0].tag, own, plain))
    found_ape = replace(found_ape, tag=_with_role(found_ape.tag, own, plain))
    v1_start = window.size - id3v1.SIZE
    return TaggedStream(name, start, plain, tuple(found), found_ape, v1_start, v1_tag, own == "APEv2")


def _with_role(tag: Tag, own: Own | None, plain: Mapping[str, bytes]) -> Tag:
    if own and tag.kind.startswith(own):
        return replace(tag, role="primary", inherited=inherited(tag.row, plain))
    unread = own is None and tag.kind == "APEv2"  # by whoever reads a stream with a tag within
    return replace(tag, role="step" if unread else "stand-in")


def _lyrics3_size(window: Window, end: int) -> int:
    tail = window.read(end - 15, 15) if end >= 15 else b""
    if tail[6:] == b"LYRICS200" and tail[:6].isdigit():
        size = int(tail[:6]) + 15
        if window.read(end - size, 11) == b"LYRICSBEGIN":
            return size
    if tail[6:] == b"LYRICSEND":
        before = window.read(end - 5100 - 20, 5100 + 20) if end > 5120 else window.read(0, end)
        at = before.rfind(b"LYRICSBEGIN")
        return len(before) - at if at >= 0 else 0
    return 0
