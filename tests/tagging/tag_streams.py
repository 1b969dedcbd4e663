"""Streams with ID3 and APEv2 tags of every awkward kind around them, made byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from mutagen.apev2 import APEv2

DATA = Path(__file__).resolve().parents[1] / "data" / "formats"
COVER = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"
OLD = ("Zouk", "Dark Ambient")


def raw(name: str) -> bytes:
    return (DATA / name).read_bytes()


def _saved(data: bytes, change: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO(data)
    change(file)
    return file.getvalue()


def bare_mp3() -> bytes:
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


def id3v1(genre: int, *, title: bytes = b"V1 title", artist: bytes = b"V1 artist") -> bytes:
    return (
        b"TAG" + title.ljust(30, b"\0") + artist.ljust(30, b"\0") + b"V1 album".ljust(30, b"\0")
        + b"1987" + b"V1 comment".ljust(28, b"\0") + b"\0\x07" + bytes([genre])
    )  # fmt: skip


def id3_file(
    version: int, *, padding: int, genre: bool, flags: int = 0, extended: bytes = b""
) -> Callable[[], bytes]:
    def make() -> bytes:
        frames = id3_frames(version)
        if genre:
            frames.insert(2, genre_frame(version, "Zouk", "Dark Ambient"))
        return id3_tag(version, *frames, padding=padding, flags=flags, extended=extended) + bare_mp3()

    return make


def itunes_sizes() -> bytes:
    long = b"\x00" + b"x" * 300
    frame = b"COMM" + len(b"\x00eng\x00" + long).to_bytes(4, "big") + b"\0\0" + b"\x00eng\x00" + long
    title = b"TIT2" + (200).to_bytes(4, "big") + b"\0\0" + b"\x00" + b"t" * 199
    return id3_tag(4, title, frame, genre_frame(4, *OLD), padding=64) + bare_mp3()


def apev2(**values: str) -> bytes:
    tag = APEv2()
    for key, value in values.items():
        tag[key] = value
    file = io.BytesIO()
    tag.save(file)
    return file.getvalue()


def apev2_of_131_bytes() -> bytes:
    """A tag whose name, APETAGEX, has its TAG where an ID3v1 tag would begin."""
    tag = apev2(Title="A title", Artist="A" * 31)
    assert tag[-128:-125] == b"TAG"
    return tag


def mp3_with_everything() -> bytes:
    return (
        id3_tag(3, *id3_frames(3), genre_frame(3, *OLD), padding=40)
        + id3_tag(4, genre_frame(4, "Zouk"), padding=10)
        + bare_mp3()
        + apev2(Title="A title", Genre="Zouk", REPLAYGAIN_TRACK_GAIN="-3.2 dB")
        + id3v1(17)
    )


def lyrics3() -> bytes:
    lyrics = b"LYRICSBEGININD0000200LYR00005hello"
    return (
        id3_tag(4, *id3_frames(4), padding=30)
        + bare_mp3()
        + lyrics
        + f"{len(lyrics):06}LYRICS200".encode()
        + id3v1(255)
    )
