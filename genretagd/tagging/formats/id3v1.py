"""ID3v1: the last 128 bytes of a file (id3.org, ID3v1 and ID3v1.1)."""

from __future__ import annotations

from typing import Final

from genretagd.tagging.formats import ape
from genretagd.tagging.splice import Window

SIZE: Final = 128
GENRE_BYTE: Final = 127
MAGIC: Final = b"TAG"
_BEFORE: Final = ape.MAGIC.index(MAGIC)  # bytes
_FIELDS: Final = (
    ("title", 3, 33),
    ("artist", 33, 63),
    ("album", 63, 93),
    ("date", 93, 97),
    ("comment", 97, 127),
)


def find(window: Window, start: int) -> bytes:
    """Return the tag at the end of a file whose audio begins at an offset, or nothing."""
    end = window.read(max(window.size - SIZE - _BEFORE, start), SIZE + _BEFORE)
    ends_as_ape = end[-ape.FOOTER :].startswith(ape.MAGIC)  # its fields may hold the three letters as well
    return end[-SIZE:] if is_suspected(end) and not ends_as_ape else b""


def is_suspected(end: bytes) -> bool:
    """Return whether a file with this end has a tag for programs that look for no other kind first."""
    return (
        end[-SIZE:].startswith(MAGIC)
        and len(end) >= SIZE
        and end[-SIZE - _BEFORE :][: len(ape.MAGIC)] != ape.MAGIC
    )


def plain(tag: bytes) -> dict[str, bytes]:
    """Return what a tag says beside the genre, as text by the plain name of each field."""
    found = {name: tag[start:end].split(b"\0")[0].strip() for name, start, end in _FIELDS}
    if tag and tag[125] == 0 and tag[126]:
        found["track"] = str(tag[126]).encode("ascii")
    return {name: text for name, text in found.items() if text}
