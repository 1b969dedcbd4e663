"""Which tracks figures are taken from, and what is true of them."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError
from genretagd.ml.training import enough, splits
from genretagd.ml.training.lessons import FOREIGN
from genretagd.ml.training.prepare import Prepared

OTHER: Final = "other music"
PARTS: Final = 6
"""Of one split: four to learn from, one to stop and calibrate by, one to measure on."""
LEAST_PARTS: Final = 3
"""The same, one each, where a label has groups for no more."""

Dealt: TypeAlias = tuple[NDArray[np.int32], list[splits.Split]]
"""The tracks that can be measured on, and how they are split: once, or fold by fold."""


def deal(prepared: Prepared, *, folds: int, seed: int) -> Dealt:
    """Deal all tracks that can be measured on to the parts of one split (0 folds), or to folds.

    Raises
    ------
    CorpusError
        There is nothing for a fold, or a label is nowhere in the part to learn from.
    """
    material = prepared.material
    tracks = measurable(prepared)
    known = material.labels[tracks], prepared.groups[tracks].tolist(), material.pooled[tracks]
    if folds >= 2:
        found = splits.k_folds(*known, folds=folds, seed=seed)
        if not all(len(split.test) for split in found):
            raise CorpusError(
                f"{folds} folds: too few artists or groups for so many, ask for fewer (--folds)"
            )
        return tracks, found
    split = splits.three_parts(*known, seed=seed, parts=parts_of_split(prepared, tracks))
    enough.check_learnt(material.labels[tracks[split.train]], material.label_names)
    return tracks, [split]


def calibrating(prepared: Prepared, tracks: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which tracks calibration may use: all but the pool's whose stated genre is one of the labels."""
    foreign = truth(prepared)[tracks] < 0
    return np.asarray(~prepared.material.pooled[tracks] | foreign)


def measurable(prepared: Prepared) -> NDArray[np.int32]:
    """Return the corpus' tracks, and the pool's that state a genre."""
    material = prepared.material
    known = (material.labels >= 0) | (material.labels == FOREIGN)
    return np.flatnonzero(~material.pooled | known).astype(np.int32)


def parts_of_split(prepared: Prepared, tracks: NDArray[np.int32]) -> int:
    """Return into how many parts tracks are dealt for one split, by the label that has fewest groups."""
    labels = prepared.material.labels[tracks]
    fewest = min(
        len(set(prepared.groups[tracks][labels == number]))
        for number in range(len(prepared.material.label_names))
    )
    return PARTS if fewest >= PARTS else LEAST_PARTS


def kinds(prepared: Prepared) -> NDArray[np.str_]:
    """Return what each track outside the labels is: the name of its output, or that it has none."""
    material = prepared.material
    names = np.asarray([*material.label_names, *material.outside_names, OTHER])
    return np.asarray(names[np.where(material.labels >= 0, material.labels, material.outputs)])


def truth(prepared: Prepared) -> NDArray[np.int32]:
    """Return the label of each track, -1 for music outside the labels."""
    labels = prepared.material.labels
    inside = (labels >= 0) & (labels < len(prepared.material.label_names))
    return np.where(inside, labels, -1).astype(np.int32)
