"""What can be learnt from is found; what cannot be is said before time is spent."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from spectrograms import picture, record

from genretagd.errors import CorpusError
from genretagd.ml.training.corpus import TaggedFile, from_folders, from_library, from_pool
from genretagd.ml.training.genres import genre_key
from genretagd.ml.training.pictures import Excerpt, write_picture


def counts(corpus):
    """Return the number of tracks by genre."""
    return dict(Counter(source.genre for source in corpus.sources))


def fill(root, **counts):
    for genre, count in counts.items():
        folder = root / genre
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{genre}.{number:03}.mp3").write_bytes(b"sound")
    return root


def test_genre_folders_become_labels_in_alphabetical_order(tmp_path):
    corpus = from_folders(fill(tmp_path, Rock=12, Jazz=10, Blues=3), outside=["Blues"])

    assert corpus.labels == ("Jazz", "Rock")
    assert corpus.outside == ("Blues",)
    assert counts(corpus) == {"Jazz": 10, "Rock": 12, "Blues": 3}
    assert corpus.sources[0].track_id == "Blues.000"


def test_a_corpus_of_spectrograms_is_found_from_the_folder_above(tmp_path):
    fill(tmp_path / "spectrograms", Rock=10, Jazz=10)
    (tmp_path / "tracks.csv").write_text("track_id,artist_group\n")

    assert from_folders(tmp_path).labels == ("Jazz", "Rock")


def test_sub_folders_are_searched_and_remembered(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    album = tmp_path / "Rock" / "Somebody" / "First Album"
    album.mkdir(parents=True)
    (album / "song.flac").write_bytes(b"sound")

    found = [source for source in from_folders(tmp_path).sources if source.folder]

    assert [(source.genre, source.folder, source.track_id) for source in found] == [
        ("Rock", "Somebody/First Album", "song")
    ]


def test_a_link_back_to_its_own_folder_ends_nothing(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    (tmp_path / "Rock" / "again").symlink_to(tmp_path / "Rock")

    corpus = from_folders(tmp_path)

    assert counts(corpus) == {"Jazz": 10, "Rock": 10}
    assert any("link back" in text for text in corpus.left_out)


def test_links_that_lead_round_by_other_folders_end_nothing_and_count_no_track_twice(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    (tmp_path / "Rock" / "jazzy").symlink_to("../Jazz")
    (tmp_path / "Jazz" / "rocky").symlink_to("../Rock")
    (tmp_path / "All").symlink_to(".")
    (tmp_path / "Jazz" / "up").symlink_to("../..")
    corpus = from_folders(tmp_path)
    assert counts(corpus) == {"Jazz": 20, "Rock": 20}
    places = ("All", "Jazz/rocky/jazzy", "Jazz/up", "Rock/jazzy/rocky", "Rock/jazzy/up")
    assert [text.split(":")[0] for text in corpus.left_out] == [str(tmp_path / place) for place in places]


def test_a_track_that_is_there_as_sound_and_picture_counts_once(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    Image.new("L", (387, 128)).save(tmp_path / "Rock" / "Rock.000.png")
    write_picture(
        tmp_path / "Rock" / "Rock.001.png",
        picture("Low", seed=1)[:, :300],
        record(excerpts=(Excerpt(0.0, 300),)),
    )

    corpus = from_folders(tmp_path)

    assert counts(corpus)["Rock"] == 10
    kinds = {source.track_id: source.kind for source in corpus.sources if source.genre == "Rock"}
    assert [kinds[f"Rock.00{number}"] for number in range(3)] == ["picture", "picture", "audio"]


def test_a_picture_takes_no_place_of_a_track_of_the_same_name_in_another_folder(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    fill(tmp_path / "Rock" / "Somebody", First=1, Second=1)
    (tmp_path / "Rock" / "Somebody" / "Second" / "Second.000.mp3").rename(
        tmp_path / "Rock" / "Somebody" / "Second" / "First.000.mp3"
    )
    Image.new("L", (387, 128)).save(tmp_path / "Rock" / "Somebody" / "First" / "First.000.png")

    found = {source.folder: source.kind for source in from_folders(tmp_path).sources if source.folder}

    assert found == {"Somebody/First": "picture", "Somebody/Second": "audio"}


def test_covers_are_no_tracks_and_take_no_tracks_place(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    scans = tmp_path / "Rock" / "Somebody" / "Scans"
    scans.mkdir(parents=True)
    Image.new("RGB", (600, 600)).save(scans / "front.png")
    Image.new("RGB", (600, 600)).save(scans / "photo.png", "JPEG")
    (tmp_path / "Rock" / "Rock.000.png").write_bytes(b"torn")

    corpus = from_folders(tmp_path)

    assert {source.kind for source in corpus.sources} == {"audio"}
    assert counts(corpus)["Rock"] == 10
    assert corpus.left_out == (f"{tmp_path / 'Rock'}: 3 pictures of something else, such as covers",)


def test_pictures_alone_are_meant_as_spectrograms_whatever_they_show(tmp_path):
    fill(tmp_path, Jazz=10)
    (tmp_path / "Rock").mkdir()
    for number in range(10):
        Image.new("RGB", (600, 600)).save(tmp_path / "Rock" / f"{number}.png")
    assert counts(from_folders(tmp_path)) == {"Jazz": 10, "Rock": 10}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        pytest.param({}, "no genre folders", id="nothing"),
        pytest.param({"Rock": 20}, "at least two genres", id="one genre"),
        pytest.param({"Rock": 20, "Jazz": 0}, "empty genre folder", id="empty folder"),
        pytest.param({"Rock": 20, "Jazz": 3}, "3 tracks, a genre needs at least 10", id="three tracks"),
    ],
)
def test_a_corpus_that_cannot_be_trained_on_is_refused(tmp_path, counts, words):
    with pytest.raises(CorpusError, match=words):
        from_folders(fill(tmp_path, **counts))


def test_all_problems_are_told_at_once(tmp_path):
    with pytest.raises(CorpusError) as caught:
        from_folders(fill(tmp_path, Rock=20, Jazz=3, Pop=0), outside=["Blues"])
    assert len(str(caught.value).splitlines()) == 3


def test_a_missing_folder_is_no_corpus(tmp_path):
    with pytest.raises(CorpusError, match="no such folder"):
        from_folders(tmp_path / "nowhere")


def test_a_genre_folder_whose_name_is_no_text_is_refused_readably(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xe9tal")).mkdir()
    with pytest.raises(CorpusError, match=r"M\\xe9tal.*must be UTF-8 text"):
        from_folders(tmp_path)


def test_a_track_whose_name_is_no_text_is_taken(tmp_path):
    fill(tmp_path, Rock=10, Jazz=10)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/Rock/caf\xe9.mp3")).write_bytes(b"sound")
    corpus = from_folders(tmp_path)
    assert counts(corpus)["Rock"] == 11
    assert all(source.track_id.isprintable() for source in corpus.sources)


def test_empty_files_are_left_out_and_named(tmp_path):
    fill(tmp_path, Rock=11, Jazz=10)
    (tmp_path / "Rock" / "Rock.000.mp3").write_bytes(b"")
    corpus = from_folders(tmp_path)
    assert counts(corpus)["Rock"] == 10
    assert "empty file" in corpus.left_out[0]


@pytest.mark.parametrize("spelling", ["Hip-Hop", "hip hop", "HipHop", "HIP  HOP"])
def test_spellings_of_one_genre_are_one(spelling):
    assert genre_key(spelling) == genre_key("Hip-Hop")


@pytest.mark.parametrize("outside", [(), ("rock",)])
@pytest.mark.parametrize(
    ("one", "other"),
    [("Rock", "rock"), (unicodedata.normalize("NFD", "Électro"), unicodedata.normalize("NFC", "Électro"))],
    ids=["case", "accent"],
)
def test_two_genre_folders_of_one_genre_are_no_two_labels(tmp_path, one, other, outside):
    fill(tmp_path, **{one: 10, other: 10, "Jazz": 10})
    outside = [name for name in outside if name == other]
    with pytest.raises(CorpusError, match=f"{one} and {other}: genre folders that differ in case"):
        from_folders(tmp_path, outside=outside)
    labels = {unicodedata.normalize("NFC", name) for name in (one, other, "Jazz")}
    assert from_folders(tmp_path, for_training=False).labels == tuple(sorted(labels))


def test_a_folder_whose_accents_are_stored_apart_is_named_as_it_is_typed(tmp_path):
    typed = ("Chanson française", "Électro")
    fill(tmp_path, **{unicodedata.normalize("NFD", name): 10 for name in typed}, Jazz=10)
    corpus = from_folders(tmp_path, outside=["Électro"])
    assert counts(corpus) == {"Chanson française": 10, "Jazz": 10, "Électro": 10}


def test_a_library_gives_labels_in_the_most_frequent_spelling(tmp_path):
    genres = ["Hip-Hop"] * 7 + ["hip hop"] * 5 + ["Rock; Pop"] * 10 + ["Polka"] * 2 + [""] * 3 + ["Unknown"]
    files = [TaggedFile(tmp_path / f"{n}.mp3", (genre,), f"Artist {n % 4}") for n, genre in enumerate(genres)]
    files += [TaggedFile(tmp_path / f"c{n}.mp3", ("Choir",), f"One feat. {n}") for n in range(20)]

    corpus = from_library(tmp_path, files, min_tracks=10)

    assert counts(corpus) == {"Hip-Hop": 12, "Rock": 10}
    assert corpus.left_out == (
        "4 files without a genre in the tags",
        "Choir: 20 tracks of 1 artist only, 3 are needed",
        "Polka: 2 tracks, fewer than --min-tracks 10",
    )
    assert {source.artist for source in corpus.sources} == {f"Artist {n}" for n in range(4)}


def test_a_genre_of_a_library_is_one_however_its_accents_are_encoded(tmp_path):
    genres = [unicodedata.normalize(form, "Chanson française") for form in ("NFC", "NFD", "NFD")] * 4
    genres += ["Rock"] * 12
    files = [TaggedFile(tmp_path / f"{n}.mp3", (genre,), f"Artist {n % 4}") for n, genre in enumerate(genres)]
    assert counts(from_library(tmp_path, files)) == {genres[0]: 12, "Rock": 12}


def test_an_outside_genre_that_no_file_of_a_library_has_is_refused(tmp_path):
    genres = ["Blues", "Jazz", "Rock"] * 12
    files = [TaggedFile(tmp_path / f"{n}.mp3", (genre,), f"Artist {n}") for n, genre in enumerate(genres)]
    assert from_library(tmp_path, files, outside=["blues"]).outside == ("blues",)
    with pytest.raises(CorpusError, match=r"Bluess: no file of this genre in .*found: Blues \(12\), Jazz"):
        from_library(tmp_path, files, outside=["Bluess", "rock"])


def test_a_library_of_one_genre_is_refused_with_what_was_found(tmp_path):
    files = [TaggedFile(tmp_path / f"{n}.mp3", ("Rock",)) for n in range(30)]
    with pytest.raises(CorpusError, match=r"Rock \(30\)"):
        from_library(tmp_path, files)


def test_a_pool_is_any_music(tmp_path):
    fill(tmp_path / "deep", any=3)
    assert [source.genre for source in from_pool(tmp_path)] == ["", "", ""]
    with pytest.raises(CorpusError, match="no audio and no spectrograms"):
        from_pool(fill(tmp_path / "empty", none=0))
