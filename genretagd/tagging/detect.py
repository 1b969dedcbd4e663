"""Telling what kind of file this is, by its content, and taking it apart."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from genretagd.tagging.elements import DamagedError, Document, UnsupportedError
from genretagd.tagging.formats import asf, flac, id3v2, iff, mp4, ogg, stream
from genretagd.tagging.splice import Window

_APE_STREAMS: Final = (
    (b"MAC ", "Monkey's Audio"),
    (b"wvpk", "WavPack"),
    (b"MPCK", "Musepack"),
    (b"MP+", "Musepack"),
    (b"OFR ", "OptimFROG"),
    (b"tBaK", "TAK"),
)
_WHOLE_FILES: Final[tuple[tuple[bytes, Callable[[Window], Document]], ...]] = (
    (b"OggS", ogg.parse),
    (b"DSD ", iff.parse_dsf),
    (b"FRM8", lambda window: iff.parse(window, iff.DSDIFF)),
    (asf.HEADER, asf.parse),
)
_UNTAGGED: Final = (b"caff", b".snd", b"MThd", b"\x1aE\xdf\xa3", b"riff")
_MPEG_SEARCH: Final = 128 * 1024


def parse(window: Window) -> Document:
    """Take a file apart.

    Raises
    ------
    UnsupportedError
        It is no audio file that we know how to tag.
    DamagedError
        It is, but cannot be fully parsed.
    ProtectedError
        It must not be tagged.
    """
    try:
        return _parse(window)
    except (IndexError, struct.error, UnicodeDecodeError, OverflowError, RecursionError) as exc:
        raise DamagedError(f"it cannot be parsed ({exc})") from exc


def _parse(window: Window) -> Document:
    head = window.read(0, 16)
    for magic, parser in _WHOLE_FILES:
        if head.startswith(magic):
            return parser(window)
    if head[:4] in {b"RIFF", b"RF64", b"BW64"} and head[8:12] == b"WAVE":
        return iff.parse(window, iff.WAV)
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return iff.parse(window, iff.AIFF)
    if head[4:8] in {b"ftyp", b"moov"}:
        return mp4.parse(window)
    if head.startswith(_UNTAGGED):
        raise UnsupportedError("a kind of file that has no tags we know")
    return _stream(window)


def _stream(window: Window) -> Document:
    start = 0
    while size := id3v2.total_size(window, start):
        start += size
    head = window.read(start, 16)
    if head.startswith(b"fLaC"):
        return flac.parse(window)
    for magic, name in _APE_STREAMS:
        if head.startswith(magic):
            return stream.parse(window, name, own="APEv2")
    if head[:4] in {b"TTA1", b"TTA2"}:
        return stream.parse(window, "TTA", own="ID3v2")
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and _is_adts(window, start):
        return stream.parse(window, "AAC", own="ID3v2")
    junk = _before_mpeg_frames(window, start)
    if junk is None:
        raise UnsupportedError("not an audio file we know")
    if not start and b"ID3" in junk:  # some programs find it there, and would read one in front of it instead
        raise DamagedError("its ID3v2 tag does not lie at the beginning")
    return stream.parse(window, "MP3", own="ID3v2")


def _is_adts(window: Window, start: int) -> bool:
    for _ in range(3):
        head = window.read(start, 7)
        if not head:
            return True
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return False
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if size < 7:
            return False
        start += size
    return True


def _before_mpeg_frames(window: Window, start: int) -> bytes | None:
    """Return what comes before three MPEG audio frames in a row near an offset; None where there are none."""
    data = window.read(start, _MPEG_SEARCH)
    at = data.find(b"\xff")
    while 0 <= at < len(data) - 4:
        position, count = at, 0
        while count < 3 and (size := _mpeg_frame_size(data[position : position + 4])):
            position, count = position + size, count + 1
        if count == 3 or (count and start + position >= window.size):
            return data[:at]
        at = data.find(b"\xff", at + 1)
    return None


_RATES: Final = ((11025, 12000, 8000), (0, 0, 0), (22050, 24000, 16000), (44100, 48000, 32000))
_BITS_1: Final = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_BITS_2: Final = (
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)


def _mpeg_frame_size(head: bytes) -> int:
    """Return the size in bytes of the frame with this header, 0 if it is none (ISO/IEC 11172-3, 2.4.1.3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    bits, rate, padding = head[2] >> 4, (head[2] >> 2) & 3, (head[2] >> 1) & 1
    if version == 1 or layer == 4 or bits in {0, 15} or rate == 3:
        return 0
    bitrate = (_BITS_1 if version == 3 else _BITS_2)[layer - 1][bits - 1] * 1000
    if layer == 1:
        return (12 * bitrate // _RATES[version][rate] + padding) * 4
    samples = 72 if layer == 3 and version != 3 else 144
    return samples * bitrate // _RATES[version][rate] + padding
