"""The field table: one row per kind of tag, saying what our fields are called and how they are stored.

==================  ===========  =======================  ==================================================
kind                genre        provenance, lock         several values
==================  ===========  =======================  ==================================================
ID3v2.4             TCON         TXXX:GENRETAGD_*         separated by NUL, as the standard says
ID3v2.3, ID3v2.2    TCON, TCO    TXXX:/TXX:GENRETAGD_*    separated by NUL: read as several by mutagen and
                                                          TagLib, as the first one by strict readers
Vorbis comment      GENRE        GENRETAGD_*              repeated field
MP4                 ©gen         ----:GENRETAGD_*         one ``data`` atom each; ``gnre`` gives way
APEv2               Genre        GENRETAGD_*              separated by NUL
ASF                 WM/Genre     GENRETAGD_*              the first in the Extended Content Description,
                                                          the others in the Metadata Library
ASF library         WM/Genre                              repeated record
INFO                IGNR                                  joined by "; "
ID3v1               genre                                 the first one that has a number
==================  ===========  =======================  ==================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mutagen.id3 import TCON

from genretagd.tagging import values as store

MODEL: Final = "GENRETAGD_MODEL"
CONFIDENCE: Final = "GENRETAGD_CONFIDENCE"
LOCK: Final = "GENRETAGD_LOCK"
NO_GENRE: Final = 255
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldRow:
    """How one kind of tag stores our fields.

    Attributes
    ----------
    genre : str
        The field that genres are written to.
    genre_names : tuple of str
        Every field that a player takes a genre from; all but `genre` give way to it.
    model, confidence, lock : str
        The provenance fields and the lock; empty where the kind cannot hold them.
    encode : callable
        From a field's name and values to the raw bytes of its elements.
    decode : callable
        From an element's name and raw bytes to its values.
    genres : callable
        From a field's name and values to the genres they mean.
    plain : mapping of str to str
        What its fields for title, artist, album, date, comment, track, and the program that wrote the
        file are called, as far as one of them is ever inherited from a poorer tag.
    inherit : callable
        From the name of such a field and text of an encoding that is not told to the raw bytes of its
        element.
    """

    genre: str
    encode: Callable[[str, Sequence[str]], list[bytes]]
    decode: Callable[[str, bytes], tuple[str, ...]]
    genre_names: tuple[str, ...]
    model: str = ""
    confidence: str = ""
    lock: str = ""
    genres: Callable[[str, tuple[str, ...]], tuple[str, ...]] = lambda _name, found: tuple(
        v for v in found if v
    )
    plain: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    inherit: Callable[[str, bytes], bytes] = lambda _name, text: text

    @property
    def touched(self) -> frozenset[str]:
        """Return the names of all fields that a write replaces."""
        return frozenset({*self.genre_names, self.model, self.confidence} - {""})


_PLAIN: Final = ("title", "artist", "album", "date", "comment", "track", "program")


def _called(*names: str) -> Mapping[str, str]:
    return MappingProxyType(dict(zip(_PLAIN, names, strict=False)))


def id3v2_row(version: int, *, plain_sizes: bool = False, unsynchronised: bool = False) -> FieldRow:
    """Return the row of ID3v2.2, 2.3 or 2.4.

    In 2.4 frame sizes may be plain numbers, as some programs wrote them, and the tag's header alone may
    say that frames are unsynchronised.
    """
    genre, prefix = ("TCO", "TXX:") if version == 2 else ("TCON", "TXXX:")
    date = "TYER" if version == 3 else "TDRC"
    plain = _called("TIT2", "TPE1", "TALB", date, "COMM", "TRCK", "TSSE") if version > 2 else _NOTHING
    return FieldRow(
        genre=genre,
        genre_names=(genre,),
        model=prefix + MODEL,
        confidence=prefix + CONFIDENCE,
        lock=prefix + LOCK,
        encode=lambda name, wanted: [store.id3_frame(version, name, wanted, plain_sizes=plain_sizes)],
        decode=lambda name, raw: store.id3_text(version, name, raw, unsynchronised=unsynchronised),
        genres=lambda _name, found: store.id3_genres(found),
        plain=plain,
        inherit=lambda name, text: store.id3_guessed_frame(version, name, text, plain_sizes=plain_sizes),
    )


def _id3v1_encode(_name: str, wanted: Sequence[str]) -> list[bytes]:
    numbers = {name.casefold(): number for number, name in enumerate(TCON.GENRES)}
    number = next((numbers[g.casefold()] for g in wanted if g.casefold() in numbers), NO_GENRE)
    return [] if number == NO_GENRE else [bytes([number])]


def _id3v1_decode(_name: str, raw: bytes) -> tuple[str, ...]:
    return (TCON.GENRES[raw[0]],) if raw[0] < len(TCON.GENRES) else ()


def _vorbis_encode(name: str, wanted: Sequence[str]) -> list[bytes]:
    return [f"{name}={value}".encode("utf-8", "surrogateescape") for value in wanted]


def _vorbis_decode(_name: str, raw: bytes) -> tuple[str, ...]:
    return (raw.split(b"=", 1)[1].decode("utf-8", "surrogateescape"),)


def _mp4_genres(name: str, found: tuple[str, ...]) -> tuple[str, ...]:
    return store.id3_genres(found) if name == "gnre" else tuple(v for v in found if v)


def _asf_descriptor(_name: str, raw: bytes) -> tuple[str, ...]:
    start = 2 + int.from_bytes(raw[:2], "little")
    return (store.asf_value(int.from_bytes(raw[start : start + 2], "little"), raw[start + 4 :]),)


def _asf_record(_name: str, raw: bytes) -> tuple[str, ...]:
    start = 12 + int.from_bytes(raw[4:6], "little")
    return (store.asf_value(int.from_bytes(raw[6:8], "little"), raw[start:]),)


JOINED: Final = "; "
"""Between the genres of an INFO list, which has room for one value."""


def _info_encode(name: str, wanted: Sequence[str]) -> list[bytes]:
    text = JOINED.join(wanted).encode() + b"\0"
    return [name.encode("ascii") + len(text).to_bytes(4, "little") + text + bytes(len(text) % 2)]


def _info_decode(_name: str, raw: bytes) -> tuple[str, ...]:
    text = raw[8 : 8 + int.from_bytes(raw[4:8], "little")].rstrip(b"\0")
    try:
        return (text.decode(),)
    except UnicodeDecodeError:
        return (text.decode("latin-1"),)


VORBIS_ROW: Final = FieldRow(
    genre="GENRE",
    genre_names=("GENRE",),
    model=MODEL,
    confidence=CONFIDENCE,
    lock=LOCK,
    encode=_vorbis_encode,
    decode=_vorbis_decode,
    plain=_called("TITLE", "ARTIST", "ALBUM", "DATE", "COMMENT", "TRACKNUMBER"),
    inherit=lambda name, text: _vorbis_encode(name, [store.guessed(text)])[0],
)

MP4_ROW: Final = FieldRow(
    genre="\xa9gen",
    genre_names=("\xa9gen", "gnre"),
    model=f"----:{MODEL}",
    confidence=f"----:{CONFIDENCE}",
    lock=f"----:{LOCK}",
    encode=lambda name, wanted: [store.mp4_item(name, wanted)],
    decode=lambda _name, raw: store.mp4_values(raw),
    genres=_mp4_genres,
)

ASF_ROW: Final = FieldRow(
    genre="WM/Genre",
    genre_names=("WM/Genre",),
    model=MODEL,
    confidence=CONFIDENCE,
    lock=LOCK,
    encode=lambda name, wanted: [store.asf_descriptor(name, value) for value in wanted[:1]],
    decode=_asf_descriptor,
)

ASF_LIBRARY_ROW: Final = FieldRow(
    genre="WM/Genre",
    genre_names=("WM/Genre",),
    encode=lambda name, wanted: [store.asf_record(name, value) for value in wanted],
    decode=_asf_record,
)

APE_ROW: Final = FieldRow(
    genre="Genre",
    genre_names=("Genre",),
    model=MODEL,
    confidence=CONFIDENCE,
    lock=LOCK,
    encode=lambda name, wanted: [store.ape_item(name, wanted)],
    decode=lambda _name, raw: store.ape_values(raw),
    plain=_called("Title", "Artist", "Album", "Year", "Comment", "Track"),
    inherit=lambda name, text: store.ape_item(name, [store.guessed(text)]),
)

INFO_ROW: Final = FieldRow(
    genre="IGNR",
    genre_names=("IGNR",),
    encode=_info_encode,
    decode=_info_decode,
    genres=lambda _name, found: tuple(genre for text in found for genre in text.split(JOINED) if genre),
    plain=MappingProxyType({"program": "ISFT"}),
)

ID3V1_ROW: Final = FieldRow(genre="genre", genre_names=("genre",), encode=_id3v1_encode, decode=_id3v1_decode)

NAMES: Final = frozenset({MODEL, CONFIDENCE, LOCK})
