"""A second opinion on a copy: how mutagen, which shares no code with our editors, reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, Final

from mutagen.aiff import AIFF
from mutagen.apev2 import APENoHeaderError, APEv2
from mutagen.asf import ASF
from mutagen.dsdiff import DSDIFF
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, ID3NoHeaderError
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


def view(file: BinaryIO, kind: str) -> View | None:
    """Return how mutagen reads a file, or None for a container it does not know.

    Parameters
    ----------
    file : binary file
        Open for reading.
    kind : str
        `Document.format`.

    Raises
    ------
    DamagedError
        It cannot parse the file.
    """
    file.seek(0)
    if file.read(4) in {b"RF64", b"BW64"}:
        return None
    reader = _READERS.get(kind, _ape_view)
    file.seek(0)
    try:
        return reader(file)
    except Exception as exc:  # a damaged file makes parsers raise anything
        raise DamagedError(f"its tags cannot be parsed ({type(exc).__name__}: {exc})") from exc


def _frames(tags: ID3 | None) -> View:
    if tags is None:
        return (), []
    kept = [
        (key, repr(frame))
        for key, frame in tags.items()
        if key not in {"TCON", f"TXXX:{MODEL}", f"TXXX:{CONFIDENCE}"}
    ]
    genres = tags["TCON"].genres if "TCON" in tags else []
    return tuple(genres), [*sorted(kept), *tags.unknown_frames]


def _id3_view(file: BinaryIO) -> View:
    try:
        return _frames(ID3(file, translate=False, load_v1=True))
    except ID3NoHeaderError:
        return (), []


def _id3_within(kind: Callable[..., Any]) -> Callable[[BinaryIO], View]:
    def read(file: BinaryIO) -> View:
        return _frames(kind(file, load_v1=False).tags)

    return read


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
    others: list[object] = [(key, _plain(value)) for key, value in sorted(tags.items()) if key not in ours]
    chapters = [(c.start, c.title) for c in found.chapters] if found.chapters else []
    return genres, [*others, *chapters]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return repr(
            [(repr(v), getattr(v, "imageformat", None), getattr(v, "dataformat", None)) for v in value]
        )
    return repr(value)


def _asf_view(file: BinaryIO) -> View:
    tags = ASF(file).tags
    genres = tuple(str(value) for value in tags.get("WM/Genre", ()) if str(value))
    others: list[object] = [(k, repr(v)) for k, v in tags if k != "WM/Genre" and k.casefold() not in _OURS]
    return genres, others


def _ape_view(file: BinaryIO) -> View:
    try:
        tags = APEv2(file)
    except APENoHeaderError:
        return (), []
    genres = tuple(value for value in tags.get("Genre", ()) if value)
    kept: Iterable[tuple[str, Any]] = tags.items()
    others: list[object] = [
        (key, value.kind, str(value.value)) for key, value in kept if key.casefold() not in {"genre", *_OURS}
    ]
    return genres, others


_READERS: Final[dict[str, Callable[[BinaryIO], View]]] = {
    "MP3": _id3_view,
    "AAC": _id3_view,
    "TTA": _id3_view,
    "WAV": _id3_within(WAVE),
    "AIFF": _id3_within(AIFF),
    "DSDIFF": _id3_within(DSDIFF),
    "DSF": _id3_within(DSF),
    "FLAC": _comments(FLAC),
    "Ogg Vorbis": _comments(OggVorbis),
    "Ogg FLAC": _comments(OggFLAC),
    "Opus": _comments(OggOpus),
    "Speex": _comments(OggSpeex),
    "MP4": _mp4_view,
    "ASF": _asf_view,
}


def differences(before: View, after: View, genres: Sequence[str]) -> str | None:
    """Return in words how a copy's view differs from what it should be, or None if it does not."""
    # Bytes of a Vorbis comment that are no text are kept; mutagen shows replacement characters for them.
    if after[0] != tuple(g.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for g in genres):
        return f"another reader sees the genres {', '.join(after[0]) or 'none'}"
    if before[1] != after[1]:
        return "another reader sees a tag changed that should not be"
    return None
