"""From pictures to a bundle that serves, a report, and figures; interrupted or not."""

import hashlib
import json
import resource
import subprocess
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from sounds import FORMATS
from spectrograms import EXCERPTS, make_corpus

from genretagd.errors import CorpusError, UsageError
from genretagd.ml.bundle import load_bundle
from genretagd.ml.classifier import load_classifier
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import evaluate as evaluation
from genretagd.ml.training import export, state
from genretagd.ml.training import train as module
from genretagd.ml.training.corpus import from_folders
from genretagd.ml.training.evaluate import evaluate
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.prepare import Ingredients
from genretagd.ml.training.recipe import Recipe
from genretagd.ml.training.report import write_report
from genretagd.ml.training.train import Plan, train

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # TensorFlow's

GENRES = ("High", "Low", "Speech")


class Killed(BaseException):
    """Stands for SIGKILL: nothing in between may catch it."""


class Killer(Silent):
    """Ends the run after so many epochs."""

    def __init__(self, epochs):
        self.left = epochs

    def step(self, detail="", *, seconds_left=None):
        if detail.startswith("epoch"):
            self.left -= 1
            if not self.left:
                raise Killed


class Listening(Killer):
    """Remembers what it is told besides."""

    def __init__(self, epochs):
        super().__init__(epochs)
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def ingredients(folder):
    return Ingredients(cache=folder / "cache", front_end=FrontEnd(), excerpts=EXCERPTS)


def plan(folder, **changes):
    fields = {
        "output": folder / "mine",
        "report": folder / "mine-report",
        "ingredients": ingredients(folder),
        "recipe": Recipe(arch="seed", epochs=3, steps=2, learning_rate=5e-4),
        "name": "mine",
        "licence": "Made of noise.",
        "command": "genretagd train corpus",
    }
    return Plan(**(fields | changes))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return from_folders(make_corpus(tmp_path_factory.mktemp("corpus"), genres=GENRES), outside=["Speech"])


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(corpus, plan(folder), Silent())


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def evaluated(folder, tmp_path, *, report):
    """Measure the bundle in `folder` on the corpus in ``tmp_path/other``."""
    corpus = from_folders(tmp_path / "other", for_training=False)
    bundle = load_bundle(folder / "mine")
    return evaluate(bundle, corpus, ingredients(tmp_path), report=report, listener=Silent())


def on_a_full_disk(report, folder):
    """Write a report where no file can get any content."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        return write_report(report, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_was_trained_serves(trained):
    folder, result = trained
    prediction = load_classifier(folder / "mine").predict(FORMATS["flac"])
    assert set(prediction.probabilities) == {"High", "Low"}
    assert result.bundle.outside_labels == ("Speech",)
    assert result.bundle.licence == "Made of noise."
    assert result.bundle.patch_shape() == (128, 128, 3)


def test_the_state_of_a_finished_run_is_cleared_away(trained):
    folder, _ = trained
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "mine-report"]


def test_noise_in_the_upper_and_in_the_lower_bands_is_told_apart(trained):
    _, result = trained
    assert result.metrics["accuracy"] == 1.0
    assert result.metrics["outside"]["tracks"] >= 1
    assert list(result.metrics["outside"]["kinds"]) == ["Speech"]


def test_the_metrics_are_beside_the_report_and_in_the_bundle(trained):
    folder, result = trained
    beside = json.loads((folder / "mine-report" / "metrics.json").read_text())
    assert beside == json.loads((folder / "mine" / "metrics.json").read_text())
    assert {"accuracy", "macro_f1", "ece", "intervals", "confusion", "per_genre", "outside"} <= set(beside)
    assert (
        load_bundle(folder / "mine").metrics["accuracy"] == beside["accuracy"] == result.metrics["accuracy"]
    )


def test_the_report_fetches_nothing_and_names_what_a_reader_must_know(trained):
    folder, _ = trained
    page = (folder / "mine-report" / "report.html").read_text()
    assert "http" not in page
    assert page.count("data:image/png;base64,") >= 4
    for words in ("Model card", "Made of noise.", "Genre by genre", "How it learnt", "Split by artist"):
        assert words in page
    assert {"confusion.png", "reliability.png", "coverage.png", "learning.png"} <= set(
        hashes(folder / "mine-report" / "figures")
    )


def test_the_bundle_names_no_track_and_holds_no_picture(trained, corpus):
    folder, _ = trained
    text = (folder / "mine" / "bundle.json").read_text() + (folder / "mine" / "metrics.json").read_text()
    assert not [source.track_id for source in corpus.sources if source.track_id in text]
    assert not list((folder / "mine").glob("*.png"))


def test_a_killed_run_goes_on_to_the_same_result(trained, corpus, tmp_path):
    whole, _ = trained
    with pytest.raises(Killed):
        train(corpus, plan(tmp_path), Killer(2))
    assert not (tmp_path / "mine").exists()
    assert (tmp_path / "mine.work").is_dir()

    train(corpus, plan(tmp_path), Silent())

    assert hashes(tmp_path / "mine")["model.tflite"] == hashes(whole / "mine")["model.tflite"]
    assert hashes(tmp_path / "mine")["metrics.json"] == hashes(whole / "mine")["metrics.json"]


def test_what_was_learnt_before_a_kill_is_not_learnt_again(trained, corpus, tmp_path, monkeypatch):
    whole, _ = trained

    def killed(_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(export, "from_file", killed)
        with pytest.raises(Killed):
            train(corpus, plan(tmp_path), Silent())
    monkeypatch.setattr(module, "learn", None)
    train(corpus, plan(tmp_path), Silent())
    for name in ("model.tflite", "metrics.json"):
        assert hashes(tmp_path / "mine")[name] == hashes(whole / "mine")[name]


def test_the_state_of_another_run_is_not_gone_on_with(corpus, tmp_path):
    with pytest.raises(Killed):
        train(corpus, plan(tmp_path), Killer(2))
    left = tmp_path / "mine.work" / "split" / "checkpoint.npz"
    before = left.stat().st_ino
    with pytest.raises(Killed):
        train(corpus, plan(tmp_path, recipe=Recipe(arch="seed", epochs=2, steps=2, seed=5)), Killer(2))
    assert left.stat().st_ino != before


def test_a_second_training_to_the_same_output_is_refused_while_one_is_at_work(corpus, tmp_path):
    with state.alone(tmp_path / "mine.work"):
        (tmp_path / "mine.work/pictures.u8").write_bytes(b"of the first")
        with pytest.raises(UsageError, match=r"mine\.work: another training is at work .* \(-o\)"):
            train(corpus, plan(tmp_path), Silent())
    assert (tmp_path / "mine.work/pictures.u8").read_bytes() == b"of the first"


@pytest.mark.parametrize("place", ["mine", "mine.work", "mine-report"])
def test_a_training_is_refused_at_once_where_it_would_cost_somebody_a_file(corpus, tmp_path, place):
    kept = tmp_path / place / "figures" / "song.flac"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"the only copy")
    with pytest.raises(UsageError, match=f"{place}: .*figures"):
        train(corpus, plan(tmp_path), Killer(1))
    assert kept.read_bytes() == b"the only copy"


@pytest.mark.parametrize("place", ["mine", "mine/report", "mine.work/report"])
def test_a_report_may_not_lie_where_bundle_or_state_are_cleared_away(corpus, tmp_path, place):
    with pytest.raises(UsageError, match="name another folder for the report"):
        train(corpus, plan(tmp_path, report=tmp_path / place), Killer(1))
    assert list(tmp_path.iterdir()) == []


def test_the_output_is_free_again_when_a_training_was_killed(tmp_path):
    code = "import sys, time; from pathlib import Path; from genretagd.ml.training import state\n"
    code += "with state.alone(Path(sys.argv[1])): print('in', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "work"], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(UsageError), state.alone(tmp_path / "work"):
            pass
        other.kill()
    with state.alone(tmp_path / "work"):
        pass


def test_evaluation_of_the_same_tracks_finds_labels_by_any_spelling(trained, tmp_path):
    folder, _ = trained
    make_corpus(tmp_path / "other", tracks=4, genres=("HIGH", "low", "Polka", "Waltz"))
    found = evaluated(folder, tmp_path, report=tmp_path / "out")
    assert found.metrics["tracks"] == 8
    assert found.metrics["outside"]["tracks"] == 8
    kinds = found.metrics["outside"]["kinds"]
    assert {name: kind["tracks"] for name, kind in kinds.items()} == {"Polka": 4, "Waltz": 4}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<th scope='row'>Polka</th>" in page
    assert "<th scope='row'>Waltz</th>" in page
    assert (
        json.loads((tmp_path / "out" / "metrics.json").read_text())["accuracy"] == found.metrics["accuracy"]
    )


def test_evaluation_takes_a_folder_for_the_label_of_the_same_name_before_one_that_is_spelled_alike(
    trained, tmp_path
):
    folder, _ = trained
    accented = {form: unicodedata.normalize(form, "Électro") for form in ("NFC", "NFD")}
    make_corpus(tmp_path / "other", tracks=4, genres=("High", "high", accented["NFD"]))
    bundle = replace(load_bundle(folder / "mine"), labels=("High", accented["NFC"]), outside_labels=("high",))
    corpus = from_folders(tmp_path / "other", for_training=False)
    found = evaluate(
        bundle, corpus, ingredients(tmp_path), report=tmp_path / "out", listener=Silent()
    ).metrics
    counted = {name: genre["tracks"] for name, genre in found["per_genre"].items()}
    assert counted == {"High": 4, accented["NFC"]: 4}
    assert {name: kind["tracks"] for name, kind in found["outside"]["kinds"].items()} == {"high": 4}


def test_an_evaluation_does_not_write_into_a_bundle(trained, tmp_path):
    folder, _ = trained
    make_corpus(tmp_path / "other", tracks=4, genres=("High", "Low"))
    before = hashes(folder / "mine")
    with pytest.raises(UsageError, match=r"metrics\.json there is of no report"):
        evaluated(folder, tmp_path, report=folder / "mine")
    assert hashes(folder / "mine") == before


def test_a_report_that_a_full_disk_cut_short_costs_no_earlier_one_and_bars_no_later_one(
    trained, tmp_path, monkeypatch
):
    folder, _ = trained
    make_corpus(tmp_path / "other", tracks=4, genres=("High", "Low"))
    page = tmp_path / "out" / "report.html"
    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "write_report", on_a_full_disk)
        with pytest.raises(OSError, match="too large"):
            evaluated(folder, tmp_path, report=tmp_path / "out")
    evaluated(folder, tmp_path, report=tmp_path / "out")
    before = page.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "write_report", on_a_full_disk)
        with pytest.raises(OSError, match="too large"):
            evaluated(folder, tmp_path, report=tmp_path / "out")
    assert page.read_bytes() == before


def test_evaluation_on_foreign_genres_only_is_refused(trained, tmp_path):
    folder, _ = trained
    make_corpus(tmp_path / "other", tracks=2, genres=("Polka", "Waltz"))
    with pytest.raises(
        CorpusError, match=r"none of its folders \(Polka, Waltz\) is one of the model's labels"
    ):
        evaluated(folder, tmp_path, report=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_artists_are_refused_before_anything_is_learnt(tmp_path):
    corpus = from_folders(make_corpus(tmp_path / "corpus", artists=2))
    with pytest.raises(CorpusError, match="tracks of 2 artists or groups only, 3 are needed"):
        train(corpus, plan(tmp_path), Silent())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus"]


@pytest.mark.parametrize(("rows", "words"), [("x,A\n", "it names x, the corpus has"), ("", "it names none")])
def test_a_table_of_other_tracks_is_refused(corpus, tmp_path, rows, words):
    table = tmp_path / "groups.csv"
    table.write_text("track_id,artist_group\n" + rows)
    with pytest.raises(CorpusError, match=rf"groups\.csv: none of its tracks is in the corpus \({words}"):
        train(corpus, plan(tmp_path, ingredients=replace(ingredients(tmp_path), groups_file=table)), Silent())


def test_a_pattern_that_finds_nothing_is_refused(corpus, tmp_path):
    asked = replace(ingredients(tmp_path), group_pattern="^(.+) - ")
    with pytest.raises(CorpusError, match="finds nothing in any file name, such as "):
        train(corpus, plan(tmp_path, ingredients=asked), Silent())


@pytest.mark.parametrize("known", [True, False])
def test_of_a_teacher_is_said_how_many_tracks_it_knows_and_one_that_knows_none_is_refused(
    corpus, tmp_path, known
):
    listener = Listening(1)
    names = [corpus.sources[0].track_id if known else "x", "y"]
    np.savez(tmp_path / "sage.npz", id=np.array(names), tags=np.full((2, 28, 5), 0.5, np.float32))
    asked = replace(ingredients(tmp_path), teachers=(tmp_path / "sage.npz",))
    wanted = Killed if known else CorpusError
    with pytest.raises(wanted, match=None if known else "sage: no opinion .*it knows x, the corpus has"):
        train(corpus, plan(tmp_path, ingredients=asked), listener)
    assert ("sage: opinions on 1 of 36 tracks." in listener.notes) is known


def test_a_genre_that_no_pool_states_is_named(corpus, tmp_path):
    make_corpus(tmp_path / "pool", tracks=2, genres=("any",))
    (tmp_path / "pool" / "tracks.csv").write_text("id,split_group,genre\nany.000,A,Polka\n")
    meanings = {"Polka": "Speech", "Waltz": "Speech", "P*": ""}
    asked = replace(ingredients(tmp_path), pools=(tmp_path / "pool",), pool_genres=meanings)
    listener = Listening(1)
    with pytest.raises(Killed):
        train(corpus, plan(tmp_path, ingredients=asked), listener)
    assert [text for text in listener.notes if "pool-genre" in text] == [
        "--pool-genre Waltz: no track of the pools states it."
    ]


def test_more_folds_than_artists_are_refused_before_anything_is_learnt(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_fit", lambda *_, **__: pytest.fail("learnt"))
    with pytest.raises(CorpusError, match="500 folds: too few artists or groups"):
        train(corpus, plan(tmp_path, folds=500), Silent())


def test_in_cross_validation_no_track_is_judged_by_a_model_that_learnt_from_its_group(
    corpus, tmp_path, monkeypatch, trained
):
    _, result = trained
    learnt, judged, groups = [], [], {}

    def fit(prepared, plan, folder, split, tracks, **_):
        learnt.append(tracks[split.train])
        groups.update(enumerate(prepared.groups))
        return module._Run(result.bundle, [])

    def logits(bundle, pictures, tracks, *_):
        judged.append(tracks)
        return np.random.default_rng(0).normal(size=(len(tracks), 3)).astype(np.float32)

    monkeypatch.setattr(module, "_fit", fit)
    monkeypatch.setattr(module, "_logits", logits)
    found = train(corpus, replace(plan(tmp_path), folds=4), Silent())

    assert len(learnt) == 5
    assert len(learnt[-1]) == 36
    assert sorted(np.concatenate(judged)) == list(range(36))
    for known, asked in zip(learnt[:-1], judged, strict=True):
        assert not {groups[t] for t in known} & {groups[t] for t in asked}
    assert found.metrics["tracks"] == 24
