"""What ID3 tags must mind, beside what test_store.py holds for all kinds of tag."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.dsdiff import DSDIFF
from mutagen.flac import FLAC
from mutagen.id3 import ID3
from tag_bytes import dff_file, dff_master, flac_without_comments
from tag_cases import CASES, Case
from tag_streams import bare_mp3, genre_frame, id3_frames, id3_tag, id3v1, raw

from genretagd.domain import TagChange, WriteOptions
from genretagd.errors import TagError
from genretagd.ml.packets import audio_digest
from genretagd.tagging.store import FileTagStore
from genretagd.tagging.values import synchsafe, unsynchronised

Tag = Callable[..., TagChange]
Place = Callable[[Case], Path]
BY_ID = {case.id: case for case in CASES}
NEW = ("Hip-Hop", "Jazz")


def test_a_wrong_padding_size_in_an_extended_header_is_kept(
    returns: Callable[[bytes, str], bytes],
) -> None:
    extended = struct.pack(">IHI", 6, 0, 4711)
    returns(id3_tag(3, b"", padding=99, flags=0x40, extended=extended) + raw("mp3-no-header.mp3"), ".mp3")


@pytest.mark.parametrize("text", ["(17)", "17", "(17)Rock", "Rock"])
def test_numeric_genres_are_read_as_names(text: str, tmp_path: Path, store: FileTagStore) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(id3_tag(3, genre_frame(3, text), padding=9) + raw("mp3-no-header.mp3"))
    assert store.read_genres(path).genres == ("Rock",)
    assert store.read_genres(path).fields["TCON"] == (text,)


def test_a_genre_frame_of_no_bytes_is_no_genre(returns: Callable[[bytes, str], bytes]) -> None:
    for empty in (b"TCO\0\0\0", b"TCON" + bytes(6)):
        version = 2 if len(empty) == 6 else 3
        returns(id3_tag(version, *id3_frames(version), empty, padding=9) + bare_mp3(), ".mp3")


def test_frames_that_only_the_header_calls_unsynchronised_are_understood(
    tmp_path: Path, store: FileTagStore
) -> None:
    path = tmp_path / "track.mp3"
    genre = unsynchronised(b"\1" + "Chanson française".encode("utf-16"))
    lock = unsynchronised(b"\1" + "GENRETAGD_LOCK\0".encode("utf-16") + "1".encode("utf-16"))
    frames = (
        name + synchsafe(len(body)) + b"\0\0" + body for name, body in ((b"TCON", genre), (b"TXXX", lock))
    )
    path.write_bytes(id3_tag(4, *frames, flags=0x80) + bare_mp3())
    assert store.read_genres(path).genres == tuple(ID3(path)["TCON"].text) == ("Chanson française",)
    assert store.read_genres(path).locked


def test_a_tag_behind_bytes_that_are_no_sound_is_hidden_by_no_other(
    tmp_path: Path, store: FileTagStore
) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(bytes(100) + id3_tag(3, *id3_frames(3)) + bare_mp3())
    with pytest.raises(TagError, match="does not lie at the beginning"):
        store.read_genres(path)
    path.write_bytes(bytes(100) + bare_mp3())
    assert store.read_genres(path).genres == ()


def test_an_id3v2_tag_with_a_checksum_is_left_alone(tmp_path: Path, store: FileTagStore) -> None:
    path = tmp_path / "track.mp3"
    extended = struct.pack(">IHII", 10, 0x8000, 9, 0)
    path.write_bytes(id3_tag(3, padding=9, flags=0x40, extended=extended) + raw("mp3-no-header.mp3"))
    with pytest.raises(TagError, match="checksum"):
        store.read_genres(path)


def test_a_footer_with_flags_of_its_own_comes_back(returns: Callable[[bytes, str], bytes]) -> None:
    tag = id3_tag(4, *id3_frames(4), flags=0x10)
    returns(tag[:-5] + b"\x90" + tag[-4:] + bare_mp3(), ".mp3")


@pytest.mark.parametrize("footer", [b"", b"3DX\4\0\x10", b"3DI\3\0\x10", b"3DI\4\0\x10\0\0\0\1"])
def test_audio_where_a_footer_should_be_is_left_alone(
    footer: bytes, tmp_path: Path, store: FileTagStore
) -> None:
    tag = id3_tag(4, *id3_frames(4), flags=0x10)
    path = tmp_path / "track.mp3"
    path.write_bytes(tag[:-10] + footer + (tag[-10:][len(footer) :] if footer else b"") + bare_mp3())
    with pytest.raises(TagError, match="footer"):
        store.read_genres(path)


def test_a_footer_that_belongs_to_no_tag_is_left_alone(tmp_path: Path, store: FileTagStore) -> None:
    tag = id3_tag(4, genre_frame(4, "Zouk"), flags=0x10)
    path = tmp_path / "track.mp3"
    path.write_bytes(bare_mp3() + tag[:5] + b"\0" + tag[6:])
    with pytest.raises(TagError, match="does not end there"):
        store.read_genres(path)


@given(tail=st.binary(min_size=125, max_size=125))
@pytest.mark.parametrize("name", ["mp3", "mp3-empty-id3v2", "wv", "flac"])
def test_whatever_id3v1_says_is_taken_along_and_given_back(
    name: str, tail: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    audio = {
        "mp3": raw("mp3-no-header.mp3"),
        "mp3-empty-id3v2": id3_tag(3, padding=9) + raw("mp3-no-header.mp3"),
        "wv": raw("wavpack.wv"),
        "flac": flac_without_comments(),
    }[name]
    store, path = FileTagStore(), tmp_path_factory.mktemp("v1") / f"track.{name[:4].rstrip('-')}"
    path.write_bytes(audio + b"TAG" + tail)
    found = store.read_genres(path)
    change = store.write_genres(path, NEW, expected=found.version, options=WriteOptions())
    assert change.after == NEW
    store.restore_fields(path, found.fields, expected=change.version_after, options=WriteOptions())
    assert path.read_bytes() == audio + b"TAG" + tail


INHERITED = {
    "mp3-id3v1-foreign": (
        ID3,
        ("TIT2", "TPE1", "TALB"),
        ("Caf\xe9", "曲名".encode("gbk").decode("latin-1"), "V1 album"),
    ),
    "mp3-id3v1-empty-id3v2": (ID3, ("TIT2", "TYER", "TRCK"), ("V1 title", "1987", "7")),
    "tta-id3v1": (ID3, ("TPE1", "TDRC", "COMM::eng"), ("V1 artist", "1987", "V1 comment")),
    "wavpack-id3v1": (
        APEv2,
        ("Title", "Artist", "Album", "Year", "Comment", "Track"),
        ("V1 title", "V1 artist", "V1 album", "1987", "V1 comment", "7"),
    ),
    "flac-id3v1-no-comments": (
        FLAC,
        ("title", "artist", "album", "date", "comment", "tracknumber"),
        ("V1 title", "V1 artist", "V1 album", "1987", "V1 comment", "7"),
    ),
    "flac-id3v1-empty-comments": (FLAC, ("title", "artist"), ("V1 title", "V1 artist")),
    "dff-master": (DSDIFF, ("TIT2", "TPE1"), ("Master title", "Mäster artist")),
}


@pytest.mark.parametrize("name", INHERITED)
def test_a_first_tag_takes_along_what_a_poorer_one_says(name: str, place: Place, tag: Tag) -> None:
    path = place(BY_ID[name])
    kind, fields, values = INHERITED[name]
    tag(path, NEW)
    found = kind(path, translate=False, load_v1=False) if kind is ID3 else kind(path)
    assert tuple(str(found[field] if kind is not FLAC else found[field][0]) for field in fields) == values


@pytest.mark.parametrize("genre", [17, 255])
@pytest.mark.parametrize(
    ("suffix", "audio"),
    [
        (".mp3", id3_tag(4, *id3_frames(4)) + bare_mp3()),
        (".wv", raw("wavpack.wv")),
        (".flac", raw("flac.flac")),
    ],
    ids=["mp3", "wavpack", "flac"],
)
def test_an_id3v1_tag_that_another_program_removed_stays_away(
    suffix: str, audio: bytes, genre: int, tmp_path: Path, tag: Tag
) -> None:
    path = tmp_path / f"track{suffix}"
    path.write_bytes(audio + id3v1(genre))
    digest = audio_digest(path)
    change = tag(path, ["No genre of ID3v1"])
    os.truncate(path, change.version_after.size - 128)
    store = FileTagStore()
    found = store.read_genres(path)
    store.restore_fields(path, change.fields_before, expected=found.version, options=WriteOptions())
    assert store.read_genres(path).genres == ()
    assert audio_digest(path) == digest  # its last byte is where the genre would be


UTF_8 = {"title": "Café 曲名".encode(), "artist": ("x" + "ä" * 15).encode()[:30]}  # the last character is cut


@pytest.mark.parametrize(
    ("suffix", "data", "reader", "names"),
    [
        (".mp3", bare_mp3() + id3v1(17, **UTF_8), ID3, ("TIT2", "TPE1")),
        (".mp3", id3_tag(3, padding=99) + bare_mp3() + id3v1(17, **UTF_8), ID3, ("TIT2", "TPE1")),
        (".wv", raw("wavpack.wv") + id3v1(17, **UTF_8), APEv2, ("Title", "Artist")),
        (".flac", flac_without_comments() + id3v1(17, **UTF_8), FLAC, ("title", "artist")),
        (
            ".dff",
            dff_file(dff_master("Café 曲名".encode(), ("x" + "ä" * 14).encode())),
            DSDIFF,
            ("TIT2", "TPE1"),
        ),
    ],
    ids=["id3v2.4", "id3v2.3", "apev2", "vorbis-comment", "dsdiff"],
)
def test_utf_8_in_a_poorer_tag_is_taken_along_as_that(
    suffix: str, data: bytes, reader: type, names: tuple[str, str], returns: Callable[[bytes, str], bytes]
) -> None:
    found = reader(io.BytesIO(returns(data, suffix)))
    texts = [found[name][0] for name in names]
    assert texts == ["Café 曲名", "x" + "ä" * 14]
