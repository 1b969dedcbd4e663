"""A second opinion on a copy: how mutagen, which shares no code with our editors, reads it."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Final

from mutagen._riff import RiffFile, RiffListChunk
from mutagen.aiff import AIFF
from mutagen.apev2 import TEXT, APENoHeaderError, APEv2
from mutagen.asf import ASF, ASFBaseAttribute
from mutagen.dsdiff import DSDIFF, DSDIFFFile
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.id3 import COMM, ID3, TDRC, TIT2, TPE1, TSSE, Frame, ID3NoHeaderError, ParseID3v1
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from genretagd.tagging.elements import DamagedError
from genretagd.tagging.fields import CONFIDENCE, MODEL

View = tuple[tuple[str, ...], list[object]]
"""The genres, and everything else in a form that can be compared."""

_OURS: Final = frozenset({MODEL.casefold(), CONFIDENCE.casefold()})
_PLAIN: Final = (  # of ID3v1 as mutagen reads it, in APEv2, in Vorbis comments
    ("TIT2", "Title", "TITLE"),
    ("TPE1", "Artist", "ARTIST"),
    ("TALB", "Album", "ALBUM"),
    ("TYER", "Year", "DATE"),
    ("COMM", "Comment", "COMMENT"),
    ("TRCK", "Track", "TRACKNUMBER"),
)


def view(file: BinaryIO, kind: str, stand_in: str | None = None) -> View | None:
    """Return how mutagen reads a file, or None for a container it does not know.

    A field that only a poorer tag has, such as ID3v1, counts as one of the format's own tag, which takes
    it along when it is made.

    Parameters
    ----------
    file : binary file
        Open for reading.
    kind : str
        `Document.format`.
    stand_in : str or None
        Kind of the tag that is written in place of the format's own one.

    Raises
    ------
    DamagedError
        It cannot parse the file.
    """
    file.seek(0)
    if file.read(4) in {b"RF64", b"BW64"}:
        return None
    readers = [_READERS.get(kind, _ape_view)]
    if stand_in is not None:
        readers.append(_STAND_INS[stand_in.partition(".")[0]])
    views = []
    for reader in readers:
        file.seek(0)
        try:
            views.append(reader(file))
        except Exception as exc:  # a damaged file makes parsers raise anything
            raise DamagedError(f"its tags cannot be parsed ({type(exc).__name__}: {exc})") from exc
    return views[-1][0], [other for _, others in views for other in others]


def _id3v1(file: BinaryIO, version: int = 3) -> Mapping[str, Any]:
    """Return the frames, of ID3v2.3 or 2.4, that an ID3v1 tag at the end of the file is as good as.

    Of itself mutagen would take the three letters for one a few bytes too late as well, where those of
    our own field names may lie, and a year with a comma for two; it gives the comment a name,
    under which other readers do not find it, and takes UTF-8 for Latin-1.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 131, 0))
    tail = file.read()
    if tail[-128:-125] != b"TAG" or b"APETAGEX" in {tail[:8], tail[-32:-24]}:
        return {}
    frames: dict[str, Any] = ParseID3v1(tail[-128:], 3) or {}
    for frame in frames.values():
        frame.encoding, text = _guessed(frame.text[0], version)
        frame.text = [text]
    if version == 4 and "TYER" in frames:
        frames["TDRC"] = TDRC(encoding=frames["TYER"].encoding, text=frames.pop("TYER").text)
    if "COMM" in frames:
        comment = frames["COMM"]
        frames["COMM"] = COMM(encoding=comment.encoding, lang="eng", desc="", text=comment.text)
    return frames


def _guessed(latin: str, version: int) -> tuple[int, str]:
    """Return the encoding that a frame would have, and the text, which may be UTF-8 with its end cut off."""
    try:
        text, _ = codecs.utf_8_decode(latin.encode("latin-1"), "strict", False)
    except UnicodeDecodeError:
        return 0, latin
    return (0, latin) if text.isascii() else (3 if version == 4 else 1, text)


def _frames(tags: ID3 | None, poorer: Iterable[Any] = ()) -> View:
    found = dict(tags.items()) if tags is not None else {}
    for frame in poorer:
        found.setdefault(frame.HashKey, frame)
    kept = [
        (key, _form(frame))
        for key, frame in found.items()
        if key not in {"TCON", f"TXXX:{MODEL}", f"TXXX:{CONFIDENCE}"}
    ]
    genres = found["TCON"].genres if "TCON" in found else []
    return tuple(genres), [*sorted(kept), *(tags.unknown_frames if tags is not None else ())]


def _form(value: Any) -> object:
    """Return a value of mutagen's in a form that can be compared.

    Pictures stay bytes: to spell one out, as `repr` does, takes longer than all else about a write.
    """
    if isinstance(value, bytes):
        return bytes(value), getattr(value, "imageformat", None), getattr(value, "dataformat", None)
    if isinstance(value, list):
        return [_form(one) for one in value]
    if isinstance(value, Frame | ASFBaseAttribute):
        return type(value), [(name, _form(one)) for name, one in sorted(vars(value).items())]
    return repr(value)


def _id3_view(file: BinaryIO) -> View:
    try:
        tags = ID3(file, translate=False, load_v1=False)
    except ID3NoHeaderError:
        tags = None
    of_version_3 = tags is not None and tags.version[1] != 4
    return _frames(tags, _id3v1(file, 3 if of_version_3 else 4).values())


def _id3_within(kind: Callable[..., Any]) -> Callable[[BinaryIO], View]:
    def read(file: BinaryIO) -> View:
        return _frames(kind(file, load_v1=False).tags)

    return read


def _dsdiff_view(file: BinaryIO) -> View:
    tags = DSDIFF(file, load_v1=False).tags
    chunks = DSDIFFFile(file)
    version = tags.version[1] if tags is not None else 4
    said = []
    data = chunks["DIIN"].read() if "DIIN" in chunks else b""
    while len(data) >= 16:
        size, count = int.from_bytes(data[4:12], "big"), int.from_bytes(data[12:16], "big")
        kind = {b"DITI": TIT2, b"DIAR": TPE1}.get(data[:4])
        text = data[16 : min(16 + count, 12 + size)].split(b"\0")[0].strip().decode("latin-1")
        if kind and text:
            encoding, text = _guessed(text, version)
            said.append(kind(encoding=encoding, text=[text]))
        data = data[12 + size + size % 2 :]
    return _frames(tags, said)


def _info_items(file: BinaryIO) -> list[tuple[str, bytes]]:
    lists = (c for c in RiffFile(file).root.subchunks() if isinstance(c, RiffListChunk))
    found = next((c for c in lists if c.name == "INFO"), None)
    return [(c.id, c.read()) for c in found.subchunks()] if found else []


def _wav_view(file: BinaryIO) -> View:
    tags = WAVE(file, load_v1=False).tags
    text = dict(reversed(_info_items(file))).get("ISFT", b"").split(b"\0")[0].strip()
    return _frames(tags, [TSSE(encoding=0, text=[text.decode()])] if text and text.isascii() else ())


def _info_view(file: BinaryIO) -> View:
    items = _info_items(file)
    texts = [data.rstrip(b"\0") for name, data in items if name == "IGNR"]
    genres = [genre for text in texts for genre in _decoded(text).split("; ") if genre]
    return tuple(genres), [(name, data) for name, data in items if name != "IGNR"]


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _flac_view(file: BinaryIO) -> View:
    genres, others = _comments(FLAC)(file)
    known = {other[0].casefold() for other in others if isinstance(other, tuple)}
    v1 = _id3v1(file)
    poorer = [(name, v1[of].text[0]) for of, _, name in _PLAIN if of in v1 and name.casefold() not in known]
    return genres, [*poorer, *others]  # as comments they lie before the pictures


def _comments(kind: Callable[[BinaryIO], Any]) -> Callable[[BinaryIO], View]:
    def read(file: BinaryIO) -> View:
        found = kind(file)
        pairs = [(key, value) for key, value in found.tags or ()]
        genres = tuple(value for key, value in pairs if key.casefold() == "genre" and value)
        others: list[object] = [
            (k, v) for k, v in pairs if k.casefold() not in _OURS and k.casefold() != "genre"
        ]
        others += [picture.write() for picture in getattr(found, "pictures", ())]
        return genres, others

    return read


def _mp4_view(file: BinaryIO) -> View:
    found = MP4(file)
    tags = found.tags or {}
    genres = tuple(value for value in tags.get("\xa9gen", ()) if value)
    ours = {"\xa9gen", *(f"----:com.apple.iTunes:{name}" for name in (MODEL, CONFIDENCE))}
    others: list[object] = [(key, _form(value)) for key, value in sorted(tags.items()) if key not in ours]
    chapters = [(c.start, c.title) for c in found.chapters] if found.chapters else []
    return genres, [*others, *chapters]


def _asf_view(file: BinaryIO) -> View:
    tags = ASF(file).tags
    genres = tuple(str(value) for value in tags.get("WM/Genre", ()) if str(value))
    others: list[object] = [(k, _form(v)) for k, v in tags if k != "WM/Genre" and k.casefold() not in _OURS]
    return genres, others


def _ape_view(file: BinaryIO) -> View:
    try:
        tags: Any = APEv2(file)
    except APENoHeaderError:
        tags = APEv2()
    genres = tuple(value for value in tags.get("Genre", ()) if value)
    others: list[object] = [
        (key, value.kind, str(value.value))
        for key, value in tags.items()
        if key.casefold() not in {"genre", *_OURS}
    ]
    v1 = _id3v1(file)
    poorer = [(name, TEXT, str(v1[of].text[0])) for of, name, _ in _PLAIN if of in v1 and name not in tags]
    return genres, [*others, *poorer]


_READERS: Final[dict[str, Callable[[BinaryIO], View]]] = {
    "MP3": _id3_view,
    "AAC": _id3_view,
    "TTA": _id3_view,
    "WAV": _wav_view,
    "AIFF": _id3_within(AIFF),
    "DSDIFF": _dsdiff_view,
    "DSF": _id3_within(DSF),
    "FLAC": _flac_view,
    "Ogg Vorbis": _comments(OggVorbis),
    "Ogg FLAC": _comments(OggFLAC),
    "Opus": _comments(OggOpus),
    "Speex": _comments(OggSpeex),
    "MP4": _mp4_view,
    "ASF": _asf_view,
}
_STAND_INS: Final[dict[str, Callable[[BinaryIO], View]]] = {
    "ID3v2": _id3_view,
    "APEv2": _ape_view,
    "INFO": _info_view,
}


def differences(before: View, after: View, genres: Sequence[str]) -> str | None:
    """Return in words how a copy's view differs from what it should be, or None if it does not."""
    # Bytes of a Vorbis comment that are no text are kept; mutagen shows replacement characters for them.
    if after[0] != tuple(g.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for g in genres):
        return f"another reader sees the genres {', '.join(after[0]) or 'none'}"
    if before[1] != after[1]:
        return "another reader sees a tag changed that should not be"
    return None
