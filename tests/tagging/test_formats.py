"""What single formats must mind, beside what test_store.py holds for all of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tag_bytes import flac_blocks, flac_file, ogg_crc, ogg_pages, wav_chunk, wav_odd
from tag_cases import CASES, OLD, Case
from tag_layouts import mp4_two_frees
from tag_streams import apev2, genre_frame, id3_frames, id3_tag, raw

from genretagd.domain import Provenance, TagChange, WriteOptions
from genretagd.errors import TagError
from genretagd.ml.packets import audio_digest
from genretagd.tagging.formats.ogg import _with_checksum
from genretagd.tagging.splice import Splice, Window, kept, new_size, normalised
from genretagd.tagging.store import FileTagStore
from genretagd.tagging.values import (
    deunsynchronised,
    from_synchsafe,
    id3_frame,
    id3_text,
    synchsafe,
    unsynchronised,
)

Tag = Callable[..., TagChange]
Place = Callable[[Case], Path]
BY_ID = {case.id: case for case in CASES}
NEW = ("Hip-Hop", "Jazz")


def test_padding_that_is_not_empty_is_nobodys_to_use(returns: Callable[[bytes, str], bytes]) -> None:
    blocks, audio = flac_blocks(raw("flac.flac"))
    secret = b"somebody hid this in the padding".ljust(500)
    data = flac_file([b for b in blocks if b[0] != 1] + [(1, secret)], audio)
    assert secret in returns(data, ".flac")
    data = raw("aac.m4a") + struct.pack(">I4s", 8 + len(secret), b"free") + secret
    assert secret in returns(data, ".m4a")


def test_free_space_that_a_genre_would_just_use_up_comes_back(
    tmp_path: Path, store: FileTagStore, tag: Tag
) -> None:
    path = tmp_path / "track.m4a"
    path.write_bytes(mp4_two_frees(16)())
    old = path.read_bytes()
    change = tag(path, (OLD[0], OLD[1] + 16 * "!"))
    store.restore_fields(path, change.fields_before, expected=change.version_after, options=WriteOptions())
    assert path.read_bytes() == old


def test_a_pad_byte_that_is_not_empty_stays(returns: Callable[[bytes, str], bytes]) -> None:
    data = wav_odd()[:-1] + b"p"
    assert data[12:] in returns(data, ".wav")


@pytest.mark.parametrize("around", [b"", id3_tag(4, genre_frame(4, "Zouk"))], ids=["alone", "within ID3v2"])
def test_a_genre_that_is_no_text_is_carried_over_or_nothing_is_written(
    around: bytes, tmp_path: Path, store: FileTagStore, tag: Tag
) -> None:
    blocks, audio = flac_blocks(raw("flac.flac"))
    comment = struct.pack("<III", 0, 1, 10) + b"GENRE=J\xf6zz"
    path = tmp_path / "track.flac"
    path.write_bytes(around + flac_file([b for b in blocks if b[0] != 4] + [(4, comment)], audio))
    old = path.read_bytes()
    (own,) = store.read_genres(path).genres
    if around:
        with pytest.raises(TagError, match="tag can hold"):
            tag(path, (own, "Rock"))
        assert path.read_bytes() == old
    else:
        tag(path, (own, "Rock"))
        assert store.read_genres(path).genres == (own, "Rock")
        assert b"GENRE=J\xf6zz" in path.read_bytes()


def test_what_an_apev2_header_says_besides_is_kept(returns: Callable[[bytes, str], bytes]) -> None:
    tag = bytearray(apev2(Title="A title", Genre="Zouk"))
    tag[24:32] = b"reserved"
    assert b"reserved" in returns(raw("wavpack.wv") + bytes(tag), ".wv")


@pytest.mark.parametrize("name", ["wavpack.wv", "mp3-no-header.mp3"])
def test_no_field_of_ours_lies_where_an_id3v1_tag_would_begin(
    name: str, tmp_path: Path, tag: Tag, store: FileTagStore
) -> None:
    path = tmp_path / name
    for length in range(40, 60):
        path.write_bytes(raw(name) + apev2(Title="A title"))
        tag(path, NEW, provenance=Provenance("m" * length, 0.5))  # GENRETAGD_MODEL has these letters too
        assert path.read_bytes()[-128:-125] != b"TAG"
        assert store.read_genres(path).genres == NEW


def test_an_apev2_tag_of_131_bytes_is_no_id3v1_tag(returns: Callable[[bytes, str], bytes], tag: Tag) -> None:
    tagged = returns(raw("wavpack.wv") + apev2(Artist="x" * 26), ".wv")
    assert tagged[-131:-123] == b"APETAGEX"


def test_a_genre_that_would_look_like_id3v1_is_refused(tmp_path: Path, tag: Tag) -> None:
    path = tmp_path / "track.wv"
    path.write_bytes(raw("wavpack.wv"))
    with pytest.raises(TagError, match="ID3v1") as caught:
        tag(path, ["TAG".ljust(96, "x")])
    assert caught.value.code == "unsupported"
    assert path.read_bytes() == raw("wavpack.wv")


def test_letters_like_id3v1_within_an_apev2_tag_are_not_taken_for_it(
    returns: Callable[[bytes, str], bytes],
) -> None:
    for length in range(80, 130):
        tag = apev2(Title="TAG".ljust(length, "x"), Genre="Zouk")
        if tag[-128:-125] == b"TAG":
            returns(raw("wavpack.wv") + tag, ".wv")
            returns(id3_tag(4, genre_frame(4, "Zouk")) + raw("mp3-no-header.mp3") + tag, ".mp3")
            break
    else:
        pytest.fail("no such tag")


@pytest.mark.parametrize("name", ["wav-info-id3", "wav", "aiff", "dff", "dsf"])
def test_letters_like_id3v1_at_the_end_of_a_chunk_are_not_taken_for_it(
    name: str, place: Place, tag: Tag
) -> None:
    for length in range(40, 70):  # the shorter genre leaves padding behind GENRETAGD_MODEL
        path = place(BY_ID[name])
        tag(path, ["x" * 200])
        tag(path, ["x" * length], provenance=Provenance("default-1@abc", 0.5))


def test_an_apev2_header_unlike_its_footer_is_left_alone(tmp_path: Path, store: FileTagStore) -> None:
    tag = bytearray(apev2(Title="A title"))
    tag[16] += 1
    path = tmp_path / "track.wv"
    path.write_bytes(raw("wavpack.wv") + bytes(tag))
    with pytest.raises(TagError, match="header"):
        store.read_genres(path)


def test_pages_after_a_grown_comment_are_numbered_on(place: Place, tag: Tag) -> None:
    path = place(BY_ID["ogg-vorbis-full-page"])
    before = len(ogg_pages(path.read_bytes()))
    tag(path, [f"{number} {'long' * 240}" for number in range(150)])
    pages = ogg_pages(path.read_bytes())
    assert len(pages) > before
    assert [struct.unpack_from("<I", page, 18)[0] for page in pages] == list(range(len(pages)))
    assert all(ogg_crc(page) == page for page in pages)


@pytest.mark.parametrize("place_of_damage", [22, 60], ids=["checksum", "audio"])
def test_a_damaged_page_that_is_numbered_on_stays_as_damaged_as_it_was(
    place_of_damage: int, tmp_path: Path
) -> None:
    data = bytearray(BY_ID["opus-full-page"].make())
    data[data.rindex(b"OggS") + place_of_damage] ^= 0xFF
    path = tmp_path / "track.opus"
    path.write_bytes(data)
    store = FileTagStore(audio_digest=audio_digest)
    found = store.read_genres(path)
    change = store.write_genres(path, ["long" * 240], expected=found.version, options=WriteOptions())
    last = ogg_pages(path.read_bytes())[-1]
    assert ogg_crc(last) != last
    store.restore_fields(path, found.fields, expected=change.version_after, options=WriteOptions())
    assert path.read_bytes() == data


def test_only_the_first_link_of_a_chain_is_written(place: Place, tag: Tag) -> None:
    path = place(BY_ID["ogg-chained"])
    tag(path, [f"{number} {'long' * 240}" for number in range(150)])
    assert path.read_bytes().endswith(raw("vorbis.ogg"))


def test_the_size_that_an_asf_header_states_stays_true(place: Place, tag: Tag) -> None:
    path = place(BY_ID["wma-bare"])
    tag(path, NEW)
    data = path.read_bytes()
    properties = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
    at = data.index(properties) + 24 + 16
    assert int.from_bytes(data[at : at + 8], "little") == len(data)


@pytest.mark.parametrize("name", ["wav", "wav-rf64", "wav-info", "wav-odd-size"])
def test_the_size_that_a_wav_header_states_stays_true(name: str, place: Place, tag: Tag) -> None:
    path = place(BY_ID[name])
    tag(path, NEW)
    data = path.read_bytes()
    stated = data[20:28] if data[:4] == b"RF64" else data[4:8]
    assert int.from_bytes(stated, "little") + 8 == len(data)


@pytest.mark.parametrize("claimed", [0, 1000, None], ids=["unfinished", "wrapped", "chunk-beyond"])
def test_a_file_that_goes_on_beyond_its_stated_end_is_left_alone(
    claimed: int | None, tmp_path: Path, store: FileTagStore
) -> None:
    data = raw("wav.wav")
    at = data.index(b"data") + 4
    if claimed is None:
        data += wav_chunk(b"id3 ", id3_tag(3, *id3_frames(3)))
    else:  # sizes of 32 bits that were never set, or went round once
        sizes = ((at + 4 + claimed - 8).to_bytes(4, "little"), claimed.to_bytes(4, "little"))
        data = data[:4] + sizes[0] + data[8:at] + sizes[1] + data[at + 4 :]
    path = tmp_path / "track.wav"
    path.write_bytes(data)
    with pytest.raises(TagError, match="longer than its header says") as caught:
        store.read_genres(path)
    assert caught.value.code == "corrupt"


def test_the_genre_of_an_info_list_is_kept_in_step(place: Place, tag: Tag, store: FileTagStore) -> None:
    path = place(BY_ID["wav-info-id3"])
    tag(path, NEW)
    assert store.read_genres(path).fields["INFO:IGNR"] == ("Hip-Hop; Jazz",)
    assert store.read_genres(path).fields["TCON"] == NEW


def test_every_tag_that_has_a_genre_is_kept_in_step(place: Place, tag: Tag, store: FileTagStore) -> None:
    path = place(BY_ID["mp3-every-tag"])
    tag(path, NEW)
    fields = store.read_genres(path).fields
    assert fields["TCON"] == fields["ID3v2.4#2:TCON"] == fields["APEv2:Genre"] == NEW
    assert fields["ID3v1:genre"] == ("Hip-Hop",)


def test_what_an_older_genretagd_recorded_is_restored(place: Place, tag: Tag, store: FileTagStore) -> None:
    path = place(BY_ID["mp3-id3v1-only"])
    old = path.read_bytes()
    change = tag(path, NEW)
    fields = {
        "ID3v1:genre": ("Rock",),
        "_ID3v2.4": ("present=0 padding=0 shape=from-id3v1",),
        "_ID3v1": ("present=1 padding=0 shape=", "0 11 genre"),
    }
    store.restore_fields(path, fields, expected=change.version_after, options=WriteOptions())
    assert path.read_bytes() == old


def test_other_kinds_of_tag_are_restored_by_value(place: Place, tag: Tag, store: FileTagStore) -> None:
    fields = store.read_genres(place(BY_ID["mp3-id3v23"])).fields
    path = place(BY_ID["mp3-id3v24"])
    change = tag(path, NEW)
    store.restore_fields(path, fields, expected=change.version_after, options=WriteOptions())
    assert store.read_genres(path).genres == OLD


@given(st.binary(max_size=300).map(lambda data: data.replace(b"a", b"\xff").replace(b"b", b"\xe0")))
def test_unsynchronisation_can_be_undone_and_hides_every_sync(data: bytes) -> None:
    hidden = unsynchronised(data)
    assert deunsynchronised(hidden) == data
    assert not any(hidden[i] == 0xFF and hidden[i + 1] >= 0xE0 for i in range(len(hidden) - 1))
    assert not hidden.endswith(b"\xff")


@given(st.integers(0, (1 << 28) - 1))
def test_synchsafe_numbers_make_the_round_trip(number: int) -> None:
    assert from_synchsafe(synchsafe(number)) == number
    assert max(synchsafe(number)) < 128


def test_a_byte_with_its_highest_bit_set_is_no_synchsafe_number() -> None:
    assert from_synchsafe(b"\0\0\x80\0") is None


@given(
    st.sampled_from([2, 3, 4]),
    st.lists(
        st.text(
            st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe"), min_size=1
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_id3_text_makes_the_round_trip(version: int, values: list[str]) -> None:
    genre, described = ("TCO", "TXX:GENRETAGD_MODEL") if version == 2 else ("TCON", "TXXX:GENRETAGD_MODEL")
    for name in (genre, described):
        assert id3_text(version, name, id3_frame(version, name, values)) == tuple(values)


@given(st.binary(min_size=27, max_size=400))
def test_the_quick_checksum_is_the_one_of_the_standard(page: bytes) -> None:
    assert _with_checksum(bytearray(page)) == ogg_crc(page)


@given(data=st.data())
def test_splices_say_exactly_what_changes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old = data.draw(st.binary(max_size=200))
    path = tmp_path_factory.mktemp("spliced") / "file"
    path.write_bytes(old)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(old)), max_size=6)))
    splices = [
        Splice(start, end - start, data.draw(st.binary(max_size=30) | st.just(old[start:end])))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    with path.open("rb") as file:
        result = normalised(splices, Window(file.fileno()))
    plain, trimmed = _apply(old, sorted(splices, key=lambda s: (s.start, s.length))), _apply(old, result)
    assert plain == trimmed
    assert len(plain) == new_size(result, len(old))
    assert sum(length for _, _, length in kept(result, len(old))) == len(old) - sum(s.length for s in result)
    if plain == old and all(s.length == len(s.data) for s in splices):
        assert result == []


def _apply(old: bytes, splices: list[Splice]) -> bytes:
    parts, position = [], 0
    for splice in splices:
        parts += [old[position : splice.start], splice.data]
        position = splice.end
    return b"".join((*parts, old[position:]))


def test_splices_that_overlap_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    with (tmp_path / "x").open("rb") as file, pytest.raises(ValueError, match="overlaps"):
        normalised([Splice(0, 5, b""), Splice(4, 2, b"")], Window(file.fileno()))
