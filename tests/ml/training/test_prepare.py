"""What is found becomes material: each track with what is known of it, and no more."""

import pytest
from spectrograms import EXCERPTS, make_corpus, picture, record

from genretagd.errors import CorpusError
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training.corpus import TaggedFile, from_folders, from_library
from genretagd.ml.training.lessons import UNKNOWN
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.pictures import write_picture
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
    assert found.material.labels[-3:].tolist() == [0, 1, UNKNOWN]
    assert found.groups[-3:].tolist() == ["pool:High group", "pool:Low group", "pool alone:26"]


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
