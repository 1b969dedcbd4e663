"""How good a model is, with intervals: every figure of `metrics.json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 1000
ECE_BINS: Final = 10
COVERAGES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What a model said about tracks whose truth is known.

    Attributes
    ----------
    names : tuple of str
        The model's labels.
    probabilities : np.ndarray [shape=(tracks, labels)]
        Calibrated; rows sum to 1.
    outside : np.ndarray [shape=(tracks,)]
        Probability of being none of the labels.
    truth : np.ndarray [shape=(tracks,)]
        Index of the true label, -1 for music outside the labels.
    groups : np.ndarray [shape=(tracks,)]
        Tracks with the same value are resampled together.
    thresholds : np.ndarray [shape=(tracks,)]
        The confidence from which each track is decided; they differ where they were chosen fold by fold.
    kinds : np.ndarray [shape=(tracks,)], optional
        What each track outside the labels is, by name.
    """

    names: tuple[str, ...]
    probabilities: Floats
    outside: Floats
    truth: NDArray[np.int32]
    groups: NDArray[Any]
    thresholds: Floats
    kinds: NDArray[np.str_] | None = None

    @property
    def confidence(self) -> Floats:
        """Confidence of the first label, what decisions are taken on [shape=(tracks,)]."""
        best: Floats = self.probabilities.max(axis=1) * (1.0 - self.outside)
        return best

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Whether each track is decided [shape=(tracks,)]."""
        return self.confidence >= self.thresholds

    @property
    def said(self) -> NDArray[np.int32]:
        """Index of the most probable label [shape=(tracks,)]."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int32)

    def part(self, chosen: NDArray[Any]) -> Outcomes:
        """Return some of the tracks, by mask or index."""
        return Outcomes(
            self.names,
            self.probabilities[chosen],
            self.outside[chosen],
            self.truth[chosen],
            self.groups[chosen],
            self.thresholds[chosen],
            None if self.kinds is None else self.kinds[chosen],
        )


def measure(
    outcomes: Outcomes, *, min_confidence: float, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Measure all there is to say about a model.

    Intervals are 95 % percentile intervals of a bootstrap over groups (Efron & Tibshirani 1993,
    chapter 13): tracks of one artist are not independent, so whole groups are drawn.

    Parameters
    ----------
    outcomes : Outcomes
        With at least one track inside the labels.
    min_confidence : float
        The model's threshold, to be stated.
    seed : int
        Of the bootstrap.
    resamples : int
        Of the bootstrap.

    Returns
    -------
    dict
        Ready for JSON. ``accuracy``, ``macro_f1``, ``ece`` and ``intervals`` concern the tracks inside
        the labels, each with a forced decision; ``decided`` what happens at the threshold;
        ``outside`` the music that is none of the labels, all of it and kind by kind, or None where there is
        none.
    """
    inside = outcomes.part(outcomes.truth >= 0)
    foreign = outcomes.part(outcomes.truth < 0)
    confusion = confusion_matrix(inside.truth, inside.said, len(outcomes.names))
    figures: dict[str, Callable[[Outcomes], float]] = {
        "accuracy": accuracy,
        "macro_f1": macro_f1,
        "ece": calibration_error,
        "accuracy_at_80_percent_coverage": lambda part: accuracy_at(part, 0.8),
        "decided_share": decided_share,
        "decided_precision": decided_precision,
    }
    values, intervals = _with_intervals(inside, figures, seed=seed, resamples=resamples)
    return {
        "accuracy": values["accuracy"],
        "macro_f1": values["macro_f1"],
        "ece": values["ece"],
        "accuracy_at_80_percent_coverage": values["accuracy_at_80_percent_coverage"],
        "intervals": intervals,
        "tracks": len(inside.truth),
        "groups": len(np.unique(inside.groups)),
        "labels": list(outcomes.names),
        "confusion": confusion.tolist(),
        "per_genre": per_genre(inside, seed=seed, resamples=resamples),
        "decided": {
            "min_confidence": min_confidence,
            "share": values["decided_share"],
            "precision": values["decided_precision"],
        },
        "coverage": [{"coverage": c, "accuracy": accuracy_at(inside, c)} for c in COVERAGES],
        "reliability": reliability(inside),
        "outside": _outside(foreign, inside, seed=seed, resamples=resamples) if len(foreign.truth) else None,
    }


def accuracy(part: Outcomes) -> float:
    """Return the share of tracks whose most probable label is the true one."""
    return float(np.mean(part.said == part.truth))


def confusion_matrix(truth: NDArray[np.int32], said: NDArray[np.int32], labels: int) -> NDArray[np.int64]:
    """Return counts [shape=(labels, labels)], true label down, said label across."""
    return np.bincount(truth * labels + said, minlength=labels * labels).reshape(labels, labels)


def precision_recall_f1(confusion: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1 of each label; 0 where a label was never said or never true."""
    right = np.diag(confusion).astype(float)
    said, true = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(right, said, out=np.zeros_like(right), where=said > 0)
    recall = np.divide(right, true, out=np.zeros_like(right), where=true > 0)
    total = precision + recall
    return (
        precision,
        recall,
        np.divide(2 * precision * recall, total, out=np.zeros_like(right), where=total > 0),
    )


def macro_f1(part: Outcomes) -> float:
    """Return the mean F1 over the labels that occur."""
    confusion = confusion_matrix(part.truth, part.said, len(part.names))
    present = confusion.sum(axis=1) > 0
    return float(precision_recall_f1(confusion)[2][present].mean()) if present.any() else 0.0


def calibration_error(part: Outcomes) -> float:
    """Return the expected calibration error over ten bins of equal width.

    Guo et al. (2017), "On Calibration of Modern Neural Networks", equation 3, of the probability
    of the most probable label.
    """
    return float(sum(row["share"] * abs(row["accuracy"] - row["confidence"]) for row in reliability(part)))


def reliability(part: Outcomes) -> list[dict[str, float]]:
    """Return for each bin that is not empty its bounds, share, mean confidence and accuracy."""
    best = part.probabilities.max(axis=1)
    right = part.said == part.truth
    number = np.minimum((best * ECE_BINS).astype(int), ECE_BINS - 1)
    rows = []
    for index in np.unique(number):
        members = number == index
        rows.append(
            {
                "low": float(index / ECE_BINS),
                "high": float((index + 1) / ECE_BINS),
                "share": float(members.mean()),
                "confidence": float(best[members].mean()),
                "accuracy": float(right[members].mean()),
            }
        )
    return rows


def coverage_curve(part: Outcomes) -> tuple[Floats, Floats]:
    """Return coverage and accuracy of the surest tracks, from the surest one to all."""
    order = np.argsort(-part.confidence, kind="stable")
    right = (part.said == part.truth)[order]
    counts = np.arange(1, len(order) + 1)
    return counts / len(order), np.cumsum(right) / counts


def accuracy_at(part: Outcomes, coverage: float) -> float:
    """Return the accuracy on the surest share of the tracks."""
    _, accuracies = coverage_curve(part)
    return float(accuracies[max(0, round(coverage * len(accuracies)) - 1)])


def decided_share(part: Outcomes) -> float:
    """Return the share of tracks that the threshold lets be decided."""
    return float(np.mean(part.decided))


def decided_precision(part: Outcomes) -> float:
    """Return the accuracy on the decided tracks; 1 where none is decided."""
    decided = part.part(part.decided)
    return accuracy(decided) if len(decided.truth) else 1.0


def per_genre(inside: Outcomes, *, seed: int, resamples: int) -> dict[str, dict[str, Any]]:
    """Return precision, recall and F1 of each label with 95 % intervals, and its number of tracks.

    A resample that has no track of a label, or in which it is never said, tells nothing of it.
    """
    confusions = [
        confusion_matrix(inside.truth[drawn], inside.said[drawn], len(inside.names))
        for drawn in _draws(inside.groups, seed=seed, resamples=resamples)
    ]
    centre = confusion_matrix(inside.truth, inside.said, len(inside.names))
    values = np.stack(precision_recall_f1(centre))
    spread = np.stack([_where_defined(confusion) for confusion in confusions])
    undefined = np.isnan(spread).all(axis=0)
    low, high = np.nanpercentile(np.where(undefined, values, spread), (2.5, 97.5), axis=0)
    return {
        name: {"tracks": int(centre[index].sum())}
        | {
            figure: {
                "value": float(values[row, index]),
                "interval": [float(low[row, index]), float(high[row, index])],
            }
            for row, figure in enumerate(("precision", "recall", "f1"))
        }
        for index, name in enumerate(inside.names)
    }


def _where_defined(confusion: NDArray[np.int64]) -> Floats:
    """Return precision, recall and F1 [shape=(3, labels)], NaN where there was nothing to count."""
    said, true = confusion.sum(axis=0) > 0, confusion.sum(axis=1) > 0
    return np.where(np.stack([said, true, true]), np.stack(precision_recall_f1(confusion)), np.nan)


def _outside(foreign: Outcomes, inside: Outcomes, *, seed: int, resamples: int) -> dict[str, Any]:
    """Return what became of foreign music: at the threshold, and where 80 % of `inside` is decided."""
    surest = np.quantile(inside.confidence, 0.2)

    def told(part: Outcomes) -> dict[str, Any]:
        values, intervals = _with_intervals(
            part,
            {
                "undecided": lambda drawn: 1.0 - decided_share(drawn),
                "undecided_at_80_percent_coverage": lambda drawn: float(np.mean(drawn.confidence < surest)),
            },
            seed=seed,
            resamples=resamples,
        )
        said = np.bincount(part.said[part.decided], minlength=len(part.names))
        taken_for = {name: int(n) for name, n in zip(part.names, said, strict=True) if n}
        return {"tracks": len(part.truth), **values, "intervals": intervals, "taken_for": taken_for}

    kinds = [] if foreign.kinds is None else np.unique(foreign.kinds).tolist()
    return told(foreign) | {"kinds": {kind: told(foreign.part(foreign.kinds == kind)) for kind in kinds}}


def _with_intervals(
    part: Outcomes, figures: dict[str, Callable[[Outcomes], float]], *, seed: int, resamples: int
) -> tuple[dict[str, float], dict[str, list[float]]]:
    values = {name: figure(part) for name, figure in figures.items()}
    drawn = {name: [] for name in figures}  # type: dict[str, list[float]]
    for rows in _draws(part.groups, seed=seed, resamples=resamples):
        resampled = part.part(rows)
        for name, figure in figures.items():
            drawn[name].append(figure(resampled))
    return values, {
        name: [float(bound) for bound in np.percentile(found, (2.5, 97.5))] for name, found in drawn.items()
    }


def _draws(groups: NDArray[Any], *, seed: int, resamples: int) -> list[NDArray[np.int64]]:
    """Draw whole groups with replacement: the indices of the tracks of each resample."""
    _, number = np.unique(groups, return_inverse=True)
    order = np.argsort(number, kind="stable")
    members: Sequence[NDArray[np.int64]] = np.split(order, np.cumsum(np.bincount(number))[:-1])
    rng = np.random.default_rng(seed)
    return [
        np.concatenate([members[group] for group in rng.integers(len(members), size=len(members))])
        for _ in range(resamples)
    ]
