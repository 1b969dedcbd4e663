"""Teachers: what published taggers say about the same music, as targets for a student network."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError
from genretagd.ml.training.augment import Cut

MOST_COMPONENTS: Final = 64
FLOOR: Final = 1e-4
RAREST: Final = 1e-4

MUSICNN_TAGS: Final = 50
MUSICNN_SECONDS: Final = 3.0
"""Length of musicnn's windows, which are a second apart; YAMNet's scores come in equal steps."""

YAMNET_CLASSES: Final = 521
YAMNET_GENRES: Final[Mapping[str, tuple[int, ...]]] = {
    "Ambient": (241,),
    "Blues": (246,),
    "Classical": (232, 233, 179, 185, 186),
    "Country": (224, 226),
    "Disco": (231, 227),
    "Electronic": (234, 235, 236, 239),
    "Folk": (228,),
    "Funk": (227,),
    "Hip-Hop": (212,),
    "Jazz": (230, 225),
    "Metal": (215,),
    "Pop": (211,),
    "Reggae": (223, 258),
    "Rock": (214, 216, 217, 218, 219, 220),
    "Soul": (222,),
}

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Teacher:
    """One teacher's space of targets: standardised log-odds, the many-classed ones reduced.

    Attributes
    ----------
    name : str
        Where its scores came from.
    mean, scale : np.ndarray [shape=(n_classes,)]
        Of the log-odds, over all windows.
    axes : np.ndarray [shape=(n_classes, n_components)]
        Principal axes of the standardised log-odds.
    """

    name: str
    mean: Scores
    scale: Scores
    axes: Scores

    @property
    def size(self) -> int:
        """Length of a target vector."""
        return int(self.axes.shape[1])

    def targets(self, scores: Scores) -> Scores:
        """Turn scores `[shape=(..., n_classes)]` in [0, 1] into targets `[shape=(..., size)]`."""
        return np.asarray(((log_odds(scores) - self.mean) / self.scale) @ self.axes, np.float32)


def log_odds(scores: Scores) -> Scores:
    """Return log(p / (1 - p)), with p kept away from 0 and 1 by `FLOOR`."""
    p = np.clip(scores, 0.0, 1.0)
    return np.asarray(np.log(p + FLOOR) - np.log(1.0 - p + FLOOR), np.float32)


def fit_teacher(name: str, scores: Iterable[Scores], *, most: int = MOST_COMPONENTS) -> Teacher:
    """Learn a teacher's space from its scores on the training tracks.

    The components are scaled so that the squared length of a target is 1 per component on average,
    in the proportions of the principal components.
    """
    rows = log_odds(np.concatenate([np.asarray(s, np.float32) for s in scores]))
    mean = rows.mean(axis=0)
    scale = rows.std(axis=0) + 1e-3
    rows = (rows - mean) / scale
    n_classes = rows.shape[1]
    if n_classes <= most:
        return Teacher(name, mean, scale, np.eye(n_classes, dtype=np.float32))
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    kept = np.argsort(values)[::-1][:most]
    axes = vectors[:, kept] * np.sqrt(most / values[kept].sum())
    return Teacher(name, mean, scale, axes.astype(np.float32))


def read_scores(path: Path) -> dict[str, Scores]:
    """Read a file of teacher scores: an ``.npz`` with names and an array `[shape=(n, windows, n_classes)]`.

    The names are under ``id`` or ``track_id`` and equal the pictures' names without suffix; the scores
    are whatever other array there is, in [0, 1], windows spread over the track in order.

    Raises
    ------
    CorpusError
        The file cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = next((arrays[key] for key in ("id", "track_id") if key in arrays.files), None)
            scores = next((arrays[key] for key in arrays.files if arrays[key].ndim == 3), None)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "no archive of arrays"
        raise CorpusError(f"{path}: teacher scores cannot be read ({reason}), give an .npz file") from exc
    if names is None or scores is None or len(names) != len(scores) or not scores.size:
        raise CorpusError(
            f"{path}: no teacher scores, give an .npz with `id` and an array of (tracks, windows, classes)"
        )
    if scores.dtype.kind not in "fiub" or not ((scores >= 0) & (scores <= 1)).all():
        raise CorpusError(f"{path}: teacher scores must be numbers in [0, 1], such as sigmoid outputs")
    return {str(name): np.asarray(row, np.float32) for name, row in zip(names, scores, strict=True)}


def spread(targets: Scores, *, cut: Cut, n_frames: int, steps: int) -> Scores:
    """Return the targets of a patch's time steps by linear interpolation between a track's windows.

    Parameters
    ----------
    targets : np.ndarray [shape=(windows, size)]
        Of the whole spectrogram, window centres evenly spread over it.
    cut : Cut
        Where in the spectrogram the patch lies.
    n_frames : int
        Length of the spectrogram.
    steps : int
        Number of time steps of the network's output.

    Returns
    -------
    np.ndarray [shape=(steps, size)]
    """
    centres = cut.start + (np.arange(steps) + 0.5) * (cut.length / steps)
    return _between(targets, centres / n_frames * len(targets) - 0.5)


def combine(
    teachers: Sequence[tuple[Teacher, Mapping[str, Scores]]], name: str
) -> tuple[Scores, Scores] | None:
    """Return all teachers' targets side by side and which are known, or None for an unknown track.

    Returns
    -------
    targets : np.ndarray [shape=(windows, size)]
        0 where a teacher has not heard the track.
    known : np.ndarray [shape=(size,)]
        1 or 0.
    """
    found = [scores.get(name) for _, scores in teachers]
    if all(scores is None for scores in found):
        return None
    windows = next(len(scores) for scores in found if scores is not None)
    parts, known = [], []
    for (teacher, _), scores in zip(teachers, found, strict=True):
        parts.append(
            np.zeros((windows, teacher.size), np.float32)
            if scores is None
            else _evenly_spread(teacher, teacher.targets(scores))
        )
        known.append(np.full(teacher.size, scores is not None, np.float32))
    return np.concatenate(parts, axis=1), np.concatenate(known)


def probe_features(targets: Scores, *, strongest: bool = True) -> Scores:
    """Summarise a track's targets `[shape=(windows, size)]` for a probe: mean and maximum over time."""
    mean = targets.mean(axis=0)
    return np.concatenate([mean, targets.max(axis=0)]) if strongest else mean


def fit_probe(features: Scores, labels: Sequence[int] | NDArray[Any], *, strength: float = 0.03) -> Any:
    """Fit a linear probe from teacher features to outputs: standardised, L2-regularised logistic regression.

    Returns a scikit-learn pipeline with `predict_proba`; its classes are those that occur in `labels`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
    return probe.fit(features, np.asarray(labels))


def soft_genres(
    opinions: Sequence[tuple[Teacher, Mapping[str, Scores]]],
    *,
    names: Sequence[str],
    labels: NDArray[Any],
    usable: NDArray[np.bool_],
    outputs: Sequence[str],
    n_labels: int,
    prior: float = 0.4,
) -> Scores:
    """Guess the genres of tracks from what teachers say about them and about tracks of known genre.

    For each teacher a probe is fitted on the usable labelled tracks that it has heard. A track's guess is the
    geometric mean of the probes' distributions, times the teacher's own genre scores (`own_genres`) to
    the power `prior` where it has such classes: teachers fail differently.

    Parameters
    ----------
    opinions : sequence of (Teacher, mapping)
        Each teacher with its scores `[shape=(windows, n_classes)]` by track name.
    names : sequence of str
        Of all tracks.
    labels : np.ndarray [shape=(n,)]
        Index of each track's output, -1 where unknown.
    usable : np.ndarray [shape=(n,), dtype=bool]
        Tracks whose label may be looked at: the training part.
    outputs : sequence of str
        Names of all outputs.
    n_labels : int
        How many of them, from the first, are labels.
    prior : float
        Weight of a teacher's own genre scores.

    Returns
    -------
    np.ndarray [shape=(n, n_outputs)]
        Rows sum to 1; zeros where no teacher has heard the track.
    """
    logs = np.zeros((len(names), len(outputs)))
    heard = np.zeros(len(names))
    for teacher, scores in opinions:
        known = np.asarray([name in scores for name in names])
        fit_on = known & usable & (labels >= 0)
        if len(np.unique(labels[fit_on])) < 2:
            continue
        rows = np.flatnonzero(known).tolist()
        few = teacher.axes.shape[0] <= MOST_COMPONENTS
        features = np.stack([probe_features(teacher.targets(scores[names[i]]), strongest=few) for i in rows])
        probe = fit_probe(features[fit_on[rows]], labels[fit_on])
        guessed = np.full((len(rows), len(outputs)), RAREST)
        guessed[:, probe.classes_] = np.maximum(probe.predict_proba(features), RAREST)
        logs[rows] += np.log(guessed)
        heard[rows] += 1
    logs /= np.maximum(heard, 1)[:, None]
    for _, scores in opinions:
        rows = [i for i, name in enumerate(names) if name in scores]
        own = own_genres([scores[names[i]] for i in rows], labels=outputs[:n_labels])
        if own is not None:
            logs[rows, :n_labels] += prior * np.log(own * n_labels / 2 + RAREST)
    guess = np.exp(logs - logs.max(axis=1, keepdims=True)) * (heard > 0)[:, None]
    return np.asarray(guess / np.maximum(guess.sum(axis=1, keepdims=True), 1e-12), np.float32)


def own_genres(scores: Sequence[Scores], *, labels: Sequence[str], sharpness: float = 2.0) -> Scores | None:
    """Return what a teacher's own genre classes say `[shape=(n, labels)]`, None where a label has none.

    The scores of a label's best class, in logarithms, are standardised over the tracks, since some classes
    are always small; then a softmax. Known are the 521 classes of YAMNet (AudioSet; Gemmeke et al. 2017).
    """
    if (
        not scores
        or scores[0].shape[-1] != YAMNET_CLASSES
        or any(label not in YAMNET_GENRES for label in labels)
    ):
        return None
    means = np.stack([row.mean(axis=0) for row in scores])
    best = np.stack(
        [np.log(means[:, list(YAMNET_GENRES[label])].max(axis=1) + FLOOR) for label in labels], axis=1
    )
    z = sharpness * (best - best.mean(axis=0)) / (best.std(axis=0) + 1e-6)
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(z / z.sum(axis=1, keepdims=True), np.float32)


def _evenly_spread(teacher: Teacher, rows: Scores) -> Scores:
    """Move musicnn's windows to where evenly spread ones would lie, by linear interpolation.

    Its windows lie wholly within the excerpt, so their centres begin `MUSICNN_SECONDS` / 2 after its
    beginning and end as long before its end. Other teachers' rows stay as they are.
    """
    if len(teacher.mean) != MUSICNN_TAGS:
        return rows
    windows = len(rows)
    seconds = windows - 1 + MUSICNN_SECONDS
    return _between(rows, (np.arange(windows) + 0.5) * (seconds / windows) - MUSICNN_SECONDS / 2)


def _between(rows: Scores, place: NDArray[np.floating[Any]]) -> Scores:
    """Return rows at fractional places, those beyond the ends being the outermost ones."""
    place = np.clip(place, 0.0, len(rows) - 1)
    before = place.astype(np.intp)
    after = np.minimum(before + 1, len(rows) - 1)
    weight = (place - before).astype(np.float32)[:, None]
    return np.asarray(rows[before] + (rows[after] - rows[before]) * weight, np.float32)
