"""One table of every kind of file and tag the store knows; each entry builds its file from tests/data/formats."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
from mutagen.apev2 import APEv2
from mutagen.asf import ASF, ASFByteArrayAttribute, ASFGUIDAttribute, ASFQWordAttribute
from mutagen.flac import FLAC, Picture
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

DATA = Path(__file__).resolve().parents[1] / "data" / "formats"
COVER = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"
OLD = ("Zouk", "Dark Ambient")


@dataclass(frozen=True)
class Case:
    """A kind of file: how it is made, what genres it has at first, and whether PyAV can read it."""

    id: str
    suffix: str
    make: Callable[[], bytes]
    genres: tuple[str, ...] = ()
    audio: bool = True

    def build(self, directory: Path) -> Path:
        path = directory / f"{self.id}{self.suffix}"
        path.write_bytes(self.make())
        return path


def raw(name: str) -> bytes:
    return (DATA / name).read_bytes()


def _saved(data: bytes, change: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO(data)
    change(file)
    return file.getvalue()


def _bare_mp3() -> bytes:
    return raw("mp3-no-header.mp3")


def id3_frames(version: int) -> list[bytes]:
    """Frames of every awkward sort, for one version of ID3v2."""
    if version == 2:
        frame = lambda name, body: name + len(body).to_bytes(3, "big") + body  # noqa: E731
        return [
            frame(b"TT2", b"\x00A title"),
            frame(b"TP1", b"\x01" + "Ärtist".encode("utf-16")),
            frame(b"PIC", b"\x00JPG\x03\x00" + COVER),
            frame(b"ZZZ", b"nobody knows this frame"),
        ]
    size = (
        (lambda n: bytes((n >> s) & 127 for s in (21, 14, 7, 0)))
        if version == 4
        else lambda n: n.to_bytes(4, "big")
    )
    frame = lambda name, body, flags=b"\0\0": name + size(len(body)) + flags + body  # noqa: E731
    text = zlib.compress(b"\x00compressed text")
    packed = (
        frame(b"TIT3", (16).to_bytes(4, "big") + text, b"\x00\x80")
        if version == 3
        else frame(b"TIT3", size(16) + text, b"\x00\x09")
    )
    return [
        frame(b"TIT2", b"\x00A title"),
        frame(b"TPE1", b"\x01" + "Ärtist\0Second".encode("utf-16")),
        frame(b"TYER" if version == 3 else b"TDRC", b"\x001987"),
        frame(b"IPLS" if version == 3 else b"TIPL", b"\x00engineer\0Somebody\0"),
        packed,
        frame(b"APIC", b"\x00image/jpeg\x00\x03\x00" + COVER),
        frame(
            b"CHAP",
            b"ch1\0" + struct.pack(">IIII", 0, 1000, 0xFFFFFFFF, 0xFFFFFFFF) + frame(b"TIT2", b"\x00One"),
        ),
        frame(b"PRIV", b"owner\0" + bytes(range(256))),
        frame(b"XYZW", b"nobody knows this frame"),
    ]


def id3_tag(version: int, *frames: bytes, padding: int = 0, flags: int = 0, extended: bytes = b"") -> bytes:
    body = extended + b"".join(frames) + bytes(padding)
    if flags & 0x80 and version < 4:
        body = io.BytesIO(body).getvalue().replace(b"\xff\x00", b"\xff\x00\x00")
        body = b"".join(
            b"\xff\x00" if byte == 0xFF and (i + 1 == len(body) or body[i + 1] >= 0xE0) else bytes([byte])
            for i, byte in enumerate(body)
        )
    size = bytes((len(body) >> s) & 127 for s in (21, 14, 7, 0))
    head = bytes([version, 0, flags]) + size
    return b"ID3" + head + body + (b"3DI" + head if flags & 0x10 else b"")


def genre_frame(version: int, *values: str) -> bytes:
    body = b"\x00" + "\0".join(values).encode("latin-1")
    if version == 2:
        return b"TCO" + len(body).to_bytes(3, "big") + body
    return b"TCON" + bytes((len(body) >> s) & 127 for s in (21, 14, 7, 0)) + b"\0\0" + body


def id3v1(genre: int) -> bytes:
    return (
        b"TAG" + b"V1 title".ljust(30, b"\0") + b"V1 artist".ljust(30, b"\0") + b"V1 album".ljust(30, b"\0")
        + b"1987" + b"V1 comment".ljust(28, b"\0") + b"\0\x07" + bytes([genre])
    )  # fmt: skip


def _id3(
    version: int, *, padding: int, genre: bool, flags: int = 0, extended: bytes = b""
) -> Callable[[], bytes]:
    def make() -> bytes:
        frames = id3_frames(version)
        if genre:
            frames.insert(2, genre_frame(version, "Zouk", "Dark Ambient"))
        return id3_tag(version, *frames, padding=padding, flags=flags, extended=extended) + _bare_mp3()

    return make


def _itunes_sizes() -> bytes:
    long = b"\x00" + b"x" * 300
    frame = b"COMM" + len(b"\x00eng\x00" + long).to_bytes(4, "big") + b"\0\0" + b"\x00eng\x00" + long
    title = b"TIT2" + (200).to_bytes(4, "big") + b"\0\0" + b"\x00" + b"t" * 199
    return id3_tag(4, title, frame, genre_frame(4, *OLD), padding=64) + _bare_mp3()


def apev2(**values: str) -> bytes:
    tag = APEv2()
    for key, value in values.items():
        tag[key] = value
    file = io.BytesIO()
    tag.save(file)
    return file.getvalue()


def _mp3_with_everything() -> bytes:
    return (
        id3_tag(3, *id3_frames(3), genre_frame(3, *OLD), padding=40)
        + id3_tag(4, genre_frame(4, "Zouk"), padding=10)
        + _bare_mp3()
        + apev2(Title="A title", Genre="Zouk", REPLAYGAIN_TRACK_GAIN="-3.2 dB")
        + id3v1(17)
    )


def _lyrics3() -> bytes:
    lyrics = b"LYRICSBEGININD0000200LYR00005hello"
    return (
        id3_tag(4, *id3_frames(4), padding=30)
        + _bare_mp3()
        + lyrics
        + f"{len(lyrics):06}LYRICS200".encode()
        + id3v1(255)
    )


def _flac(*, padding: int | None, genre: bool, picture: bytes = b"") -> Callable[[], bytes]:
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


def _flac_without_comments() -> bytes:
    blocks, audio = flac_blocks(raw("flac.flac"))
    return flac_file([b for b in blocks if b[0] == 0], audio)


def _flac_odd_order() -> bytes:
    blocks, audio = flac_blocks(_flac(padding=0, genre=True)())
    by_kind = dict(blocks)
    return flac_file(
        [(0, by_kind[0]), (1, bytes(300)), (2, b"test" + b"app data"), (1, bytes(7)), (4, by_kind[4])], audio
    )


def _flac_in_id3() -> bytes:
    inner = _flac(padding=200, genre=True)()
    return id3_tag(4, *id3_frames(4), genre_frame(4, *OLD), padding=20) + inner + id3v1(17)


def _picture(size: int) -> str:
    cover = Picture()
    cover.data, cover.mime, cover.type = COVER[:4] + bytes(size * 3 // 4), "image/jpeg", 3
    return base64.b64encode(cover.write()).decode()


def _ogg(name: str, kind: type, *, picture: int = 0, lyrics: int = 0) -> Callable[[], bytes]:
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


def _ogg_chained() -> bytes:
    return _ogg("vorbis.ogg", OggVorbis)() + raw("vorbis.ogg")


def _ogg_multiplexed() -> bytes:
    ours = ogg_pages(_ogg("vorbis.ogg", OggVorbis, lyrics=200_000)())
    other = [_with_serial(page, 4711) for page in ogg_pages(raw("opus.opus"))]
    mixed = [ours[0], other[0]]
    ours, other = ours[1:], other[1:]
    while ours or other:
        mixed += ours[:1] + other[:1]
        ours, other = ours[1:], other[1:]
    return b"".join(mixed)


def _opus_binary_suffix() -> bytes:
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


def _mp4(data: Callable[[], bytes], *, genre: bool = True) -> Callable[[], bytes]:
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


def _mp4_gnre() -> bytes:
    data = _mp4(lambda: raw("aac.m4a"), genre=False)()
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


def _mp4_co64() -> bytes:
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


def _wav_info() -> bytes:
    items = wav_chunk(b"INAM", b"A title\0") + wav_chunk(b"IGNR", b"Zouk\0") + wav_chunk(b"ICMT", b"odd")
    return _wav(wav_chunk(b"LIST", b"INFO" + items))


def _wav_id3_first() -> bytes:
    tag = id3_tag(3, *id3_frames(3), genre_frame(3, *OLD), padding=5)
    return _wav(wav_chunk(b"bext", b"description".ljust(602, b"\0")), before=(wav_chunk(b"id3 ", tag),))


def _rf64() -> bytes:
    return remuxed("wav.wav", "wav", rf64="always", write_bext="1")


def _wav_odd() -> bytes:
    data = raw("wav.wav")
    at = data.index(b"data")
    content = data[at + 8 :][:20001]
    body = data[8:at] + b"data" + len(content).to_bytes(4, "little") + content + b"\0"
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _aifc() -> bytes:
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


def _dff() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return name + len(content).to_bytes(8, "big") + content + bytes(len(content) % 2)

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
    )
    return b"FRM8" + len(body).to_bytes(8, "big") + body


def _dsf() -> bytes:
    data = raw("dsd.dsf")
    tag = id3_tag(3, *id3_frames(3), genre_frame(3, *OLD), padding=9)
    return (
        data[:12]
        + (len(data) + len(tag)).to_bytes(8, "little")
        + len(data).to_bytes(8, "little")
        + data[28:]
        + tag
    )


def _wma() -> bytes:
    def change(file: io.BytesIO) -> None:
        asf = ASF(file)
        picture = struct.pack("<bi", 3, len(COVER)) + "image/jpeg\0\0".encode("utf-16-le") + COVER
        asf["Title"], asf["WM/Genre"] = ["A title"], list(OLD)
        asf["WM/Picture"] = [ASFByteArrayAttribute(picture)]
        asf["Number"], asf["Identity"] = [ASFQWordAttribute(1 << 40)], [ASFGUIDAttribute(b"0123456789abcdef")]
        file.seek(0)
        asf.save(file, padding=lambda _: 500)

    return _saved(raw("wma.wma"), change)


def _ape_audio() -> bytes:
    return b"MAC \x96\x0f" + bytes((i * i * 31) & 0xFF for i in range(9000))


CASES: tuple[Case, ...] = (
    Case("mp3-id3v22", ".mp3", _id3(2, padding=60, genre=True), OLD),
    Case("mp3-id3v22-unsynchronised", ".mp3", _id3(2, padding=0, genre=False, flags=0x80)),
    Case("mp3-id3v23", ".mp3", _id3(3, padding=200, genre=True), OLD),
    Case("mp3-id3v23-no-padding", ".mp3", _id3(3, padding=0, genre=False)),
    Case("mp3-id3v23-unsynchronised", ".mp3", _id3(3, padding=50, genre=True, flags=0x80), OLD),
    Case(
        "mp3-id3v23-extended",
        ".mp3",
        _id3(3, padding=50, genre=False, flags=0x40, extended=struct.pack(">IHI", 6, 0, 50)),
    ),
    Case("mp3-id3v24", ".mp3", _id3(4, padding=200, genre=True), OLD),
    Case("mp3-id3v24-unsynchronised", ".mp3", _id3(4, padding=10, genre=True, flags=0x80), OLD),
    Case("mp3-id3v24-footer", ".mp3", _id3(4, padding=0, genre=True, flags=0x10), OLD),
    Case(
        "mp3-id3v24-extended",
        ".mp3",
        _id3(4, padding=50, genre=True, flags=0x40, extended=b"\0\0\0\x06\x01\0"),
        OLD,
    ),
    Case("mp3-itunes-sizes", ".mp3", _itunes_sizes, OLD),
    Case("mp3-no-tag", ".mp3", _bare_mp3),
    Case("mp3-id3v1-only", ".mp3", lambda: _bare_mp3() + id3v1(17), ("Rock",)),
    Case("mp3-apev2-only", ".mp3", lambda: _bare_mp3() + apev2(Title="A title", Genre="Zouk"), ("Zouk",)),
    Case("mp3-replaygain-apev2", ".mp3", lambda: raw("mp3.mp3") + apev2(MP3GAIN_MINMAX="1,2") + id3v1(255)),
    Case("mp3-every-tag", ".mp3", _mp3_with_everything, OLD),
    Case("mp3-lyrics3", ".mp3", _lyrics3),
    Case(
        "mp3-id3v24-at-end",
        ".mp3",
        lambda: raw("mp3.mp3") + id3_tag(4, genre_frame(4, "Zouk"), flags=0x10),
        ("Zouk",),
    ),
    Case("flac", ".flac", _flac(padding=2000, genre=True, picture=COVER), OLD),
    Case("flac-no-padding", ".flac", _flac(padding=None, genre=False)),
    Case("flac-huge-picture", ".flac", _flac(padding=10, genre=True, picture=COVER * 150), OLD),
    Case("flac-no-comments", ".flac", _flac_without_comments),
    Case("flac-odd-order", ".flac", _flac_odd_order, OLD),
    Case("flac-between-id3", ".flac", _flac_in_id3, OLD),
    Case("ogg-vorbis", ".ogg", _ogg("vorbis.ogg", OggVorbis), OLD),
    Case("ogg-vorbis-no-tags", ".ogg", lambda: raw("vorbis.ogg")),
    Case("ogg-vorbis-many-pages", ".ogg", _ogg("vorbis.ogg", OggVorbis, picture=200_000), OLD),
    Case("ogg-vorbis-full-page", ".ogg", _ogg("vorbis.ogg", OggVorbis, picture=61_480), OLD),
    Case("ogg-chained", ".ogg", _ogg_chained, OLD),
    Case("ogg-multiplexed", ".ogg", _ogg_multiplexed, OLD),
    Case("ogg-flac", ".oga", lambda: raw("flac-in-ogg.oga")),
    Case("opus", ".opus", _ogg("opus.opus", OggOpus), OLD),
    Case("opus-binary-suffix", ".opus", _opus_binary_suffix, OLD),
    Case("m4a-aac", ".m4a", _mp4(lambda: raw("aac.m4a")), OLD),
    Case("m4a-alac", ".m4a", _mp4(lambda: raw("alac.m4a"), genre=False)),
    Case("m4a-faststart", ".m4a", _mp4(lambda: remuxed("aac.m4a", "ipod", movflags="faststart")), OLD),
    Case("m4a-bare", ".mp4", lambda: remuxed("aac.m4a", "mp4", fflags="bitexact", movflags="disable_chpl")),
    Case("m4a-gnre", ".m4a", _mp4_gnre, ("Rock",)),
    Case("m4a-64-bit", ".m4a", _mp4_co64),
    Case(
        "m4a-fragmented",
        ".mp4",
        lambda: remuxed("aac.m4a", "mp4", movflags="frag_keyframe+empty_moov", frag_duration="1000000"),
    ),
    Case(
        "m4a-free-after-moov",
        ".m4a",
        lambda: (lambda d: d + mp4_atom(b"free", bytes(500)) + mp4_atom(b"skip", bytes(20)))(raw("aac.m4a")),
    ),
    Case("wav", ".wav", lambda: raw("wav.wav")),
    Case("wav-info", ".wav", _wav_info, ("Zouk",)),
    Case("wav-id3-first", ".wav", _wav_id3_first, OLD),
    Case("wav-odd-size", ".wav", _wav_odd),
    Case("wav-rf64", ".wav", _rf64),
    Case("aiff", ".aiff", lambda: raw("aiff.aiff")),
    Case("aiff-c", ".aifc", _aifc, OLD),
    Case("dff", ".dff", _dff, audio=False),
    Case("dsf", ".dsf", _dsf, OLD),
    Case("dsf-no-tag", ".dsf", lambda: raw("dsd.dsf")),
    Case("tta", ".tta", lambda: raw("tta.tta")),
    Case("aac", ".aac", lambda: remuxed("aac.m4a", "adts")),
    Case(
        "wavpack",
        ".wv",
        lambda: raw("wavpack.wv") + apev2(Title="A title", Genre="Zouk", Cover="x" * 999),
        ("Zouk",),
    ),
    Case("musepack", ".mpc", lambda: raw("musepack-sv8.mpc") + apev2(Title="A title") + id3v1(17), ("Rock",)),
    Case("ape", ".ape", lambda: _ape_audio() + apev2(Title="A title", GENRE="Zouk"), ("Zouk",), audio=False),
    Case(
        "ape-id3v2-in-front",
        ".ape",
        lambda: id3_tag(4, genre_frame(4, "Zouk")) + _ape_audio(),
        ("Zouk",),
        audio=False,
    ),
    Case("wma", ".wma", _wma, OLD),
    Case("wma-bare", ".wma", lambda: raw("wma.wma")),
)
