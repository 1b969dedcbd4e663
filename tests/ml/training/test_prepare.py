"""What is found becomes material: each track with what is known of it, and no more."""

import shutil

import numpy as np
import pytest
from spectrograms import EXCERPTS, make_corpus, picture, record

from genretagd.errors import CorpusError
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import lessons
from genretagd.ml.training.corpus import TaggedFile, from_folders, from_library
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.pictures import Excerpt, write_picture
from genretagd.ml.training.prepare import Ingredients, prepare
from genretagd.ml.training.spectra import Drawn

GENRES = ("High", "Low", "Speech")


def ingredients(folder, **changes):
    return Ingredients(cache=folder / "cache", front_end=FrontEnd(), excerpts=EXCERPTS, **changes)


def test_each_pools_table_speaks_of_its_own_tracks_only(tmp_path):
    pools = (tmp_path / "first", tmp_path / "second", tmp_path / "third")
    for number, (pool, genre) in enumerate(zip(pools, ("High", "Low", ""), strict=True)):
        write_picture(pool / "0001.png", picture("Low", seed=900 + number), record(source="0001.flac"))
        if genre:
            (pool / "tracks.csv").write_text(f"id,split_group,genre\n0001,{genre} group,{genre}\n")
    corpus = from_folders(make_corpus(tmp_path / "corpus"))
    found = prepare(
        corpus, ingredients(tmp_path, pools=pools), work=tmp_path / "work", parts=3, listener=Silent()
    )
    assert found.material.ids[-3:] == ("0001",) * 3
    assert found.material.labels[-3:].tolist() == [0, 1, lessons.UNKNOWN]
    assert found.groups[-3:].tolist() == ["pool:High group", "pool:Low group", "pool alone:26"]


def test_opinions_on_tracks_of_several_excerpts_are_counted_and_nobody_has_heard_those(tmp_path):
    for number in range(3):
        columns = 774 if number else 387
        shown = tuple(Excerpt(40.0 * part, 387) for part in range(columns // 387))
        values = picture("Low", seed=900 + number, columns=columns)
        write_picture(tmp_path / "pool" / f"p{number}.png", values, record(excerpts=shown))
    np.savez(tmp_path / "sage.npz", id=np.array(["p0", "p1", "x"]), tags=np.full((3, 28, 5), 0.5, np.float32))
    corpus = from_folders(make_corpus(tmp_path / "corpus"))
    asked = ingredients(tmp_path, pools=(tmp_path / "pool",), teachers=(tmp_path / "sage.npz",))
    found = prepare(corpus, asked, work=tmp_path / "work", parts=3, listener=Silent())
    told = (
        "sage: opinions on 2 of 27 tracks; 1 of them have several excerpts and teach a guess of their genre"
    )
    assert [note for note in found.notes if note.startswith("sage")] == [f"{told} at most."]
    pool = np.flatnonzero(found.material.pooled).astype(np.int32)
    teachers = lessons.teachers_of(found.material, pool)
    assert lessons.heard(found.material, pool, teachers).tolist() == [True, False, False]


@pytest.mark.parametrize("damaged", [(), ("Low",), ("Low", "High")], ids=["none", "one genre", "two genres"])
def test_a_genre_of_a_library_that_damaged_files_make_too_small_is_left_out(tmp_path, monkeypatch, damaged):
    pictures = {p: p.parent.name for p in make_corpus(tmp_path / "made", genres=GENRES).rglob("*.png")}
    files = [TaggedFile(p.with_suffix(".flac"), (genre,), p.stem) for p, genre in pictures.items()]
    for file in files:
        file.path.write_bytes(b"sound")
    bad = [next(file.path for file in files if file.genres == (genre,)) for genre in damaged]

    def draw(sources, **_):
        paths = tuple(None if s.path in bad else s.path.with_suffix(".png") for s in sources)
        return Drawn(paths, tuple(map(str, bad)), len(sources))

    monkeypatch.setattr("genretagd.ml.training.prepare.draw_all", draw)
    library = from_library(tmp_path, files, unreadable=["x.flac: torn"], min_tracks=12)
    asked = ingredients(tmp_path, min_tracks=12)
    if len(damaged) > 1:
        with pytest.raises(CorpusError, match=r"Low: only 11 usable.*\n.*fewer than two genres"):
            prepare(library, asked, work=tmp_path / "work", parts=3, listener=Silent())
        return
    found = prepare(library, asked, work=tmp_path / "work", parts=3, listener=Silent())
    assert found.material.label_names == tuple(name for name in GENRES if name not in damaged)
    assert len(found.names) == 36 - 12 * len(damaged)
    assert found.problems == ("x.flac: torn", *map(str, bad))
    told = "Low: only 11 usable tracks, fewer than --min-tracks 12" in " ".join(found.notes)
    assert told is bool(damaged)


def test_a_genre_of_a_library_whose_artists_share_a_recording_and_are_too_few_then_is_left_out(
    tmp_path, monkeypatch
):
    pictures = sorted(make_corpus(tmp_path / "made", genres=GENRES).rglob("*.png"))
    shared, other = (tmp_path / "made" / "Low" / f"low.{number:03}.png" for number in (0, 1))
    shutil.copyfile(shared, other)
    files = []
    for number, path in enumerate(pictures):
        genre = path.parent.name
        files.append(TaggedFile(path.with_suffix(".flac"), (genre,), f"{genre} {number % 3}"))
        files[-1].path.write_bytes(b"sound")
    monkeypatch.setattr(
        "genretagd.ml.training.prepare.draw_all",
        lambda sources, **_: Drawn(tuple(s.path.with_suffix(".png") for s in sources), (), len(sources)),
    )
    library = from_library(tmp_path, files)
    found = prepare(library, ingredients(tmp_path), work=tmp_path / "work", parts=3, listener=Silent())
    assert found.material.label_names == ("High", "Speech")
    assert {name.split("/")[0] for name in found.names} == {"High", "Speech"}
    assert len(found.material.pictures.track_of) == len(found.groups) == 24
    assert "Low: usable tracks of 2 artists only, 3 are needed" in " ".join(found.notes)


class Noting(Silent):
    """Remembers what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, message, /):
        self.notes.append(message)


def test_where_a_genre_has_too_little_that_is_whole_what_is_damaged_is_named(tmp_path):
    root = make_corpus(tmp_path / "corpus")
    for path in root.glob("*/*.png"):
        path.write_bytes(path.read_bytes()[:2000] if path.parent.name == "Low" else path.read_bytes())
    (root / "High" / "high.000.png").write_bytes(b"no picture")
    listener = Noting()
    with pytest.raises(CorpusError, match="Low: only 0 usable tracks"):
        prepare(from_folders(root), ingredients(tmp_path), work=tmp_path / "work", parts=3, listener=listener)
    assert listener.notes[0].endswith("high.000.png: not a readable picture (UnidentifiedImageError)")
    assert sum("low." in note and "damaged picture" in note for note in listener.notes) == 12


def test_opinions_where_not_one_track_is_whole_are_no_mystery(tmp_path):
    root = make_corpus(tmp_path / "corpus")
    for path in root.glob("*/*.png"):
        path.write_bytes(b"no picture")
    np.savez(tmp_path / "sage.npz", id=np.array(["x"]), tags=np.full((1, 28, 5), 0.5, np.float32))
    asked = ingredients(tmp_path, teachers=(tmp_path / "sage.npz",))
    with pytest.raises(CorpusError, match="Low: only 0 usable tracks"):
        prepare(from_folders(root), asked, work=tmp_path / "work", parts=3, listener=Silent())
