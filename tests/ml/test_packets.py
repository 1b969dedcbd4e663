from __future__ import annotations

import hashlib

import mutagen
import mutagen.id3
import pytest
from damage import damaged_files, sample_files
from sounds import FORMATS

from genretagd.errors import DecodeError
from genretagd.ml.packets import audio_digest
from genretagd.ml.regions import audio_regions

ID3V1 = b"TAG" + b"Title".ljust(124, b"\0") + b"\x08"
LYRICS = b"LYRICSBEGININD00002100"
APE_TAG_FLAGS = {"header": (1 << 31) | (1 << 29), "footer": 1 << 31}


def ape_tag(value: bytes) -> bytes:
    item = len(value).to_bytes(4, "little") + bytes(4) + b"Genre\0" + value
    size = (len(item) + 32).to_bytes(4, "little")
    ends = {
        place: b"APETAGEX"
        + (2000).to_bytes(4, "little")
        + size
        + (1).to_bytes(4, "little")
        + flags.to_bytes(4, "little")
        + bytes(8)
        for place, flags in APE_TAG_FLAGS.items()
    }
    return ends["header"] + item + ends["footer"]


def id3v2(size: int) -> bytes:
    packed = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + packed + bytes(size)


def lyrics3() -> bytes:
    return LYRICS + f"{len(LYRICS):06}LYRICS200".encode()


def change_tags(path, value: str) -> None:
    track = mutagen.File(path)
    if track.tags is None:
        track.add_tags()
    if isinstance(track.tags, mutagen.id3.ID3):
        track.tags.add(mutagen.id3.TCON(encoding=3, text=[value]))
        track.tags.add(
            mutagen.id3.APIC(encoding=3, mime="image/png", type=3, desc="", data=b"\x89PNG" * 5000)
        )
    elif path.suffix == ".m4a":
        track.tags["\xa9gen"] = [value]
    elif path.suffix == ".wma":
        track.tags["WM/Genre"] = [value]
    else:
        track.tags["GENRE"] = [value]
    track.save()


@pytest.mark.parametrize("name", FORMATS)
def test_tags_of_any_size_leave_the_digest_as_it_was(tmp_path, name):
    path = tmp_path / FORMATS[name].name
    path.write_bytes(FORMATS[name].read_bytes())
    before = audio_digest(path)
    for value in ("Jazz", "A long genre " * 9000, "Rock"):
        change_tags(path, value)
        assert path.read_bytes() != FORMATS[name].read_bytes()
        assert audio_digest(path) == before


def test_what_the_ledger_keeps_is_a_hash_of_the_files_own_bytes():
    mp3, wav = (FORMATS[name].read_bytes() for name in ("mp3-no-header", "wav"))
    assert audio_digest(FORMATS["mp3-no-header"]).audio == hashlib.sha256(mp3).hexdigest()
    assert audio_digest(FORMATS["wav"]).audio == hashlib.sha256(wav[44:]).hexdigest()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("place", [0.3, 0.6, 0.97])
def test_one_changed_byte_of_audio_changes_the_digest(tmp_path, name, place):
    whole = bytearray(FORMATS[name].read_bytes())
    path = tmp_path / FORMATS[name].name
    if name == "dsd":
        place = min(place, 0.9)  # the last block is padding
    if path.suffix in (".m4a", ".wma"):
        place = min(place, 0.8)  # their indexes stand behind the audio
    whole[int(len(whole) * place)] ^= 0x10
    path.write_bytes(whole)
    try:
        assert audio_digest(path) != audio_digest(FORMATS[name])
    except DecodeError:
        assert name.startswith("flac-in")  # a page with a wrong checksum may take the rest with it


@pytest.mark.parametrize("name", ["mp3", "mp3-no-header", "flac", "tta", "wavpack", "musepack-sv8", "ape"])
@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(ID3V1, id="id3v1"),
        pytest.param(ape_tag(b"Jazz"), id="ape"),
        pytest.param(ape_tag(b"J" * 53), id="ape-with-tag-where-id3v1-has-it"),
        pytest.param(ape_tag(b"Jazz" * 9000) + ID3V1, id="ape-id3v1"),
        pytest.param(ape_tag(b"Jazz") + lyrics3() + ID3V1, id="ape-lyrics3-id3v1"),
    ],
)
def test_tags_behind_the_audio_are_not_audio(tmp_path, name, tail):
    path = tmp_path / FORMATS[name].name
    path.write_bytes(FORMATS[name].read_bytes() + tail)
    assert audio_digest(path) == audio_digest(FORMATS[name])


@pytest.mark.parametrize("name", ["mp3-no-header", "flac", "tta"])
def test_tags_before_the_audio_are_not_audio(tmp_path, name):
    path = tmp_path / FORMATS[name].name
    path.write_bytes(id3v2(5000) + FORMATS[name].read_bytes())
    assert audio_digest(path) == audio_digest(FORMATS[name])


def test_a_lost_last_byte_changes_the_digest(tmp_path):
    for name in ("mp3-no-header", "flac", "ape", "tta", "wavpack"):
        path = tmp_path / FORMATS[name].name
        path.write_bytes(FORMATS[name].read_bytes()[:-1])
        assert audio_digest(path) != audio_digest(FORMATS[name])


def test_the_regions_of_a_flac_are_its_stream_information_and_its_frames(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(FORMATS["flac"].read_bytes())
    with path.open("rb") as stream:
        information, frames = audio_regions(stream)
    assert information == (8, 42)
    assert path.read_bytes()[frames[0] : frames[0] + 2] == b"\xff\xf8"
    assert frames[1] == path.stat().st_size


def test_a_tag_that_claims_more_than_the_file_is_no_tag(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(2000))
    with path.open("rb") as stream:
        assert audio_regions(stream) == ((0, 2010),)


def test_chained_ogg_streams_are_all_hashed(tmp_path):
    one = FORMATS["vorbis"].read_bytes()
    chained, other = tmp_path / "chained.ogg", tmp_path / "other.ogg"
    chained.write_bytes(one + one)
    second = bytearray(one)
    second[len(one) // 2] ^= 1
    other.write_bytes(one + bytes(second))
    assert len({audio_digest(path).audio for path in (FORMATS["vorbis"], chained, other)}) == 3


def test_the_same_damaged_bytes_give_the_same_digest_or_an_explained_error(tmp_path):
    for name, content in damaged_files(sample_files()):
        path = tmp_path / name
        path.write_bytes(content)
        results = []
        for _ in range(2):
            try:
                results.append(audio_digest(path))
            except DecodeError as exc:
                results.append(str(exc))
        assert results[0] == results[1]
        path.unlink()
