"""Figures are what they are called, and their intervals respect groups."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from genretagd.ml.training.metrics import Outcomes, accuracy_at, calibration_error, macro_f1, measure


def outcomes(*, n=200, seed=0, foreign=0.2, skill=2.0, threshold=0.6):
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(n) < foreign, -1, rng.integers(0, 4, n)).astype(np.int32)
    z = rng.normal(size=(n, 4))
    z[np.arange(n), truth] += np.where(truth >= 0, skill, 0)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    outside = rng.random(n) * np.where(truth < 0, 0.8, 0.2)
    groups = rng.integers(0, n // 4, n)
    return Outcomes(("a", "b", "c", "d"), p, outside, truth, groups, np.full(n, threshold))


def test_figures_agree_with_scikit_learn():
    found = outcomes(foreign=0.0)
    measured = measure(found, min_confidence=0.6, resamples=20)
    assert measured["accuracy"] == pytest.approx(reference.accuracy_score(found.truth, found.said))
    assert measured["macro_f1"] == pytest.approx(reference.f1_score(found.truth, found.said, average="macro"))
    assert measured["confusion"] == reference.confusion_matrix(found.truth, found.said).tolist()


def test_metrics_are_json_and_concern_the_labels_only():
    found = outcomes()
    measured = measure(found, min_confidence=0.6, resamples=50)
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    assert measured["tracks"] == int((found.truth >= 0).sum())
    assert measured["outside"]["tracks"] == int((found.truth < 0).sum())
    for name in ("accuracy", "macro_f1", "ece"):
        low, high = measured["intervals"][name]
        assert low <= high
    assert measured["intervals"]["accuracy"][0] < measured["accuracy"] < measured["intervals"]["accuracy"][1]


def test_music_outside_the_labels_is_told_apart_by_kind():
    found = outcomes()
    names = np.where(np.arange(200) % 3 == 0, "speech", "Blues")
    found = replace(found, kinds=np.where(found.truth < 0, names, ""))
    outside = measure(found, min_confidence=0.6, resamples=50)["outside"]
    assert sorted(outside["kinds"]) == ["Blues", "speech"]
    for name, kind in outside["kinds"].items():
        those = found.kinds == name
        assert kind["tracks"] == those.sum()
        assert kind["undecided"] == pytest.approx(np.mean(found.confidence[those] < 0.6))
        assert sum(kind["taken_for"].values()) == (found.confidence[those] >= 0.6).sum()


def test_music_outside_the_labels_is_also_judged_where_the_surest_four_fifths_are_decided():
    found = outcomes(n=1000)
    outside = measure(found, min_confidence=0.6, resamples=10)["outside"]
    inside = np.sort(found.confidence[found.truth >= 0])
    fifth = inside[round(0.2 * len(inside))]
    expected = np.mean(found.confidence[found.truth < 0] < fifth)
    assert outside["undecided_at_80_percent_coverage"] == pytest.approx(expected, abs=0.01)
    assert outside["kinds"] == {}


def test_intervals_are_wider_where_tracks_of_a_group_succeed_together():
    found = outcomes(n=400, foreign=0.0)
    right = found.said == found.truth
    clustered = np.where(right, np.arange(400) // 20, 100 + np.arange(400) // 20)
    alone = Outcomes(
        found.names, found.probabilities, found.outside, found.truth, np.arange(400), found.thresholds
    )
    together = Outcomes(
        found.names, found.probabilities, found.outside, found.truth, clustered, found.thresholds
    )
    width = [
        np.ptp(measure(o, min_confidence=0.6, resamples=200)["intervals"]["accuracy"])
        for o in (alone, together)
    ]
    assert width[1] > 1.5 * width[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 1.0))
def test_accuracy_on_all_tracks_is_the_accuracy_and_all_figures_are_shares(seed, coverage):
    found = outcomes(seed=seed, foreign=0.0, n=60)
    assert accuracy_at(found, 1.0) == pytest.approx(float(np.mean(found.said == found.truth)))
    for figure in (accuracy_at(found, coverage), calibration_error(found), macro_f1(found)):
        assert 0.0 <= figure <= 1.0


def test_a_model_that_is_right_as_often_as_it_says_has_no_calibration_error():
    p = np.tile([0.7, 0.3], (10, 1))
    truth = np.asarray([0] * 7 + [1] * 3, np.int32)
    found = Outcomes(("a", "b"), p, np.zeros(10), truth, np.arange(10), np.zeros(10))
    assert calibration_error(found) == pytest.approx(0.0, abs=1e-12)


def test_nothing_decided_is_no_mistake():
    measured = measure(outcomes(threshold=1.1), min_confidence=1.1, resamples=10)
    assert measured["decided"] == {"min_confidence": 1.1, "share": 0.0, "precision": 1.0}
    assert measured["outside"]["undecided"] == 1.0


def test_a_resample_without_a_label_tells_nothing_of_it():
    truth = np.array([0] * 18 + [1, 1], np.int32)
    right = np.eye(3)[truth] * 0.9 + 0.05
    found = Outcomes(("a", "b", "c"), right, np.zeros(20), truth, np.arange(20), np.full(20, 0.5))
    measured = measure(found, min_confidence=0.5, resamples=200)["per_genre"]
    for figure in ("precision", "recall", "f1"):
        assert measured["b"][figure] == {"value": 1.0, "interval": [1.0, 1.0]}
        assert measured["c"][figure] == {"value": 0.0, "interval": [0.0, 0.0]}
