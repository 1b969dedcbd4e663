"""Streams with tags around them: MP3, AAC, TTA (ID3v2 first), APE, WavPack, Musepack and others (APEv2).

[ID3v2 ...] audio [ID3v2 with footer] [APEv2] [Lyrics3] [ID3v1]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from genretagd.tagging.elements import Element, Tag
from genretagd.tagging.fields import ID3V1_ROW, NO_GENRE
from genretagd.tagging.formats import ape, id3v2
from genretagd.tagging.splice import Splice, Window
from genretagd.tagging.values import from_synchsafe, id3_frame, synchsafe

_ID3V1: Final = 128
_GENRE_BYTE: Final = 127
_FROM_V1: Final = "from-id3v1"
_COPIED: Final = (("TIT2", 3, 33), ("TPE1", 33, 63), ("TALB", 63, 93), ("TDRC", 93, 97))


@dataclass(frozen=True, slots=True)
class TaggedStream:
    """A stream with its tags; which of them is the primary one depends on the format.

    Attributes
    ----------
    format : str
        Such as ``"MP3"``.
    audio_start, audio_end : int
        Offsets of what lies between the tags.
    """

    format: str
    audio_start: int
    audio_end: int
    _id3: tuple[id3v2.Id3v2, ...]
    _ape: ape.Ape
    _v1_start: int
    _v1: Tag
    _v1_fields: bytes
    _ape_first: bool

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All tags, the primary one first."""
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
            result.append(Splice(found.start, found.size, id3v2.render(found, self._with_v1(found, tag))))
        if wanted_ape != self._ape.tag:
            result.append(Splice(self._ape.start, self._ape.size, ape.render(self._ape, wanted_ape)))
        if tags[-1] != self._v1:
            number = tags[-1].elements[0].raw if tags[-1].elements else bytes([NO_GENRE])
            result.append(Splice(self._v1_start + _GENRE_BYTE, 1, number))
        return result

    def kept_in_step(self) -> TaggedStream:
        """Return it as what surrounds a format with a tag of its own."""
        found = replace(self._ape, tag=replace(self._ape.tag, role="step"))
        return replace(self, _ape=found)

    def _with_v1(self, found: id3v2.Id3v2, tag: Tag) -> Tag:
        """Carry the fields of ID3v1 over into a first ID3v2 tag, or take them back with it.

        Some readers look at ID3v1 only where there is no ID3v2: nothing may vanish for them.
        """
        if tag.shape != _FROM_V1 or not tag.present:
            return tag
        copied = _copied(self._v1_fields)
        if not found.size:
            return replace(tag, elements=(*copied, *tag.elements))
        if all(element in copied for element in tag.elements):
            return replace(tag, elements=(), present=False)
        return tag


def parse(window: Window, name: str, *, ape_first: bool) -> TaggedStream:
    """Find and take apart the tags around a stream.

    Parameters
    ----------
    window : Window
        The file.
    name : str
        Short name of the format.
    ape_first : bool
        Whether APEv2 is the format's own kind of tag; ID3v2 otherwise.

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

    end = window.size
    v1 = window.read(end - _ID3V1, _ID3V1) if end - start >= _ID3V1 else b""
    v1_start = end - _ID3V1
    v1_tag = Tag("ID3v1", ID3V1_ROW, present=False, role="v1")
    if v1[:3] == b"TAG":
        elements = () if v1[_GENRE_BYTE] == NO_GENRE else (Element("genre", v1[_GENRE_BYTE:]),)
        v1_tag = replace(v1_tag, elements=elements, present=True)
        end = v1_start
        if not found[0].size:
            found[0] = replace(found[0], tag=replace(found[0].tag, shape=_FROM_V1))
    else:
        v1 = b""
    end -= _lyrics3_size(window, end)
    found_ape = ape.parse(window, end, role="primary" if ape_first else "step")
    end = found_ape.start
    footer = window.read(end - id3v2.HEADER, id3v2.HEADER) if end - start > id3v2.HEADER else b""
    if footer[:3] == b"3DI":
        body = from_synchsafe(footer[6:10])
        at = end - (body or 0) - 2 * id3v2.HEADER
        if body is not None and at >= start and window.read(at, 3) == b"ID3":
            found.append(id3v2.secondary(id3v2.parse(window, at), len(found) + 1))
            end = at
    if ape_first:
        found = [replace(one, tag=replace(one.tag, role="step")) for one in found]
    return TaggedStream(name, start, end, tuple(found), found_ape, v1_start, v1_tag, v1, ape_first)


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


def _copied(v1: bytes) -> list[Element]:
    elements = []
    for name, start, end in _COPIED:
        text = v1[start:end].split(b"\0")[0].rstrip().decode("latin-1")
        if text:
            elements.append(Element(name, id3_frame(id3v2.NEW_VERSION, name, [text])))
    comment = v1[97:127].split(b"\0")[0].rstrip()
    if comment:
        body = b"\0engID3v1 Comment\0" + comment
        elements.append(Element("COMM", b"COMM" + synchsafe(len(body)) + b"\0\0" + body))
    if v1[125] == 0 and v1[126]:
        elements.append(Element("TRCK", id3_frame(id3v2.NEW_VERSION, "TRCK", [str(v1[126])])))
    return elements
