"""An interrupted run is gone on with where it would learn the same; what only names it is taken anew."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from spectrograms import EXCERPTS, make_corpus

from genretagd.errors import ModelError
from genretagd.ml.bundle import ExcerptChoice, load_bundle
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import network
from genretagd.ml.training import train as module
from genretagd.ml.training.corpus import from_folders
from genretagd.ml.training.fingerprint import fingerprint
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.prepare import Ingredients, prepare
from genretagd.ml.training.recipe import Recipe
from genretagd.ml.training.train import Plan, train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # TensorFlow's

GENRES = ("High", "Low", "Speech")


class Killed(BaseException):
    """Stands for SIGKILL."""


class KilledBeforeTheReport(Silent):
    """Ends a run when all is learnt and measured."""

    def stage(self, title, /, total):
        if "report" in title:
            raise Killed


@pytest.fixture
def music(tmp_path):
    """Return a folder with a corpus, a teacher and a base, that may be changed."""
    home = tmp_path / "music"
    names = [path.stem for path in make_corpus(home / "corpus", genres=GENRES).rglob("*.png")]
    np.savez(home / "sage.npz", id=np.asarray(names), tags=np.full((len(names), 28, 5), 0.5, np.float32))
    (home / "base.keras").write_bytes(b"a network")
    return home


def fingerprint_of(
    home, work, *, teacher=None, base=None, excerpts=EXCERPTS, outside=("Speech",), recipe=None, folds=0
):
    ingredients = Ingredients(
        cache=work,
        front_end=FrontEnd(),
        excerpts=excerpts,
        teachers=(home / teacher,) if teacher else (),
    )
    corpus = from_folders(home / "corpus", outside=outside)
    prepared = prepare(corpus, ingredients, work=work, parts=3, listener=Silent())
    return fingerprint(
        prepared,
        ingredients,
        recipe=recipe or Recipe(),
        folds=folds,
        base=home / base if base else None,
    )


def another_opinion(home):
    with np.load(home / "sage.npz") as arrays:
        names, tags = arrays["id"], arrays["tags"]
    tags[0, 0, 0] += 0.1
    np.savez(home / "sage.npz", id=names, tags=tags)


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        pytest.param({}, {"recipe": Recipe(epochs=3)}, id="recipe"),
        pytest.param({}, {"folds": 3}, id="folds"),
        pytest.param({}, {"excerpts": ExcerptChoice(count=1)}, id="excerpts"),
        pytest.param({}, {"outside": ()}, id="outside"),
        pytest.param({}, {"teacher": "sage.npz"}, id="a teacher"),
        pytest.param({}, {"base": "base.keras"}, id="a base"),
        pytest.param({"teacher": "sage.npz"}, another_opinion, id="a teacher's opinion"),
        pytest.param({"base": "base.keras"}, lambda h: (h / "base.keras").write_bytes(b"x"), id="the base"),
        pytest.param({}, lambda h: (h / "corpus/High/high.000.png").unlink(), id="a track less"),
        pytest.param(
            {"teacher": "sage.npz"},
            lambda h: (h / "corpus/Low").rename(h / "corpus/Lower"),
            id="known genres",
        ),
    ],
)
def test_what_changes_the_learning_begins_another_run(music, tmp_path, asked, changed):
    before = fingerprint_of(music, tmp_path / "work", **asked)
    if callable(changed):
        changed(music)
        changed = {}
    assert fingerprint_of(music, tmp_path / "work", **(asked | changed)) != before


def test_what_only_names_something_does_not(music, tmp_path):
    asked = {"teacher": "sage.npz", "base": "base.keras"}
    before = fingerprint_of(music, tmp_path / "work", **asked)
    assert json.loads(json.dumps(before)) == before
    shutil.copytree(music, tmp_path / "elsewhere")
    assert fingerprint_of(tmp_path / "elsewhere", tmp_path / "work", **asked) == before
    before = fingerprint_of(music, tmp_path / "work")
    (music / "corpus/Low").rename(music / "corpus/Lower")
    assert fingerprint_of(music, tmp_path / "work") == before


def test_a_base_that_is_gone_is_told(music, tmp_path):
    with pytest.raises(ModelError, match=r"gone\.keras: cannot be read \(No such file or directory\)"):
        fingerprint_of(music, tmp_path / "work", base="gone.keras")


def test_a_run_that_goes_on_under_other_names_bears_these(music, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    plan = Plan(
        output=tmp_path / "mine",
        report=tmp_path / "report",
        ingredients=Ingredients(cache=tmp_path, front_end=FrontEnd(), excerpts=EXCERPTS),
        recipe=Recipe(arch="seed"),
    )

    def learn(*_, folder, **__):
        folder.mkdir(parents=True)
        return network.build_seed(n_outputs=3), []

    monkeypatch.setattr(module, "learn", learn)
    with pytest.raises(Killed):
        train(from_folders(music / "corpus", outside=["Speech"]), plan, KilledBeforeTheReport())
    monkeypatch.setattr(module, "learn", None)
    (music / "corpus/Low").rename(music / "corpus/Lower")
    (music / "corpus/Speech").rename(music / "corpus/Talk")
    plan = replace(plan, name="ours", version="2", licence="CC0")
    found = train(from_folders(music / "corpus", outside=["Talk"]), plan, Silent())

    bundle = load_bundle(tmp_path / "mine")
    assert (bundle.name, bundle.version, bundle.licence) == ("ours", "2", "CC0")
    assert (bundle.labels, bundle.outside_labels) == (("High", "Lower"), ("Talk",))
    assert found.metrics["labels"] == ["High", "Lower"]
