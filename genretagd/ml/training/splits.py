"""Stratified splits that never separate a group."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Track indices, sorted, of each part; `valid` may be empty."""

    train: NDArray[np.int32]
    valid: NDArray[np.int32]
    test: NDArray[np.int32]


def check_groups(
    labels: NDArray[np.int32], groups: Sequence[str], names: Sequence[str], *, parts: int
) -> None:
    """Refuse labels with fewer groups than parts: such a label would be missing in one of them.

    Raises
    ------
    CorpusError
        With every such label.
    """
    found = np.asarray(groups)
    problems = []
    for index, name in enumerate(names):
        count = len(np.unique(found[labels == index]))
        if count < parts:
            problems.append(
                f"{name}: tracks of {count} artist{'s' if count != 1 else ''} or groups only, {parts} are "
                "needed so that every part of the split has its own; add other artists or leave it out"
            )
    if problems:
        raise CorpusError("\n".join(problems))


def fold_numbers(
    labels: NDArray[np.int32],
    groups: Sequence[str],
    pooled: NDArray[np.bool_] | None = None,
    *,
    folds: int,
    seed: int,
) -> NDArray[np.int32]:
    """Deal tracks to folds, stratified by label, whole groups only.

    Parameters
    ----------
    labels : np.ndarray [shape=(tracks,)]
        What to stratify by.
    groups : sequence of str [length=tracks]
        What must stay together.
    pooled : np.ndarray [shape=(tracks,), dtype=bool], optional
        Tracks of a pool, of groups of their own: dealt apart, so that folds of the corpus are of one size and
        the same whatever the pool states.
    folds : int
        At least 2.
    seed : int
        For the order in which groups are dealt.

    Returns
    -------
    np.ndarray [shape=(tracks,), dtype=int32]
        Fold of each track in ``[0, folds)``.
    """
    numbers = np.zeros(len(labels), np.int32)
    apart = np.zeros(len(labels), np.bool_) if pooled is None else pooled
    for part in (np.flatnonzero(~apart), np.flatnonzero(apart)):
        if len(part):
            names = np.asarray(groups)[part]
            numbers[part] = _dealt(np.asarray(labels)[part], names, folds=folds, seed=seed)
    return numbers


def three_parts(
    labels: NDArray[np.int32],
    groups: Sequence[str],
    pooled: NDArray[np.bool_] | None = None,
    *,
    seed: int,
    parts: int = 6,
) -> Split:
    """Split into train, valid and test: with 6 parts two thirds, a sixth and a sixth."""
    numbers = fold_numbers(labels, groups, pooled, folds=parts, seed=seed)
    return Split(_where(numbers > 1), _where(numbers == 1), _where(numbers == 0))


def k_folds(
    labels: NDArray[np.int32],
    groups: Sequence[str],
    pooled: NDArray[np.bool_] | None = None,
    *,
    folds: int,
    seed: int,
) -> list[Split]:
    """Split so that each track is in the test part once; nothing is held out for choosing."""
    numbers = fold_numbers(labels, groups, pooled, folds=folds, seed=seed)
    nothing = np.empty(0, np.int32)
    return [Split(_where(numbers != fold), nothing, _where(numbers == fold)) for fold in range(folds)]


def _dealt(
    labels: NDArray[np.int32], groups: NDArray[np.str_], *, folds: int, seed: int
) -> NDArray[np.int32]:
    if np.unique(labels, return_counts=True)[1].max() < folds:  # too few to stratify: a small pool
        return np.asarray(np.unique(groups, return_inverse=True)[1] % folds, np.int32)
    from sklearn.model_selection import StratifiedGroupKFold

    numbers = np.zeros(len(labels), np.int32)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # labels of too few tracks for all folds: `check_groups` refuses the corpus', a pool may have them
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, (_, held_out) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
            numbers[held_out] = number
    return numbers


def _where(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.flatnonzero(mask).astype(np.int32)
