"""There is enough of each genre in the part that is learnt from."""

import numpy as np
import pytest
from spectrograms import EXCERPTS, picture, record

from genretagd.errors import CorpusError
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training.corpus import from_folders
from genretagd.ml.training.enough import check_learnt
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.pictures import write_picture
from genretagd.ml.training.prepare import Ingredients
from genretagd.ml.training.recipe import Recipe
from genretagd.ml.training.train import Plan, train

TRACKS_BY_ARTIST = {"High": (2, 2, 8), "Low": (3, 4, 5, 8, 2)}


def test_a_split_by_artists_of_several_genres_that_leaves_a_genre_unlearnt_is_refused(tmp_path):
    for genre, counts in TRACKS_BY_ARTIST.items():
        artists = [f"artist {number}" for number, count in enumerate(counts) for _ in range(count)]
        for number, artist in enumerate(artists):
            path = tmp_path / "corpus" / genre / f"{number:03}.png"
            write_picture(path, picture(genre, seed=100 * len(genre) + number), record(artist=artist))
    plan = Plan(
        output=tmp_path / "mine",
        report=tmp_path / "report",
        ingredients=Ingredients(cache=tmp_path, front_end=FrontEnd(), excerpts=EXCERPTS),
        recipe=Recipe(),
    )
    with pytest.raises(CorpusError, match=r"^High: no track in the part to learn from, .*--seed, --folds"):
        train(from_folders(tmp_path / "corpus"), plan, Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_every_label_that_is_lacking_is_named():
    with pytest.raises(CorpusError, match=r"^Jazz, Rock: no track"):
        check_learnt(np.asarray([1, 3]), ("Jazz", "Pop", "Rock"))
    check_learnt(np.asarray([2, 1, 0, 3]), ("Jazz", "Pop", "Rock"))
