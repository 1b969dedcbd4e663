"""Calibration: confidences that mean what they say, and the threshold under which a track is left alone.

Everything here is fitted on out-of-fold logits after aggregation over patches and excerpts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genretagd.ml.description import Calibration

Floats = NDArray[np.float64]

TEMPERATURES: Final = np.exp(np.linspace(np.log(0.2), np.log(5.0), 161))
_FIRST_LINE: Final = np.array([1.0, 0.0])
_LINE_PRIOR: Final = np.array([1e-3, 1e-6])
_SMALL_STEP: Final = 1e-8


def log_sum_exp(values: Floats) -> Floats:
    """Return log(sum(exp(values))) over the last axis."""
    top = values.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(values - top).sum(axis=-1)) + top[..., 0])


def probabilities(logits: ArrayLike, *, n_labels: int, temperature: float = 1.0) -> Floats:
    """Return the softmax over the labels' logits `[shape=(n, n_labels)]`."""
    z = np.asarray(logits, np.float64)[:, :n_labels] / temperature
    return np.asarray(np.exp(z - log_sum_exp(z)[:, None]))


def outside_odds(logits: ArrayLike, *, n_labels: int) -> Floats:
    """Return the log-odds of outside against inside `[shape=(n,)]`; -inf without outside outputs."""
    z = np.asarray(logits, np.float64)
    if z.shape[1] == n_labels:
        return np.full(len(z), -np.inf)
    return log_sum_exp(z[:, n_labels:]) - log_sum_exp(z[:, :n_labels])


def outside_probability(logits: ArrayLike, *, n_labels: int, calibration: Calibration) -> Floats:
    """Return how likely each track is none of the labels `[shape=(n,)]`."""
    odds = (
        outside_odds(logits, n_labels=n_labels) / calibration.outside_temperature + calibration.outside_bias
    )
    return np.asarray(np.exp(-np.logaddexp(0.0, -odds)))


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, n_labels: int) -> float:
    """Return the temperature with the least negative log likelihood (Guo et al. 2017).

    Parameters
    ----------
    logits : array_like [shape=(n, n_outputs)]
        Of tracks that have one of the labels.
    labels : array_like [shape=(n,)]
        Index of each track's label.
    n_labels : int
        Number of labels; further logits are passed over.
    """
    y = np.asarray(labels, np.intp)

    def loss(temperature: float) -> float:
        given = probabilities(logits, n_labels=n_labels, temperature=temperature)[np.arange(len(y)), y]
        return -float(np.mean(np.log(given + 1e-12)))

    return float(min(TEMPERATURES, key=loss))


def fit_outside(
    logits: ArrayLike, outside: ArrayLike, *, n_labels: int, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Fit temperature and bias of the outside log-odds by logistic regression (Platt 1999).

    Parameters
    ----------
    logits : array_like [shape=(n, n_outputs)]
        Of tracks of the labels and of music outside them.
    outside : array_like of bool [shape=(n,)]
        Which are which.
    n_labels : int
        Number of labels.
    weights : array_like [shape=(n,)], optional
        Of the tracks.

    Returns
    -------
    temperature, bias : float
        (1, 0) where there is nothing to fit.
    """
    z = np.asarray(logits, np.float64)
    y = np.asarray(outside, np.float64)
    if z.shape[1] == n_labels or y.min() == y.max():
        return 1.0, 0.0
    odds = outside_odds(z, n_labels=n_labels)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    design = np.stack([odds, np.ones_like(odds)])

    def loss(line: Floats) -> float:
        said = line @ design
        penalty = _LINE_PRIOR @ (line - _FIRST_LINE) ** 2 / 2.0
        return float(w @ (np.logaddexp(0.0, said) - y * said) + penalty)

    line = _FIRST_LINE
    for _ in range(200):
        p = np.exp(-np.logaddexp(0.0, -(line @ design)))
        gradient = design @ (w * (p - y)) + _LINE_PRIOR * (line - _FIRST_LINE)
        hessian = (design * (w * p * (1.0 - p))) @ design.T + np.diag(_LINE_PRIOR)
        step = np.linalg.solve(hessian, gradient)
        while loss(line - step) > loss(line) and np.abs(step).max() >= _SMALL_STEP:
            step = step / 2.0  # a whole Newton step may overshoot where hardly anything is in doubt
        line = line - step
        if np.abs(step).max() < _SMALL_STEP:
            break
    return 1.0 / max(float(line[0]), 0.05), float(line[1])


def choose_threshold(
    confidences: ArrayLike,
    correct: ArrayLike,
    *,
    precision: float,
    weights: ArrayLike | None = None,
    least: float = 0.05,
) -> tuple[float, float]:
    """Return the lowest confidence at and above which the decided tracks are right at least so often.

    Parameters
    ----------
    confidences, correct : array_like [shape=(n,)]
        Of all tracks, those outside the labels included: deciding them is never right.
    precision : float
        Share of right decisions asked for.
    weights : array_like [shape=(n,)], optional
        Of the tracks.
    least : float
        Share of the tracks below which a precision is not believed.

    Returns
    -------
    threshold : float
        That of the best precision found where the one asked for is out of reach.
    reached : float
        Share of right decisions at and above it.
    """
    c = np.asarray(confidences, np.float64)
    w = np.ones(len(c)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(-c, kind="stable")
    decided = np.cumsum(w[order])
    right = np.cumsum(w[order] * np.asarray(correct, np.float64)[order]) / np.maximum(decided, 1e-12)
    last_of_its_value = np.append(np.diff(c[order]) != 0, True)
    right = np.where((decided >= least * w.sum()) & last_of_its_value, right, -1.0)
    good = np.flatnonzero(right >= precision)
    place = int(good[-1]) if len(good) else int(np.argmax(right))
    return float(c[order][place]), float(right[place])
