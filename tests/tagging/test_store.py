from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from uuid import UUID

import mediafile
import mutagen
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutagen.id3 import ID3, TXXX
from tag_cases import CASES, Case
from tag_layouts import wma_with
from tag_streams import apev2, apev2_of_131_bytes, id3_file, raw

from genretagd.domain import AudioDigest, Provenance, TagChange, WriteOptions
from genretagd.errors import FileChangedError, TagError, WriteRefusedError
from genretagd.ml.packets import audio_digest
from genretagd.tagging import detect
from genretagd.tagging.splice import Window
from genretagd.tagging.store import FileTagStore

Tag = Callable[..., TagChange]
Place = Callable[[Case], Path]
Walk = Callable[[Case, Iterable[Sequence[str]]], None]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
BY_ID = {case.id: case for case in CASES}
NEW = ("Hip-Hop", "Jazz")
FORMATS = Path(__file__).parent.parent / "data" / "formats"
genre_names = st.lists(
    st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=40)
    .flatmap(lambda text: st.sampled_from([text, text * 20]))
    .map(str.strip)
    .filter(
        lambda text: text and not text.isdecimal() and not text.startswith("(") and text not in {"CR", "RX"}
    ),
    max_size=5,
    unique=True,
)


@every_case
def test_the_genres_of_every_kind_of_file_are_read(case: Case, place: Place, store: FileTagStore) -> None:
    assert store.read_genres(place(case)).genres == case.genres


@every_case
def test_what_was_written_is_read_back_and_the_audio_is_the_same(case: Case, place: Place, tag: Tag) -> None:
    path = place(case)
    store = FileTagStore(audio_digest=audio_digest if case.audio else None)
    before = audio_digest(path) if case.audio else None
    change = tag(path, NEW, by=store)
    found = store.read_genres(path)
    assert found.genres == NEW == change.after
    assert change.before == case.genres
    assert (found.fields, found.version) == (change.fields_after, change.version_after)
    if case.audio:
        assert audio_digest(path) == before


@every_case
@pytest.mark.parametrize("genres", [NEW, ("Ψυχή ☮",), ()], ids=["several", "foreign", "none"])
def test_restoring_gives_back_the_very_same_bytes(
    case: Case, genres: tuple[str, ...], place: Place, tag: Tag, store: FileTagStore
) -> None:
    path = place(case)
    old = path.read_bytes()
    change = tag(path, genres)
    assert store.read_genres(path).genres == genres
    store.restore_fields(path, change.fields_before, expected=change.version_after, options=WriteOptions())
    assert path.read_bytes() == old


@pytest.fixture
def walk(place: Place, tag: Tag, store: FileTagStore) -> Callable[[Case, Iterable[Sequence[str]]], None]:
    """Write genres one after the other, then go back and forth; every state must come back to the byte."""

    def check(case: Case, history: Iterable[Sequence[str]]) -> None:
        path = place(case)
        states = [(path.read_bytes(), store.read_genres(path))]
        for genres in history:
            tag(path, genres)
            states.append((path.read_bytes(), store.read_genres(path)))
            assert states[-1][1].genres == tuple(genres)
        first, last = states[0], states[-1]
        back, forth = [*reversed(states)], [*states, first, last, first]
        for data, found in (*back, *forth):
            now = store.read_genres(path)
            store.restore_fields(path, found.fields, expected=now.version, options=WriteOptions())
            assert path.read_bytes() == data

    return check


@every_case
def test_every_state_of_a_history_comes_back_to_the_byte(case: Case, walk: Walk) -> None:
    longer = ("Progressive Rock", "Symphonic Metal", "Dark Ambient")
    walk(
        case, (longer, ("Rock",), NEW, ("A much longer genre than there was before", "x" * 300), ("Ψυχή ☮",))
    )


@every_case
def test_a_file_that_has_these_genres_is_not_touched(case: Case, place: Place, tag: Tag) -> None:
    path = place(case)
    tag(path, NEW)
    status = path.stat()
    change = tag(path, NEW)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    assert change.version_after == change.version_before


@every_case
def test_provenance_is_written_on_request_and_goes_with_the_next_genre(
    case: Case, place: Place, tag: Tag, store: FileTagStore
) -> None:
    path = place(case)
    assert not store.read_genres(path).written_by_us
    tag(path, NEW, provenance=Provenance("default-1@abc", 0.875))
    found = store.read_genres(path)
    assert found.genres == NEW
    assert found.written_by_us is (case.stand_in != "INFO")  # which has no place for it
    if not found.written_by_us:
        return
    values = [value for name, value in found.fields.items() if not name.startswith("_")]
    assert ("default-1@abc",) in values
    assert ("0.8750",) in values
    tag(path, ("Rock",))
    assert not store.read_genres(path).written_by_us


MEDIAFILE = [
    case
    for case in CASES
    if case.audio
    and case.id
    not in {"wav-rf64", "mp3-id3v24-at-end", "mp3-itunes-sizes"}  # mutagen cannot read these files
    and case.suffix not in {".aac", ".tta", ".dff", ".oga"}  # nor mediafile these formats
    and not case.id.startswith("ogg-multiplexed")
]


@pytest.mark.parametrize("case", MEDIAFILE, ids=lambda case: case.id)
def test_mediafile_sees_the_genres_and_everything_else_as_before(case: Case, place: Place, tag: Tag) -> None:
    path = place(case)
    before = mediafile.MediaFile(path)
    tag(path, NEW)
    after = mediafile.MediaFile(path)
    if not case.stand_in:
        assert tuple(after.genres) == NEW
    for field in ("title", "artist", "album", "track", "year", "length", "art", "comments"):
        if case.inherits and getattr(before, field) is None:
            continue
        # The length of an MP3 without a header is estimated from the file's size, tags included.
        expected = pytest.approx(before.length, abs=0.05) if field == "length" else getattr(before, field)
        assert getattr(after, field) == expected, field


def test_a_lock_field_is_seen(track: Path, store: FileTagStore) -> None:
    for text, locked in (("1", True), ("yes", True), ("0", False), ("", False)):
        tags = ID3(track)
        tags.add(TXXX(encoding=3, desc="GENRETAGD_LOCK", text=[text]))
        tags.save(track)
        assert store.read_genres(track).locked is locked


@pytest.mark.parametrize("id3v1", ["sync", "leave"])
def test_id3v1_is_kept_in_step_or_left_as_configured(
    id3v1: str, place: Place, tag: Tag, store: FileTagStore
) -> None:
    path = place(BY_ID["mp3-every-tag"])
    tag(path, ("Unheard Of", "Jazz"), options=WriteOptions(id3v1=id3v1))
    assert path.read_bytes()[-1] == (8 if id3v1 == "sync" else 17)
    assert path.read_bytes()[-128:-1] == place(BY_ID["mp3-every-tag"]).read_bytes()[-128:-1]


def _kinds(path: Path) -> set[str]:
    with path.open("rb") as file:
        return {tag.kind for tag in detect.parse(Window(file.fileno())).tags if tag.present}


@pytest.mark.parametrize("case", [c for c in CASES if c.stand_in], ids=lambda case: case.id)
def test_a_tag_that_says_something_is_written_in_place_of_a_new_one(
    case: Case, place: Place, tag: Tag, store: FileTagStore
) -> None:
    path = place(case)
    before = _kinds(path)
    assert store.read_genres(path).format == case.stand_in
    tag(path, NEW)
    assert store.read_genres(path).format == case.stand_in
    assert _kinds(path) == before


@pytest.mark.parametrize("name", ["mp3.mp3", "flac.flac", "vorbis.ogg", "aac.m4a", "wma.wma"])
def test_a_lock_in_small_letters_is_seen(name: str, tmp_path: Path, store: FileTagStore) -> None:
    path = tmp_path / name
    path.write_bytes((FORMATS / name).read_bytes())
    file = mutagen.File(path)
    if name == "mp3.mp3":
        file.tags.add(TXXX(encoding=3, desc="genretagd_lock", text=["1"]))
    elif name == "aac.m4a":
        file.tags["----:com.apple.iTunes:genretagd_lock"] = [b"1"]
    else:
        file.tags["genretagd_lock"] = "1"
    file.save()
    assert store.read_genres(path).locked


def test_a_lock_in_any_tag_is_seen(tmp_path: Path, store: FileTagStore) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(id3_file(4, padding=9, genre=True)() + apev2(Title="A title", GENRETAGD_LOCK="1"))
    assert store.read_genres(path).locked


def test_a_first_id3v2_tag_takes_the_fields_of_id3v1_along(place: Place, tag: Tag) -> None:
    path = place(BY_ID["mp3-id3v1-only"])
    tag(path, NEW)
    found = mediafile.MediaFile(path)
    assert (found.title, found.artist, found.album, found.year, found.track) == (
        "V1 title",
        "V1 artist",
        "V1 album",
        1987,
        7,
    )


def test_tags_beside_that_have_no_genre_are_given_none(place: Place, tag: Tag, store: FileTagStore) -> None:
    path = place(BY_ID["mp3-apev2-like-id3v1"])
    tag(path, NEW)
    assert path.read_bytes().endswith(apev2_of_131_bytes())
    assert not any(name.startswith("APEv2") for name in store.read_genres(path).fields)


def test_the_id3_version_is_kept(place: Place, tag: Tag, store: FileTagStore) -> None:
    for version in (2, 3, 4):
        path = place(BY_ID[f"mp3-id3v2{version}"])
        tag(path, NEW)
        assert store.read_genres(path).format == f"ID3v2.{version}"


def test_a_genre_that_fits_the_padding_does_not_change_the_size(place: Place, tag: Tag) -> None:
    for name in ("mp3-id3v23", "flac", "wma", "ogg-vorbis"):
        path = place(BY_ID[name])
        size = path.stat().st_size
        tag(path, ("Rock",))
        assert path.stat().st_size == size, name


@pytest.mark.parametrize("genre", ["", " Rock", "Rock\n", "Ro\0ck", "x" * 2000])
def test_what_cannot_be_a_genre_is_refused(genre: str, track: Path, tag: Tag) -> None:
    old = track.read_bytes()
    with pytest.raises(TagError, match="cannot be a genre"):
        tag(track, [genre])
    assert track.read_bytes() == old


@pytest.mark.parametrize("genre", ["17", "(17)", "80", "RX", "(CR)", "(4)Eurodisco", "((x)"])
@pytest.mark.parametrize("kind", ["mp3", "aiff", "tta"])
def test_a_name_that_means_another_genre_in_id3_is_not_written_there(
    kind: str, genre: str, tag: Tag, tmp_path: Path
) -> None:
    source = next(FORMATS.glob(f"{kind}.*"))
    path = tmp_path / source.name
    path.write_bytes(source.read_bytes())
    before = path.read_bytes()
    with pytest.raises(TagError, match="in its kind of tag"):
        tag(path, ("Rock", genre))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "genre", ["ロック\u3000ポップ", "موسیقی\u200cسنتی", "🏳\ufe0f\u200d🌈", "Jazz\xa0Fusion"]
)
def test_a_name_of_any_script_can_be_a_genre(genre: str, track: Path, tag: Tag, store: FileTagStore) -> None:
    tag(track, [genre])
    assert store.read_genres(track).genres == (genre,)


@pytest.mark.parametrize(
    "name",
    [
        "mp3-id3v22",
        "mp3-id3v23",
        "mp3-id3v24",
        "flac",
        "opus",
        "m4a-aac",
        "wma",
        "wavpack",
        "aiff",
        "wav-id3-first",
    ],
)
@pytest.mark.parametrize(
    "own", ["Jazz ", "Jazz\tFusion", "Jazz\u200b", "x" * 2000], ids=["space", "tab", "unseen", "long"]
)
def test_what_a_file_has_already_is_carried_over_whatever_it_is(
    name: str, own: str, place: Place, tag: Tag, store: FileTagStore
) -> None:
    path = place(BY_ID[name])
    file = mediafile.MediaFile(path)
    file.genres = [own]
    file.save()
    tag(path, ("Rock", own))
    assert store.read_genres(path).genres == ("Rock", own)
    assert mediafile.MediaFile(path).genres == ["Rock", own]
    with pytest.raises(TagError, match="cannot be a genre"):
        tag(path, (own, "Rock "))


def test_a_file_changed_since_it_was_read_is_left_alone(track: Path, store: FileTagStore) -> None:
    found = store.read_genres(track)
    os.utime(track, ns=(0, 1))
    with pytest.raises(FileChangedError):
        store.write_genres(track, NEW, expected=found.version, options=WriteOptions())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unsupported"),
        (b"this is no music at all\n" * 100, "unsupported"),
        (b"\x1aE\xdf\xa3" + bytes(500), "unsupported"),
        (b"ID3\x04\x00\x00\x00\x00\x10\x00", "unsupported"),
        (b"ID3\x05\x00\x00\x00\x00\x00\x10" + bytes(16) + raw("mp3-no-header.mp3"), "unsupported"),
        (b"ID3\x03\x00\x00\x00\x00\x00\x10" + b"junk" * 4 + raw("mp3-no-header.mp3"), "corrupt"),
        (raw("flac.flac")[:50], "corrupt"),
        (raw("vorbis.ogg")[:200], "corrupt"),
        (raw("aac.m4a")[:-9], "corrupt"),
        (raw("wav.wav")[:-9], "corrupt"),
        (raw("wma.wma")[:300], "corrupt"),
    ],
)
def test_a_file_whose_tags_cannot_be_fully_parsed_is_left_alone(
    content: bytes, code: str, tmp_path: Path, store: FileTagStore
) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(content)
    with pytest.raises(TagError) as caught:
        store.read_genres(path)
    assert caught.value.code == code
    assert path.read_bytes() == content


def test_a_wma_file_with_drm_is_refused(tmp_path: Path, store: FileTagStore) -> None:
    path = tmp_path / "protected.wma"
    path.write_bytes(wma_with(UUID("2211b3fb-bd23-11d2-b4b7-00a0c955fc6e"), bytes(16)))
    with pytest.raises(WriteRefusedError) as caught:
        store.read_genres(path)
    assert caught.value.code == "protected"


def test_a_fifo_a_directory_and_a_missing_file_are_told_apart(tmp_path: Path, store: FileTagStore) -> None:
    os.mkfifo(tmp_path / "fifo.mp3")
    for name, code in (("fifo.mp3", "not a file"), (".", "not a file"), ("missing.mp3", "gone")):
        with pytest.raises(TagError) as caught:
            store.read_genres(tmp_path / name)
        assert caught.value.code == code


def test_a_copy_with_other_audio_never_takes_the_files_place(track: Path, tag: Tag) -> None:
    old = track.read_bytes()
    answers = iter([AudioDigest("1", ""), AudioDigest("2", "")])
    with pytest.raises(WriteRefusedError) as caught:
        tag(track, NEW, by=FileTagStore(audio_digest=lambda _: next(answers)))
    assert caught.value.code == "verification"
    assert track.read_bytes() == old
    assert list(track.parent.iterdir()) == [track]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(genre_names, min_size=1, max_size=3))
@pytest.mark.parametrize(
    "name",
    [
        "mp3-id3v22",
        "mp3-id3v23-unsynchronised",
        "mp3-id3v24",
        "flac",
        "flac-two-paddings",
        "opus",
        "opus-full-page",
        "m4a-aac",
        "m4a-faststart",
        "wma-two-paddings",
        "wavpack",
        "wav-odd-size-no-pad",
        "dsf",
    ],
)
def test_any_text_makes_the_round_trip(name: str, history: list[list[str]], walk: Walk) -> None:
    walk(BY_ID[name], history)
