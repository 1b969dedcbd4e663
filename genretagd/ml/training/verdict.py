"""From logits of tracks to what the model said: calibration fitted on tracks it never learnt from."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genretagd.ml.bundle import Bundle, Calibration, Thresholds
from genretagd.ml.training import calibrate
from genretagd.ml.training.metrics import Outcomes

Logits = NDArray[np.float32]

FOREIGN_SHARE: Final = 0.1
"""Of the music in a library, what is taken to be outside the labels; a corpus' own share is chance."""
LEAST_CONFIDENCE: Final = 0.5
"""No threshold is lower, however right the rest is: below it a track is more likely told wrongly than not."""


def with_calibration(bundle: Bundle, logits: Logits, truth: NDArray[np.int32], *, precision: float) -> Bundle:
    """Fit temperature, outside rule and threshold, and return the bundle that has them.

    Parameters
    ----------
    bundle : Bundle
        Whose labels the logits are of.
    logits : np.ndarray [shape=(tracks, labels + outside_labels)]
        Of tracks that were not learnt from, each averaged over its excerpts.
    truth : np.ndarray [shape=(tracks,)]
        Index of the label, -1 for music outside the labels.
    precision : float
        Share of right decisions, in [0, 1], that the threshold is chosen for; deciding music outside
        the labels is never right. However many tracks outside the labels there are, they weigh
        `FOREIGN_SHARE` of all. Where it is out of reach the bundle states the best there is. The threshold is
        `LEAST_CONFIDENCE` at least.
    """
    count = len(bundle.labels)
    inside = truth >= 0
    weights = _weights(inside)
    temperature = calibrate.fit_temperature(logits[inside], truth[inside], n_labels=count)
    outside_temperature, outside_bias = calibrate.fit_outside(
        logits, ~inside, n_labels=count, weights=weights
    )
    fitted = replace(bundle, calibration=Calibration(temperature, outside_temperature, outside_bias))
    judged = outcomes(fitted, logits, truth, groups=np.arange(len(truth)))
    threshold, reached = calibrate.choose_threshold(
        judged.confidence, judged.said == truth, precision=precision, weights=weights
    )
    threshold = min(max(threshold, LEAST_CONFIDENCE), 1.0)
    return replace(fitted, thresholds=Thresholds(threshold, min(precision, reached)))


def _weights(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights with which tracks outside the labels make up `FOREIGN_SHARE` of all."""
    foreign = int((~inside).sum())
    if not foreign or foreign == len(inside):
        return np.ones(len(inside))
    weight = FOREIGN_SHARE / (1.0 - FOREIGN_SHARE) * (len(inside) - foreign) / foreign
    return np.where(inside, 1.0, weight)


def outcomes(
    bundle: Bundle, logits: Logits, truth: NDArray[np.int32], *, groups: NDArray[np.generic]
) -> Outcomes:
    """Return what a bundle says about tracks, by the formulas that serving uses."""
    count = len(bundle.labels)
    outside = np.zeros(len(truth))
    if bundle.outside_labels:
        outside = calibrate.outside_probability(logits, n_labels=count, calibration=bundle.calibration)
    return Outcomes(
        bundle.labels,
        calibrate.probabilities(logits, n_labels=count, temperature=bundle.calibration.temperature),
        outside,
        truth,
        groups,
        np.full(len(truth), bundle.thresholds.min_confidence),
    )


def cross_fitted(
    bundle: Bundle,
    logits: Logits,
    truth: NDArray[np.int32],
    *,
    groups: NDArray[np.generic],
    folds: NDArray[np.int32],
    precision: float,
    calibrating: NDArray[np.bool_],
) -> Outcomes:
    """Return what is said about each track, calibrated on the other folds' `calibrating` tracks."""
    parts = []
    for fold in np.unique(folds):
        held_out = folds == fold
        others = calibrating & ~held_out
        fitted = with_calibration(bundle, logits[others], truth[others], precision=precision)
        parts.append(
            (
                np.flatnonzero(held_out),
                outcomes(fitted, logits[held_out], truth[held_out], groups=groups[held_out]),
            )
        )
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    return Outcomes(
        bundle.labels,
        np.concatenate([part.probabilities for _, part in parts])[order],
        np.concatenate([part.outside for _, part in parts])[order],
        truth,
        groups,
        np.concatenate([part.thresholds for _, part in parts])[order],
    )
