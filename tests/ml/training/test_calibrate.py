"""Confidences mean what they say."""

import numpy as np
import pytest

from genretagd.ml.bundle import Bundle
from genretagd.ml.classifier import calibrated
from genretagd.ml.description import Calibration
from genretagd.ml.training import calibrate, verdict
from genretagd.ml.training.metrics import Outcomes, calibration_error


def drawn(*, sharpness, n=4000, labels=4, seed=0):
    """Logits with labels drawn from their softmax; the logits are sharpened afterwards."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 1.5, (n, labels))
    truth = [rng.choice(labels, p=row) for row in calibrate.probabilities(logits, n_labels=labels)]
    return logits * sharpness, np.asarray(truth)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_overconfidence_and_underconfidence(sharpness):
    logits, truth = drawn(sharpness=sharpness)
    assert calibrate.fit_temperature(logits, truth, n_labels=4) == pytest.approx(sharpness, rel=0.12)


def test_calibrated_confidences_have_a_small_calibration_error():
    logits, truth = drawn(sharpness=3.0)
    temperature = calibrate.fit_temperature(logits, truth, n_labels=4)

    def error(temperature):
        said = calibrate.probabilities(logits, n_labels=4, temperature=temperature)
        none = np.zeros(len(truth))
        return calibration_error(Outcomes(("a", "b", "c", "d"), said, none, truth, none, none))

    assert error(1.0) > 0.1
    assert error(temperature) < 0.03


def test_probabilities_of_the_labels_sum_to_one_whatever_the_outside_logits_are():
    logits = np.random.default_rng(0).normal(0, 50, (20, 6))
    assert calibrate.probabilities(logits, n_labels=4).sum(axis=1) == pytest.approx(np.ones(20))
    assert calibrate.probabilities(logits, n_labels=4).shape == (20, 4)


def test_without_outside_outputs_nothing_is_outside():
    logits = np.zeros((3, 4))
    assert calibrate.outside_probability(logits, n_labels=4, calibration=Calibration()).tolist() == [
        0.0,
        0.0,
        0.0,
    ]
    assert calibrate.fit_outside(logits, [True, False, True], n_labels=4) == (1.0, 0.0)


def test_the_outside_rule_is_fitted_to_how_often_music_is_outside():
    rng = np.random.default_rng(1)
    odds = rng.normal(0.0, 2.0, 5000)
    outside = rng.random(5000) < 1.0 / (1.0 + np.exp(-(odds / 2.0 - 1.0)))
    logits = np.stack([np.zeros(5000), odds], axis=1)
    temperature, bias = calibrate.fit_outside(logits, outside, n_labels=1)
    assert temperature == pytest.approx(2.0, rel=0.15)
    assert bias == pytest.approx(-1.0, abs=0.15)


def test_separable_music_does_not_make_the_outside_rule_diverge():
    logits = np.array([[0.0, -9.0]] * 20 + [[0.0, 9.0]] * 20)
    temperature, bias = calibrate.fit_outside(logits, [False] * 20 + [True] * 20, n_labels=1)
    assert np.isfinite([temperature, bias]).all()
    said = calibrate.outside_probability(logits, n_labels=1, calibration=Calibration(1.0, temperature, bias))
    assert (said[:20] < 0.1).all()
    assert (said[20:] > 0.9).all()


@pytest.mark.parametrize("seed", range(20))
def test_little_and_extreme_music_does_not_either(seed):
    rng = np.random.default_rng(seed)
    outside = np.arange(60) < 3
    odds = rng.normal(-5.0, 4.0, 60) + 16.0 * outside
    logits = np.stack([np.zeros(60), odds], axis=1)
    weights = np.where(outside, 2.0, 1.0)
    temperature, bias = calibrate.fit_outside(logits, outside, n_labels=1, weights=weights)

    def loss(temperature, bias):
        said = odds / temperature + bias
        return weights @ (np.logaddexp(0.0, said) - outside * said) + 5e-4 * (1.0 / temperature - 1.0) ** 2

    assert 1e-3 < temperature <= 20.0
    assert abs(bias) < 100.0
    around = [loss(temperature * t, bias + b) for t in (0.9, 1.0, 1.1) for b in (-0.1, 0.0, 0.1)]
    assert loss(temperature, bias) <= min(around) + 1e-4


@pytest.mark.parametrize("outside", [(), ("c",), ("c", "d")])
def test_confidences_are_those_that_serving_gives(outside):
    bundle = Bundle("b", "1", ("a", "b"), outside, calibration=Calibration(0.7, 1.9, -0.4))
    logits = np.random.default_rng(2).normal(0.0, 3.0, (50, 2 + len(outside))).astype(np.float32)
    found = verdict.outcomes(bundle, logits, np.zeros(50, np.int32), groups=np.arange(50))
    for row, confidence in zip(logits, found.confidence, strict=True):
        probabilities, beyond = calibrated(row, bundle=bundle)
        assert confidence == pytest.approx(max(probabilities.values()) * (1.0 - beyond))


def test_the_threshold_is_the_lowest_that_keeps_the_precision():
    confidences = np.linspace(0.0, 0.99, 100)
    correct = confidences >= 0.5
    threshold, reached = calibrate.choose_threshold(confidences, correct, precision=0.9)
    decided = confidences >= threshold
    assert correct[decided].mean() == pytest.approx(reached)
    assert reached >= 0.9
    assert correct[confidences >= threshold - 0.01].mean() < 0.9


def test_tracks_of_equal_confidence_are_decided_together():
    found = calibrate.choose_threshold([0.9, 0.9, 0.9, 0.9, 0.2], [1, 1, 1, 0, 0], precision=0.99)
    assert found == (0.9, 0.75)


def test_a_precision_out_of_reach_gives_the_best_there_is():
    confidences, correct = np.linspace(0, 1, 50), np.arange(50) % 2 == 0
    threshold, reached = calibrate.choose_threshold(confidences, correct, precision=1.0)
    assert correct[confidences >= threshold].mean() == reached < 1.0
