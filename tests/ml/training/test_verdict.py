"""What a model cannot keep, or could not learn from, is told to whoever trains it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from spectrograms import EXCERPTS, make_corpus

from genretagd.ml.bundle import Bundle, Thresholds
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import verdict
from genretagd.ml.training.corpus import from_folders
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.prepare import Ingredients
from genretagd.ml.training.recipe import Recipe
from genretagd.ml.training.train import Plan, train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # TensorFlow's


class Noting(Silent):
    """Remembers what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, message, /):
        self.notes.append(message)


@pytest.mark.parametrize(("wanted", "stated"), [(0.7, 0.7), (0.9, 0.75)], ids=["in reach", "out of reach"])
def test_a_bundle_states_no_precision_that_its_threshold_does_not_reach(wanted, stated):
    logits = np.tile(np.asarray([2.0, 0.0], np.float32), (8, 1))
    truth = np.asarray([0, 0, 0, 1] * 2, np.int32)
    fitted = verdict.with_calibration(Bundle("b", "1", ("a", "b")), logits, truth, precision=wanted)
    assert fitted.thresholds.precision == stated


def test_a_model_that_is_right_about_its_labels_does_not_decide_what_it_takes_for_none_of_them():
    known, foreign = [4.0, 0.0, 0.0], [1.0, 0.0, 9.0]
    logits = np.asarray([known] * 30 + [foreign] * 10, np.float32)
    truth = np.repeat([0, -1], [30, 10]).astype(np.int32)
    fitted = verdict.with_calibration(Bundle("b", "1", ("a", "b"), ("c",)), logits, truth, precision=0.85)
    assert fitted.thresholds == Thresholds(0.5, 0.85)
    decided = verdict.outcomes(fitted, logits, truth, groups=np.arange(40)).decided
    assert decided.tolist() == [True] * 30 + [False] * 10


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder, and what was said while a model of few artists that reaches no precision was made in it."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("poor")
    plan = Plan(
        output=folder / "mine",
        report=folder / "report",
        ingredients=Ingredients(cache=folder, front_end=FrontEnd(), excerpts=EXCERPTS),
        recipe=Recipe(arch="seed", epochs=1, steps=1),
        precision=0.9,
    )
    listener, fitted = Noting(), verdict.with_calibration
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            verdict,
            "with_calibration",
            lambda *given, **asked: replace(fitted(*given, **asked), thresholds=Thresholds(0.5, 0.6)),
        )
        train(from_folders(make_corpus(folder / "corpus", artists=5)), plan, listener)
    return folder, listener.notes


def test_a_precision_that_no_threshold_keeps_is_told_in_run_report_and_bundle(trained):
    folder, notes = trained
    (told,) = [note for note in notes if note.startswith("--precision 0.9 is out of reach")]
    assert "60% are right" in told
    assert told in (folder / "report" / "report.html").read_text()
    assert json.loads((folder / "mine" / "bundle.json").read_text())["thresholds"]["precision"] == 0.6


def test_that_few_artists_leave_a_third_to_learn_from_is_told_in_run_and_report(trained):
    folder, notes = trained
    (told,) = [note for note in notes if note.startswith("Split by artist: ")]
    assert "These are thirds, since a genre has fewer than 6 artists; with --folds" in told
    assert told in (folder / "report" / "report.html").read_text()
