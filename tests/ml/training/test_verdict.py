"""A precision that is out of reach is not claimed, and whoever asked for it is told."""

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


def test_a_precision_that_no_threshold_keeps_is_told_in_run_report_and_bundle(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    fitted = verdict.with_calibration
    monkeypatch.setattr(
        verdict,
        "with_calibration",
        lambda *given, **asked: replace(fitted(*given, **asked), thresholds=Thresholds(0.5, 0.6)),
    )
    plan = Plan(
        output=tmp_path / "mine",
        report=tmp_path / "report",
        ingredients=Ingredients(cache=tmp_path, front_end=FrontEnd(), excerpts=EXCERPTS),
        recipe=Recipe(arch="seed", epochs=1, steps=1),
        precision=0.9,
    )
    listener = Noting()
    train(from_folders(make_corpus(tmp_path / "corpus")), plan, listener)
    (told,) = [note for note in listener.notes if note.startswith("--precision 0.9 is out of reach")]
    assert "60% are right" in told
    assert told in (tmp_path / "report" / "report.html").read_text()
    assert json.loads((tmp_path / "mine" / "bundle.json").read_text())["thresholds"]["precision"] == 0.6
