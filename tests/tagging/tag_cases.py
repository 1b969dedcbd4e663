"""One table of every kind of file and tag the store knows, each made out of tests/data/formats."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from tag_bytes import (
    aifc_file,
    ape_audio,
    dff_file,
    dff_master,
    dsf_file,
    flac_in_id3,
    flac_kind,
    flac_odd_order,
    flac_with_empty_comments,
    flac_with_only_a_picture,
    flac_without_comments,
    mp4_atom,
    mp4_co64,
    mp4_file,
    mp4_gnre,
    ogg_chained,
    ogg_file,
    ogg_multiplexed,
    opus_binary_suffix,
    remuxed,
    rf64,
    wav_chunk,
    wav_id3_first,
    wav_info,
    wav_odd,
    wma_file,
)
from tag_layouts import (
    aiff_without_pad,
    flac_two_paddings,
    opus_paged,
    wav_empty_id3,
    wav_id3_without_pad,
    wav_info_without_pad,
    wav_without_pad,
    wma_two_paddings,
)
from tag_streams import (
    COVER,
    OLD,
    apev2,
    apev2_of_131_bytes,
    bare_mp3,
    genre_frame,
    id3_file,
    id3_frames,
    id3_tag,
    id3v1,
    itunes_sizes,
    lyrics3,
    mp3_with_everything,
    raw,
)


@dataclass(frozen=True)
class Case:
    """A kind of file: how it is made, what genres it has at first, and whether PyAV can read it.

    `stand_in` is the kind of tag that is written in place of the format's own, `inherits` says that
    the format's own takes the fields of ID3v1 or the like along.
    """

    id: str
    suffix: str
    make: Callable[[], bytes]
    genres: tuple[str, ...] = ()
    audio: bool = True
    stand_in: str = ""
    inherits: bool = False

    def build(self, directory: Path) -> Path:
        path = directory / f"{self.id}{self.suffix}"
        path.write_bytes(self.make())
        return path


CASES: tuple[Case, ...] = (
    Case("mp3-id3v22", ".mp3", id3_file(2, padding=60, genre=True), OLD),
    Case("mp3-id3v22-unsynchronised", ".mp3", id3_file(2, padding=0, genre=False, flags=0x80)),
    Case("mp3-id3v23", ".mp3", id3_file(3, padding=200, genre=True), OLD),
    Case("mp3-id3v23-no-padding", ".mp3", id3_file(3, padding=0, genre=False)),
    Case("mp3-id3v23-unsynchronised", ".mp3", id3_file(3, padding=50, genre=True, flags=0x80), OLD),
    Case(
        "mp3-id3v23-extended",
        ".mp3",
        id3_file(3, padding=50, genre=False, flags=0x40, extended=struct.pack(">IHI", 6, 0, 50)),
    ),
    Case("mp3-id3v24", ".mp3", id3_file(4, padding=200, genre=True), OLD),
    Case("mp3-id3v24-unsynchronised", ".mp3", id3_file(4, padding=10, genre=True, flags=0x80), OLD),
    Case("mp3-id3v24-footer", ".mp3", id3_file(4, padding=0, genre=True, flags=0x10), OLD),
    Case(
        "mp3-id3v24-extended",
        ".mp3",
        id3_file(4, padding=50, genre=True, flags=0x40, extended=b"\0\0\0\x06\x01\0"),
        OLD,
    ),
    Case("mp3-itunes-sizes", ".mp3", itunes_sizes, OLD),
    Case("mp3-no-tag", ".mp3", bare_mp3),
    Case("mp3-id3v1-only", ".mp3", lambda: bare_mp3() + id3v1(17), ("Rock",), inherits=True),
    Case(
        "mp3-id3v1-foreign",
        ".mp3",
        lambda: bare_mp3() + id3v1(17, title=b"\t Caf\xe9 ", artist="曲名".encode("gbk")),
        ("Rock",),
        inherits=True,
    ),
    Case(
        "mp3-id3v1-empty-id3v2",
        ".mp3",
        lambda: id3_tag(3, padding=99) + bare_mp3() + id3v1(17),
        ("Rock",),
        inherits=True,
    ),
    Case(
        "mp3-apev2-id3v1",
        ".mp3",
        lambda: bare_mp3() + apev2(Title="A title") + id3v1(17),
        ("Rock",),
        stand_in="APEv2",
    ),
    Case(
        "mp3-id3v2-genre-apev2",
        ".mp3",
        lambda: id3_tag(4, genre_frame(4, *OLD)) + bare_mp3() + apev2(Title="A title") + id3v1(17),
        OLD,
    ),
    Case(
        "mp3-apev2-like-id3v1", ".mp3", lambda: id3_file(4, padding=9, genre=False)() + apev2_of_131_bytes()
    ),
    Case(
        "mp3-apev2-only",
        ".mp3",
        lambda: bare_mp3() + apev2(Title="A title", Genre="Zouk"),
        ("Zouk",),
        stand_in="APEv2",
    ),
    Case(
        "mp3-replaygain-apev2",
        ".mp3",
        lambda: raw("mp3.mp3") + apev2(MP3GAIN_MINMAX="1,2") + id3v1(255),
        stand_in="APEv2",
    ),
    Case("mp3-every-tag", ".mp3", mp3_with_everything, OLD),
    Case("mp3-lyrics3", ".mp3", lyrics3),
    Case(
        "mp3-id3v24-at-end",
        ".mp3",
        lambda: raw("mp3.mp3") + id3_tag(4, genre_frame(4, "Zouk"), flags=0x10),
        ("Zouk",),
    ),
    Case("flac", ".flac", flac_kind(padding=2000, genre=True, picture=COVER), OLD),
    Case("flac-no-padding", ".flac", flac_kind(padding=None, genre=False)),
    Case("flac-huge-picture", ".flac", flac_kind(padding=10, genre=True, picture=COVER * 150), OLD),
    Case("flac-no-comments", ".flac", flac_without_comments),
    Case(
        "flac-id3v2-no-comments",
        ".flac",
        lambda: id3_tag(4, *id3_frames(4)) + flac_without_comments(),
        stand_in="ID3v2.4",
    ),
    Case(
        "flac-id3v2-empty-comments",
        ".flac",
        lambda: id3_tag(3, *id3_frames(3)) + flac_with_empty_comments(),
        stand_in="ID3v2.3",
    ),
    Case(
        "flac-id3v1-no-comments",
        ".flac",
        lambda: flac_without_comments() + id3v1(17),
        ("Rock",),
        inherits=True,
    ),
    Case(
        "flac-id3v1-empty-comments",
        ".flac",
        lambda: flac_with_empty_comments() + id3v1(17),
        ("Rock",),
        inherits=True,
    ),
    Case(
        "flac-id3v1-picture",
        ".flac",
        lambda: flac_with_only_a_picture() + id3v1(17),
        ("Rock",),
        inherits=True,
    ),
    Case("flac-odd-order", ".flac", flac_odd_order, OLD),
    Case("flac-two-paddings", ".flac", flac_two_paddings, OLD),
    Case("flac-between-id3", ".flac", flac_in_id3, OLD),
    Case("ogg-vorbis", ".ogg", ogg_file("vorbis.ogg", OggVorbis), OLD),
    Case("ogg-vorbis-no-tags", ".ogg", lambda: raw("vorbis.ogg")),
    Case("ogg-vorbis-many-pages", ".ogg", ogg_file("vorbis.ogg", OggVorbis, picture=200_000), OLD),
    Case("ogg-vorbis-full-page", ".ogg", ogg_file("vorbis.ogg", OggVorbis, picture=61_480), OLD),
    Case("ogg-chained", ".ogg", ogg_chained, OLD),
    Case("ogg-multiplexed", ".ogg", ogg_multiplexed, OLD),
    Case("ogg-flac", ".oga", lambda: raw("flac-in-ogg.oga")),
    Case("opus", ".opus", ogg_file("opus.opus", OggOpus), OLD),
    Case("opus-binary-suffix", ".opus", opus_binary_suffix, OLD),
    Case("opus-full-page", ".opus", opus_paged(255), ("Zouk",)),
    Case("opus-full-pages", ".opus", opus_paged(255, 255), ("Zouk",)),
    Case("m4a-aac", ".m4a", mp4_file(lambda: raw("aac.m4a")), OLD),
    Case("m4a-alac", ".m4a", mp4_file(lambda: raw("alac.m4a"), genre=False)),
    Case("m4a-faststart", ".m4a", mp4_file(lambda: remuxed("aac.m4a", "ipod", movflags="faststart")), OLD),
    Case("m4a-faststart-no-tag", ".m4a", lambda: remuxed("aac.m4a", "ipod", movflags="faststart")),
    Case("m4a-bare", ".mp4", lambda: remuxed("aac.m4a", "mp4", fflags="bitexact", movflags="disable_chpl")),
    Case("m4a-gnre", ".m4a", mp4_gnre, ("Rock",)),
    Case("m4a-64-bit", ".m4a", mp4_co64),
    Case(
        "m4a-fragmented",
        ".mp4",
        lambda: remuxed("aac.m4a", "mp4", movflags="frag_keyframe+empty_moov", frag_duration="1000000"),
    ),
    Case(
        "m4a-free-after-moov",
        ".m4a",
        lambda: raw("aac.m4a") + mp4_atom(b"free", bytes(500)) + mp4_atom(b"skip", bytes(20)),
    ),
    Case("wav", ".wav", lambda: raw("wav.wav")),
    Case(
        "wav-info",
        ".wav",
        wav_info((b"INAM", b"A title\0"), (b"IGNR", b"Zouk\0"), (b"ICMT", b"odd")),
        ("Zouk",),
        stand_in="INFO",
    ),
    Case(
        "wav-info-unpadded",
        ".wav",
        wav_info((b"INAM", b"A title\0"), (b"ICMT", b"odd"), pad=False),
        stand_in="INFO",
    ),
    Case("wav-info-program", ".wav", wav_info((b"ISFT", b"Lavf58.76.100\0"))),
    Case(
        "wav-info-id3",
        ".wav",
        wav_info(
            (b"INAM", b"A title\0"),
            (b"IGNR", b"Zouk; Dark Ambient\0"),
            beside=(wav_chunk(b"id3 ", id3_tag(4, *id3_frames(4))),),
        ),
        OLD,
    ),
    Case("wav-id3-first", ".wav", wav_id3_first, OLD),
    Case("wav-odd-size", ".wav", wav_odd),
    Case("wav-odd-size-no-pad", ".wav", wav_without_pad),
    Case("wav-odd-size-pad-beyond", ".wav", lambda: wav_without_pad(beyond=b"\0")),
    Case("wav-id3-no-pad", ".wav", wav_id3_without_pad, OLD),
    Case("wav-info-no-pad", ".wav", wav_info_without_pad, ("Zouk",), stand_in="INFO"),
    Case("wav-empty-id3", ".wav", wav_empty_id3),
    Case("wav-rf64", ".wav", rf64),
    Case("aiff", ".aiff", lambda: raw("aiff.aiff")),
    Case("aiff-odd-size-no-pad", ".aiff", aiff_without_pad),
    Case("aiff-c", ".aifc", aifc_file, OLD),
    Case("dff", ".dff", dff_file, audio=False),
    Case("dff-master", ".dff", lambda: dff_file(dff_master()), audio=False, inherits=True),
    Case("dsf", ".dsf", dsf_file, OLD),
    Case("dsf-no-tag", ".dsf", lambda: raw("dsd.dsf")),
    Case("tta", ".tta", lambda: raw("tta.tta")),
    Case("tta-id3v1", ".tta", lambda: raw("tta.tta") + id3v1(17), ("Rock",), inherits=True),
    Case("aac", ".aac", lambda: remuxed("aac.m4a", "adts")),
    Case("aac-apev2", ".aac", lambda: remuxed("aac.m4a", "adts") + apev2(Title="A title"), stand_in="APEv2"),
    Case(
        "wavpack",
        ".wv",
        lambda: raw("wavpack.wv") + apev2(Title="A title", Genre="Zouk", Cover="x" * 999),
        ("Zouk",),
    ),
    Case("wavpack-id3v1", ".wv", lambda: raw("wavpack.wv") + id3v1(17), ("Rock",), inherits=True),
    Case("wavpack-apev2-like-id3v1", ".wv", lambda: raw("wavpack.wv") + apev2_of_131_bytes()),
    Case("musepack", ".mpc", lambda: raw("musepack-sv8.mpc") + apev2(Title="A title") + id3v1(17), ("Rock",)),
    Case("ape", ".ape", lambda: ape_audio() + apev2(Title="A title", GENRE="Zouk"), ("Zouk",), audio=False),
    Case(
        "ape-id3v2-in-front",
        ".ape",
        lambda: id3_tag(4, genre_frame(4, "Zouk")) + ape_audio(),
        ("Zouk",),
        audio=False,
    ),
    Case(
        "ape-id3v2-only",
        ".ape",
        lambda: id3_tag(4, *id3_frames(4), padding=9) + ape_audio(),
        audio=False,
        stand_in="ID3v2.4",
    ),
    Case("wma", ".wma", wma_file, OLD),
    Case("wma-two-paddings", ".wma", wma_two_paddings, OLD),
    Case("wma-bare", ".wma", lambda: raw("wma.wma")),
)
