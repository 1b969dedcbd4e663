"""Tracks of one artist, and copies of one recording, stay together."""

import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from mutagen.flac import FLAC
from sounds import FORMATS

from genretagd.errors import CorpusError
from genretagd.ml.training.artists import read_artist
from genretagd.ml.training.corpus import Source
from genretagd.ml.training.groups import Row, assign, find_table, read_table


def source(track_id, **fields):
    return Source(Path(f"{track_id}.mp3"), "audio", "Rock", track_id, **fields)


def test_the_table_goes_before_the_tag_the_tag_before_the_folder_the_folder_before_the_name():
    sources = [
        source("a", artist="Tagged", folder="Folder"),
        source("b", artist="Tagged", folder="Folder"),
        source("c", folder="Folder"),
        source("Named - d"),
        source("e"),
    ]
    found = assign(sources, table={"a": Row("g1", "")}, pattern=re.compile("^(.+?) - "))

    assert found.groups == ("table:g1", "artist:tagged", "artist:folder", "artist:named", "alone:4")
    assert found.origins == {"table": 1, "artist tag": 1, "sub-folder": 1, "file name": 1, "alone": 1}


@pytest.mark.parametrize("other", ["the band", "The Band feat. Guest", "THE BAND ft Guest", "The-Band"])
def test_spellings_and_guests_of_an_artist_are_one_group(other):
    found = assign([source("a", artist="The Band"), source("b", artist=other)])
    assert len(set(found.groups)) == 1


def test_an_artist_is_one_however_the_accents_are_stored():
    stored = [unicodedata.normalize(form, "Björk") for form in ("NFC", "NFD")]
    assert len(set(assign([source("a", artist=stored[0]), source("b", folder=stored[1])]).groups)) == 1


def test_an_artist_without_a_letter_is_one_and_no_other():
    found = assign([source(name, artist=name[:3]) for name in ("!!! 1", "!!! 2", "††† 1")])
    assert found.groups == ("artist:!!!", "artist:!!!", "artist:†††")


@pytest.mark.parametrize(
    "nobody", ["", " ", "Various Artists", "Unknown Artist", "VA", "AA.VV.", "Verschiedene Interpreten"]
)
def test_nobody_is_no_artist(nobody):
    assert len(set(assign([source("a", artist=nobody), source("b", artist=nobody)]).groups)) == 2


def test_all_that_lies_below_an_artists_folder_is_the_artists():
    found = assign([source("a", folder="The Band/One"), source("b", folder="The Band/Two/Live")])
    assert found.groups == ("artist:theband", "artist:theband")


@pytest.mark.parametrize(
    ("tags", "artist"),
    [
        pytest.param({"albumartist": "The Band", "artist": "The Band feat. Guest"}, "The Band", id="album"),
        pytest.param({"artist": "The Band"}, "The Band", id="track only"),
        pytest.param({"albumartist": "Various Artists", "artist": "The Band"}, "The Band", id="compilation"),
        pytest.param({"albumartist": "VA", "artist": "Unknown Artist"}, "", id="nobody"),
        pytest.param({"albumartist": " ", "title": "Song"}, "", id="nothing"),
    ],
)
def test_of_a_compilation_the_tracks_artist_is_read(tmp_path, tags, artist):
    song = tmp_path / "song.flac"
    shutil.copyfile(FORMATS["flac"], song)
    file = FLAC(song)
    file.delete()
    file.update(tags)
    file.save()
    assert read_artist(song) == artist


def test_copies_join_the_groups_of_their_artists():
    sources = [source("a", artist="One"), source("b", artist="Two"), source("c", artist="Two"), source("d")]
    found = assign(sources, copies=[(0, 1), (2, 3)])
    assert len(set(found.groups)) == 1
    assert found.merged == ((0, 1), (2, 3))


def test_a_table_is_found_in_the_corpus_or_above_it(tmp_path):
    (tmp_path / "spectrograms").mkdir()
    assert find_table(tmp_path) is None
    (tmp_path / "tracks.csv").write_text("track_id,genre,artist_group\na,Rock,g\nb,Rock,\n")
    assert find_table(tmp_path / "spectrograms") == tmp_path / "tracks.csv"
    assert read_table(tmp_path / "tracks.csv") == {"a": Row("g", "Rock"), "b": Row("", "Rock")}


@pytest.mark.parametrize("named", [".", "inner/.."])
def test_a_table_above_the_folder_one_is_in_is_found_as_above_any_other(tmp_path, monkeypatch, named):
    (tmp_path / "corpus" / "inner").mkdir(parents=True)
    (tmp_path / "tracks.csv").write_text("track_id,artist_group\na,g\n")
    monkeypatch.chdir(tmp_path / "corpus")
    assert find_table(Path(named)) == tmp_path / "tracks.csv"


def test_a_table_may_name_tracks_by_their_files(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("id,group\nRock/01 Song.mp3,A\njazz.00012.png,B\njazz.00013,B\n\n,C\njazz.00013,B\n")
    assert read_table(table) == {
        "01 Song": Row("A", ""),
        "jazz.00012": Row("B", ""),
        "jazz.00013": Row("B", ""),
    }


@pytest.mark.parametrize("separator", [",", ", ", ";", "\t"], ids=["comma", "space", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_may_be_written_as_spreadsheets_write_it(tmp_path, separator, encoding):
    rows = (("track_id", "artist_group", "genre"), ("a.mp3", '"Nick Cave; The Bad Seeds, live"', "Rock"))
    table = tmp_path / "t.csv"
    table.write_bytes("".join(separator.join(row) + "\r\n" for row in rows).encode(encoding))
    assert read_table(table) == {"a": Row("Nick Cave; The Bad Seeds, live", "Rock")}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name,band\n", "no column track_id or id"),
        (b"id\n1\n", "no column artist_group"),
        (b"\xff\xfe\x00", "is no UTF-8 text, save it as such"),
        ("id,group\n1,Bj\u00f6rk\n".encode("cp1252"), "is no UTF-8 text, save it as such"),
        (b"id,group\n01,A\nB/01.mp3,B\n", r"two groups for 01 \(A, B\), name each track once"),
    ],
    ids=["no id", "no group", "no text", "text of Windows", "two groups"],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(CorpusError, match=words):
        read_table(tmp_path / "t.csv")
