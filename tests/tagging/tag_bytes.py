"""Containers with tags of every awkward kind, made byte by byte or by mutagen out of tests/data/formats."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
from mutagen.asf import ASF, ASFByteArrayAttribute, ASFGUIDAttribute, ASFQWordAttribute
from mutagen.flac import FLAC, Picture
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from tag_streams import COVER, DATA, OLD, _saved, genre_frame, id3_frames, id3_tag, id3v1, raw


def flac_kind(*, padding: int | None, genre: bool, picture: bytes = b"") -> Callable[[], bytes]:
    def make() -> bytes:
        def change(file: io.BytesIO) -> None:
            flac = FLAC(file)
            flac.tags.extend([("title", "A title"), ("ARTIST", "One"), ("Artist", "Zwei ♫"), ("EMPTY", "")])
            if genre:
                flac.tags.extend([("Genre", OLD[0]), ("GENRE", OLD[1])])
            if picture:
                cover = Picture()
                cover.data, cover.mime, cover.type = picture, "image/jpeg", 3
                flac.add_picture(cover)
            file.seek(0)
            flac.save(file, padding=lambda _: padding or 0)

        data = _saved(raw("flac.flac"), change)
        return data if padding is not None else _without_padding(data)

    return make


def flac_blocks(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    blocks, at = [], 4
    while True:
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
        blocks.append((kind & 127, data[at + 4 : at + 4 + length]))
        at += 4 + length
        if kind & 128:
            return blocks, data[at:]


def flac_file(blocks: list[tuple[int, bytes]], audio: bytes) -> bytes:
    parts = [b"fLaC"]
    for i, (kind, content) in enumerate(blocks):
        parts.append(
            bytes([kind | (128 if i + 1 == len(blocks) else 0)]) + len(content).to_bytes(3, "big") + content
        )
    return b"".join((*parts, audio))


def _without_padding(data: bytes) -> bytes:
    blocks, audio = flac_blocks(data)
    return flac_file([b for b in blocks if b[0] != 1], audio)


def flac_without_comments() -> bytes:
    blocks, audio = flac_blocks(raw("flac.flac"))
    return flac_file([b for b in blocks if b[0] == 0], audio)


def flac_with_empty_comments() -> bytes:
    blocks, audio = flac_blocks(raw("flac.flac"))
    return flac_file([b for b in blocks if b[0] == 0] + [(4, b"\x04\0\0\0test\0\0\0\0")], audio)


def flac_with_only_a_picture() -> bytes:
    blocks, audio = flac_blocks(flac_kind(padding=99, genre=False, picture=COVER)())
    return flac_file([b for b in blocks if b[0] != 4], audio)


def flac_odd_order() -> bytes:
    blocks, audio = flac_blocks(flac_kind(padding=0, genre=True)())
    by_kind = dict(blocks)
    return flac_file(
        [(0, by_kind[0]), (1, bytes(300)), (2, b"test" + b"app data"), (1, bytes(7)), (4, by_kind[4])], audio
    )


def flac_in_id3() -> bytes:
    inner = flac_kind(padding=200, genre=True)()
    return id3_tag(4, *id3_frames(4), genre_frame(4, *OLD), padding=20) + inner + id3v1(17)


def _picture(size: int) -> str:
    cover = Picture()
    cover.data, cover.mime, cover.type = COVER[:4] + bytes(size * 3 // 4), "image/jpeg", 3
    return base64.b64encode(cover.write()).decode()


def ogg_file(name: str, kind: type, *, picture: int = 0, lyrics: int = 0) -> Callable[[], bytes]:
    def make() -> bytes:
        def change(file: io.BytesIO) -> None:
            ogg = kind(file)
            ogg.tags.extend([("title", "A title"), ("genre", OLD[0]), ("GENRE", OLD[1])])
            ogg.tags.append(("R128_TRACK_GAIN", "-1234"))
            if picture:
                ogg.tags.append(("METADATA_BLOCK_PICTURE", _picture(picture)))
            if lyrics:
                ogg.tags.append(("LYRICS", "la" * (lyrics // 2)))
            file.seek(0)
            ogg.save(file, padding=lambda _: 0)

        return _saved(raw(name), change)

    return make


def ogg_pages(data: bytes) -> list[bytes]:
    pages, at = [], 0
    while at < len(data):
        count = data[at + 26]
        end = at + 27 + count + sum(data[at + 27 : at + 27 + count])
        pages.append(data[at:end])
        at = end
    return pages


def ogg_crc(page: bytes) -> bytes:
    """Return a page with its checksum, computed bit by bit as RFC 3533 has it."""
    page = page[:22] + bytes(4) + page[26:]
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return page[:22] + crc.to_bytes(4, "little") + page[26:]


def _with_serial(page: bytes, serial: int) -> bytes:
    return ogg_crc(page[:14] + serial.to_bytes(4, "little") + page[18:])


def ogg_chained() -> bytes:
    return ogg_file("vorbis.ogg", OggVorbis)() + raw("vorbis.ogg")


def ogg_multiplexed() -> bytes:
    ours = ogg_pages(ogg_file("vorbis.ogg", OggVorbis, lyrics=200_000)())
    other = [_with_serial(page, 4711) for page in ogg_pages(raw("opus.opus"))]
    mixed = [ours[0], other[0]]
    ours, other = ours[1:], other[1:]
    while ours or other:
        mixed += ours[:1] + other[:1]
        ours, other = ours[1:], other[1:]
    return b"".join(mixed)


def opus_binary_suffix() -> bytes:
    def change(file: io.BytesIO) -> None:
        opus = OggOpus(file)
        opus.tags.extend([("genre", g) for g in OLD])
        opus.tags._pad_data = b"\x01binary data that must stay"
        file.seek(0)
        opus.save(file)

    return _saved(raw("opus.opus"), change)


def remuxed(name: str, container: str, **options: str) -> bytes:
    """Return the audio of a file in another container, packet by packet."""
    with (
        tempfile.NamedTemporaryFile() as target,
        av.open(str(DATA / name)) as source,
        av.open(target.name, "w", format=container, options=options) as out,
    ):
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
        out.close()
        return Path(target.name).read_bytes()


def mp4_file(data: Callable[[], bytes], *, genre: bool = True) -> Callable[[], bytes]:
    def make() -> bytes:
        def change(file: io.BytesIO) -> None:
            mp4 = MP4(file)
            if mp4.tags is None:
                mp4.add_tags()
            mp4["\xa9nam"], mp4["trkn"], mp4["tmpo"] = ["A title"], [(3, 9)], [120]
            mp4["covr"] = [MP4Cover(COVER, MP4Cover.FORMAT_JPEG)]
            mp4["----:com.apple.iTunes:MOOD"] = [MP4FreeForm(b"odd"), MP4FreeForm(b"even")]
            if genre:
                mp4["\xa9gen"] = list(OLD)
            file.seek(0)
            mp4.save(file, padding=lambda _: 30)

        return _saved(data(), change)

    return make


def mp4_gnre() -> bytes:
    data = mp4_file(lambda: raw("aac.m4a"), genre=False)()
    item = struct.pack(">I4s", 26, b"gnre") + struct.pack(">I4sIIH", 18, b"data", 0, 0, 18)  # 18 is Rock
    at = data.index(b"ilst") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    free = data.index(b"free", at + size) - 4
    left = int.from_bytes(data[free : free + 4], "big")
    assert left >= 26 + 8
    body = bytearray(data[at : at + size] + item)
    body[:4] = (size + 26).to_bytes(4, "big")
    return (
        data[:at]
        + bytes(body)
        + struct.pack(">I4s", left - 26, b"free")
        + bytes(left - 34)
        + data[free + left :]
    )


def mp4_atom(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def mp4_co64() -> bytes:
    """The moov atom first, 64-bit chunk offsets, and a 64-bit mdat."""
    data = raw("aac.m4a")
    tops, at = {}, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        tops[data[at + 4 : at + 8]] = (at, size)
        at += size
    moov = data[tops[b"moov"][0] :][: tops[b"moov"][1]]
    mdat_at, mdat_size = tops[b"mdat"]
    payload = data[mdat_at + 8 : mdat_at + mdat_size]
    ftyp = data[: tops[b"ftyp"][1]]
    stco = moov.index(b"stco") - 4
    count = int.from_bytes(moov[stco + 12 : stco + 16], "big")
    old = struct.unpack_from(f">{count}I", moov, stco + 16)
    grown = 4 * count
    start = len(ftyp) + len(moov) + grown + 16
    new = [offset - mdat_at - 8 + start for offset in old]
    co64 = struct.pack(">I4sII", 16 + 8 * count, b"co64", 0, count) + struct.pack(f">{count}Q", *new)
    body = bytearray(moov[:stco] + co64 + moov[stco + 16 + 4 * count :])
    at = 0
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = body.index(name, at) - 4
        body[at : at + 4] = (int.from_bytes(body[at : at + 4], "big") + grown).to_bytes(4, "big")
        at += 4
    return ftyp + bytes(body) + struct.pack(">I4sQ", 1, b"mdat", len(payload) + 16) + payload


def wav_chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def _wav(*chunks: bytes, before: tuple[bytes, ...] = ()) -> bytes:
    inner = raw("wav.wav")[12:]
    body = b"WAVE" + b"".join(before) + inner + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def wav_info(
    *items: tuple[bytes, bytes], beside: tuple[bytes, ...] = (), pad: bool = True
) -> Callable[[], bytes]:
    def make() -> bytes:
        content = b"".join(wav_chunk(name, text) for name, text in items)
        if not pad:
            assert content.endswith(b"\0")
            content = content[:-1]
        return _wav(wav_chunk(b"LIST", b"INFO" + content), *beside)

    return make


def wav_id3_first() -> bytes:
    tag = id3_tag(3, *id3_frames(3), genre_frame(3, *OLD), padding=5)
    return _wav(wav_chunk(b"bext", b"description".ljust(602, b"\0")), before=(wav_chunk(b"id3 ", tag),))


def rf64() -> bytes:
    return remuxed("wav.wav", "wav", rf64="always", write_bext="1")


def wav_odd() -> bytes:
    data = raw("wav.wav")
    at = data.index(b"data")
    content = data[at + 8 :][:20001]
    body = data[8:at] + b"data" + len(content).to_bytes(4, "little") + content + b"\0"
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def aifc_file() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return name + len(content).to_bytes(4, "big") + content + bytes(len(content) % 2)

    data = raw("aiff.aiff")
    comm = data.index(b"COMM")
    size = int.from_bytes(data[comm + 4 : comm + 8], "big")
    comm_new = chunk(b"COMM", data[comm + 8 : comm + 8 + 18] + b"NONE" + b"\x0enot compressed\0")
    ssnd = data.index(b"SSND", comm + 8 + size)
    tag = id3_tag(4, *id3_frames(4), genre_frame(4, *OLD))
    body = b"AIFC" + chunk(b"FVER", b"\xa2\x80\x51\x40") + comm_new + data[ssnd:] + chunk(b"ID3 ", tag)
    return b"FORM" + len(body).to_bytes(4, "big") + body


def dff_chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(8, "big") + content + bytes(len(content) % 2)


def dff_master(title: bytes = b"Master title", artist: bytes = "Mäster artist".encode("latin-1")) -> bytes:
    """Edited master information: title and artist, each with its length in front."""
    texts = ((b"DITI", title), (b"DIAR", artist))
    return dff_chunk(
        b"DIIN", b"".join(dff_chunk(name, len(text).to_bytes(4, "big") + text) for name, text in texts)
    )


def dff_file(*more: bytes) -> bytes:
    chunk = dff_chunk
    prop = (
        chunk(b"FS  ", (2822400).to_bytes(4, "big"))
        + chunk(b"CHNL", b"\0\x01C   ")
        + chunk(b"CMPR", b"DSD \x0enot compressed")
    )
    body = (
        b"DSD "
        + chunk(b"FVER", b"\1\5\0\0")
        + chunk(b"PROP", b"SND " + prop)
        + chunk(b"DSD ", b"\x69\x96" * 20000)
        + b"".join(more)
    )
    return b"FRM8" + len(body).to_bytes(8, "big") + body


def dsf_file() -> bytes:
    data = raw("dsd.dsf")
    tag = id3_tag(3, *id3_frames(3), genre_frame(3, *OLD), padding=9)
    return (
        data[:12]
        + (len(data) + len(tag)).to_bytes(8, "little")
        + len(data).to_bytes(8, "little")
        + data[28:]
        + tag
    )


def wma_file() -> bytes:
    def change(file: io.BytesIO) -> None:
        asf = ASF(file)
        picture = struct.pack("<bi", 3, len(COVER)) + "image/jpeg\0\0".encode("utf-16-le") + COVER
        asf["Title"], asf["WM/Genre"] = ["A title"], list(OLD)
        asf["WM/Picture"] = [ASFByteArrayAttribute(picture)]
        asf["Number"], asf["Identity"] = [ASFQWordAttribute(1 << 40)], [ASFGUIDAttribute(b"0123456789abcdef")]
        file.seek(0)
        asf.save(file, padding=lambda _: 500)

    return _saved(raw("wma.wma"), change)


def ape_audio() -> bytes:
    return b"MAC \x96\x0f" + bytes((i * i * 31) & 0xFF for i in range(9000))
