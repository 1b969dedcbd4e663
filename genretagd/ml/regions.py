"""Where the audio lies in files whose tags stand before and behind it.

MP3, AAC, FLAC, APE, Musepack, TTA and WavPack carry tags at their edges, which their demuxers
partly read as audio (the last packet of an APE file ends where the file ends). For these the audio is
the bytes between the tags:

- in front: ID3v2, any number of times; in FLAC also every metadata block but STREAMINFO;
- behind: ID3v1, Lyrics3v2, APEv1/APEv2 and ID3v2 with a footer, in any order.

Whatever else stands at the edges counts as audio: to touch it is to change the file's audio.
"""

from __future__ import annotations

import os
from typing import BinaryIO, Final

EDGE_TAGGED: Final = frozenset(
    {"mp3", "aac", "flac", "ape", "mpc", "mpc8", "tta", "wv", "tak", "ac3", "eac3", "dts"}
)
"""FFmpeg's names of the formats that have no container around their audio."""

MAX_TAGS: Final = 16
ID3V1_BYTES: Final = 128
APE_FOOTER_BYTES: Final = 32
LYRICS_FOOTER_BYTES: Final = 15


def audio_regions(stream: BinaryIO) -> tuple[tuple[int, int], ...]:
    """Return the byte ranges (start, end) of a file that are its audio.

    Parameters
    ----------
    stream : binary file, seekable
        A file of one of the `EDGE_TAGGED` formats.

    Returns
    -------
    tuple of (int, int)
        In order; empty ranges are left out.
    """
    size = stream.seek(0, os.SEEK_END)
    start = skip_id3v2(stream, size)
    end = _skip_trailing(stream, start, size)
    regions = _flac_regions(stream, start, end) if _at(stream, start, 4) == b"fLaC" else ((start, end),)
    return tuple((first, last) for first, last in regions if first < last)


def _at(stream: BinaryIO, offset: int, count: int) -> bytes:
    if offset < 0:
        return b""
    stream.seek(offset)
    return stream.read(count)


def _synchsafe(data: bytes) -> int:
    """Return an ID3v2 size: four bytes of seven bits."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
    return value


def skip_id3v2(stream: BinaryIO, size: int) -> int:
    """Return where the ID3v2 tags end that begin a file of a certain size; 0 where it begins with none."""
    position = 0
    for _ in range(MAX_TAGS):
        head = _at(stream, position, 10)
        if len(head) < 10 or head[:3] != b"ID3" or head[3] == 0xFF or head[4] == 0xFF:
            break
        footer = 10 if head[5] & 0x10 else 0
        after = position + 10 + _synchsafe(head[6:10]) + footer
        if after > size:
            break
        position = after
    return position


def _skip_trailing(stream: BinaryIO, start: int, size: int) -> int:
    end = size
    for _ in range(MAX_TAGS):
        before = end - _trailing_tag(stream, end)
        if before == end or before < start:
            break
        end = before
    return end


def _trailing_tag(stream: BinaryIO, end: int) -> int:
    """Return the length of the tag that ends at an offset; 0 where none does."""
    footer = _at(stream, end - APE_FOOTER_BYTES, APE_FOOTER_BYTES)
    if footer[:8] == b"APETAGEX":
        length = int.from_bytes(footer[12:16], "little")
        has_header = bool(int.from_bytes(footer[20:24], "little") & 1 << 31)
        return length + (APE_FOOTER_BYTES if has_header else 0)
    if _at(stream, end - ID3V1_BYTES, 3) == b"TAG":  # an APEv2 tag may have these letters there as well
        return ID3V1_BYTES
    lyrics = _at(stream, end - LYRICS_FOOTER_BYTES, LYRICS_FOOTER_BYTES)
    if lyrics[6:] == b"LYRICS200" and lyrics[:6].isdigit():
        return int(lyrics[:6]) + LYRICS_FOOTER_BYTES
    id3 = _at(stream, end - 10, 10)
    if id3[:3] == b"3DI":
        return _synchsafe(id3[6:10]) + 20
    return 0


def _flac_regions(stream: BinaryIO, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """Return STREAMINFO and the frames; the other metadata blocks are tags, pictures and padding."""
    position, stream_info = start + 4, (start, start)
    while position + 4 <= end:
        head = _at(stream, position, 4)
        length = int.from_bytes(head[1:], "big")
        if head[0] & 0x7F == 0:
            stream_info = (position + 4, min(end, position + 4 + length))
        position += 4 + length
        if head[0] & 0x80:
            break
    return (stream_info, (min(position, end), end))
