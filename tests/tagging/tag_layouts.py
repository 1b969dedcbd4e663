"""Files laid out in ways that a write changes and undo must bring back: padding, pages, pad bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from uuid import UUID

from tag_bytes import (
    _wav,
    flac_blocks,
    flac_file,
    flac_kind,
    mp4_atom,
    mp4_file,
    ogg_crc,
    ogg_pages,
    wav_chunk,
    wav_odd,
    wma_file,
)
from tag_streams import OLD, genre_frame, id3_frames, id3_tag, raw

ASF_PADDING = UUID("1806d474-cadf-4509-a4ba-9aabcb96aae8")
_ASF_PROPERTIES = UUID("8cabdca1-a947-11cf-8ee4-00c00c205365")


def flac_two_paddings() -> bytes:
    blocks, audio = flac_blocks(flac_kind(padding=0, genre=True)())
    return flac_file([b for b in blocks if b[0] != 1] + [(1, bytes(100)), (1, bytes(90))], audio)


def opus_paged(*counts: int) -> Callable[[], bytes]:
    """Make an Opus file whose comment fills pages of so many laces."""

    def make() -> bytes:
        head, comment, *audio = ogg_pages(raw("opus.opus"))
        size = 255 * (sum(counts) - 1) + 100
        fields = [b"TITLE=A title", b"GENRE=Zouk", b"LYRICS="]
        fields[-1] += b"l" * (size - 8 - 4 - 3 - 4 - sum(4 + len(field) for field in fields))
        packet = b"OpusTags" + struct.pack("<I", 3) + b"ref" + struct.pack("<I", len(fields))
        packet += b"".join(struct.pack("<I", len(field)) + field for field in fields)
        laces = bytes([255] * (sum(counts) - 1) + [100])
        pages = [head]
        for number, count in enumerate(counts, start=1):
            lacing, laces = laces[:count], laces[count:]
            granule = (1 << 64) - 1 if laces else 0
            facts = struct.pack("<BQ4sIIB", number > 1, granule, comment[14:18], number, 0, count)
            pages.append(ogg_crc(b"OggS\0" + facts + lacing + packet[: sum(lacing)]))
            packet = packet[sum(lacing) :]
        for number, page in enumerate(audio, start=len(pages)):
            pages.append(ogg_crc(page[:18] + struct.pack("<I", number) + page[22:]))
        return b"".join(pages)

    return make


def mp4_two_frees(size: int) -> Callable[[], bytes]:
    """Make an M4A whose items are followed by a free atom of so many bytes, and that by another."""

    def make() -> bytes:
        data = mp4_file(lambda: raw("aac.m4a"))()
        ilst = data.index(b"ilst") - 4
        at = ilst + int.from_bytes(data[ilst : ilst + 4], "big")
        end = at + int.from_bytes(data[at : at + 4], "big")
        assert data[at + 4 : at + 8] == b"free"
        frees = mp4_atom(b"free", bytes(size - 8)) + mp4_atom(b"free", bytes(end - at - size - 8))
        return data[:at] + frees + data[end:]

    return make


def wav_without_pad(*chunks: bytes, beyond: bytes = b"") -> bytes:
    """Return a WAV file that ends with an odd chunk, its pad byte missing or beyond the RIFF chunk."""
    data = _wav(*chunks) if chunks else wav_odd()
    return data[:4] + (len(data) - 9).to_bytes(4, "little") + data[8:-1] + beyond


def wav_id3_without_pad() -> bytes:
    frames = (*id3_frames(3), genre_frame(3, *OLD))
    padding = 1 - len(b"".join(frames)) % 2
    return wav_without_pad(wav_chunk(b"id3 ", id3_tag(3, *frames, padding=padding)))


def wav_info_without_pad() -> bytes:
    items = wav_chunk(b"INAM", b"A title\0") + wav_chunk(b"IGNR", b"Zouk\0")[:-1]
    return wav_without_pad(wav_chunk(b"LIST", b"INFO" + items))


def wav_empty_id3() -> bytes:
    return _wav(wav_chunk(b"id3 ", b""))


def aiff_without_pad() -> bytes:
    data = raw("aiff.aiff")
    at = data.index(b"SSND")
    body = data[8:at] + b"SSND" + (20001).to_bytes(4, "big") + data[at + 8 :][:20001]
    return b"FORM" + len(body).to_bytes(4, "big") + body


def wma_with(guid: UUID, content: bytes) -> bytes:
    """Return a WMA file with one more object at the end of its header."""
    data = bytearray(wma_file())
    fresh = guid.bytes_le + (24 + len(content)).to_bytes(8, "little") + content
    size = int.from_bytes(data[16:24], "little")
    data[size:size] = fresh
    data[16:24] = (size + len(fresh)).to_bytes(8, "little")
    data[24:28] = (int.from_bytes(data[24:28], "little") + 1).to_bytes(4, "little")
    at = data.index(_ASF_PROPERTIES.bytes_le) + 24 + 16
    data[at : at + 8] = len(data).to_bytes(8, "little")
    return bytes(data)


def wma_two_paddings() -> bytes:
    return wma_with(ASF_PADDING, bytes(490))
