"""What a network is shown: labelled tracks, and a pool with stated genres and teachers' opinions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genretagd.ml.frontend import PatchGeometry, cut_patches
from genretagd.ml.training import targets
from genretagd.ml.training.batches import Examples
from genretagd.ml.training.material import Pictures, Rows

Scores = NDArray[np.float32]

UNKNOWN: Final = -1
"""Label of a track whose genre nobody states."""
HIDDEN: Final = -2
"""Label of a track of the pool that must not be used: a copy of a track of the corpus."""
FOREIGN: Final = -3
"""Label of a track of the pool that is said to be none of the labels, with no output of its own."""

TEACHER_WINDOWS: Final = 28
RAREST: Final = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """All there is to learn from.

    Attributes
    ----------
    pictures : Pictures
        Of the corpus' tracks and, behind them, the pool's.
    ids : tuple of str [length=tracks]
        By which teachers know the tracks.
    labels : np.ndarray [shape=(tracks,), dtype=int32]
        Index into ``label_names + outside_names``; or `UNKNOWN`, `HIDDEN`, `FOREIGN`.
    pooled : np.ndarray [shape=(tracks,), dtype=bool]
        Which tracks are the pool's.
    label_names, outside_names : tuple of str
        What the logits mean.
    opinions : mapping of str to mapping
        For each teacher by name its scores `[shape=(windows, classes)]` by track id.
    """

    pictures: Pictures
    ids: tuple[str, ...]
    labels: NDArray[np.int32]
    pooled: NDArray[np.bool_]
    label_names: tuple[str, ...]
    outside_names: tuple[str, ...]
    opinions: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return len(self.label_names) + len(self.outside_names)

    def single(self) -> NDArray[np.bool_]:
        """Say of each track whether it has one excerpt only: opinions concern no others."""
        return np.equal(np.bincount(self.pictures.track_of, minlength=len(self.ids)), 1)


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A teacher's space of targets, and its scores by track id."""

    teacher: targets.Teacher
    scores: Mapping[str, Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """How the sources of examples are weighed.

    Attributes
    ----------
    pool_share : float
        Share of what is drawn that comes from the pool, where there is one with opinions or labels.
    balance : float
        0 draws every track alike, 1 every label alike, 0.5 is between the two.
    soft_weight : float
        Weight of genres that are guessed from the teachers' opinions; 0 guesses none.
    stated_share : float
        How much a genre that a pool states counts against the guess for the same track.
    guess_share : float
        How much the guess counts against the label of a labelled track.
    """

    pool_share: float = 0.5
    balance: float = 0.5
    soft_weight: float = 0.7
    stated_share: float = 0.7
    guess_share: float = 0.0


def teachers_of(material: Material, *parts: NDArray[np.int32]) -> list[Taught]:
    """Return the teachers, each with the space of what it says about the first part that it has heard of."""
    found = []
    for name, scores in material.opinions.items():
        said = (
            [scores[material.ids[track]] for track in part if material.ids[track] in scores] for part in parts
        )
        first = next(filter(None, said), None)
        if first is not None:
            found.append(Taught(targets.fit_teacher(name, first), scores))
    return found


def heard(material: Material, tracks: NDArray[np.int32], teachers: Sequence[Taught]) -> NDArray[np.bool_]:
    """Say of each track whether there is an opinion on it that can be learnt."""
    known = [any(material.ids[track] in taught.scores for taught in teachers) for track in tracks]
    return np.asarray(known, np.bool_) & material.single()[tracks]


def labelled(
    material: Material,
    train: NDArray[np.int32],
    pool: NDArray[np.int32],
    teachers: Sequence[Taught],
    *,
    mixture: Mixture,
) -> Examples:
    """Return labelled tracks and the pool's, with stated and guessed genres and the teachers' opinions.

    Parameters
    ----------
    material : Material
        Where they come from.
    train, pool : np.ndarray
        Labelled tracks, and tracks of the pool, that may be learnt from.
    teachers : sequence of Taught
        May be empty.
    mixture : Mixture
        How they are weighed.
    """
    guesses = _guesses(material, train, pool, teachers) if mixture.soft_weight and teachers else None
    own = one_hot(material.labels[train], material.outputs)
    if guesses is not None and mixture.guess_share:
        guessed = guesses[train].sum(axis=1) > 0
        own[guessed] += mixture.guess_share * (guesses[train][guessed] - own[guessed])
    share = _shares(material.labels[train], material.outputs, balance=mixture.balance, least=1.0)
    tracks, genres = train, own
    if len(pool) and mixture.pool_share > 0:
        theirs = _pool_genres(material, pool, guesses, mixture=mixture)
        useful = (theirs.sum(axis=1) > 0) | heard(material, pool, teachers)
        chosen, theirs = pool[useful], theirs[useful]
        if len(chosen):
            stated = material.labels[chosen] >= 0
            likely = np.where(theirs.sum(axis=1) > 0, theirs.argmax(axis=1), UNKNOWN).astype(np.int32)
            likely = np.where(stated, material.labels[chosen], likely).astype(np.int32)
            weights = _shares(likely, material.outputs, balance=mixture.balance, least=RAREST)
            weights *= np.where(stated, 2.0, 1.0)
            share = np.concatenate(
                [
                    share / share.sum() * (1 - mixture.pool_share),
                    weights / weights.sum() * mixture.pool_share,
                ]
            )
            tracks, genres = np.concatenate([train, chosen]), np.concatenate([own, theirs])
    return examples(material, tracks, genres.astype(np.float32), teachers, share=share.astype(np.float32))


def examples(
    material: Material,
    tracks: NDArray[np.int32],
    genres: NDArray[np.float32],
    teachers: Sequence[Taught] = (),
    *,
    share: NDArray[np.float32] | None = None,
    square: int | None = None,
) -> Examples:
    """Return the excerpts of tracks as examples; a track's share is dealt out to its excerpts.

    Parameters
    ----------
    material : Material
        Where they come from.
    tracks : np.ndarray
        Which.
    genres : np.ndarray [shape=(tracks, outputs)]
        Target distribution times weight.
    teachers : sequence of Taught
        Whose opinions to add; they concern tracks of one excerpt.
    share : np.ndarray [shape=(tracks,)], optional
        How often each is drawn.
    square : int, optional
        Bring each excerpt's picture to a square of so many pixels.
    """
    position = {int(track): index for index, track in enumerate(tracks)}
    rows = material.pictures.rows_of(tracks)
    of = np.asarray([position[int(track)] for track in material.pictures.track_of[rows]], np.intp)
    counts = np.bincount(of, minlength=len(tracks))
    weights = (np.ones(len(tracks), np.float32) if share is None else share) / np.maximum(counts, 1)
    teacher = known = None
    if teachers:
        size = sum(taught.teacher.size for taught in teachers)
        teacher = np.zeros((len(rows), TEACHER_WINDOWS, size), np.float32)
        known = np.zeros((len(rows), size), np.float32)
        pairs = [(taught.teacher, taught.scores) for taught in teachers]
        single = material.single()[tracks]
        for row, index in enumerate(of):
            found = targets.combine(pairs, material.ids[int(tracks[index])])
            if found is not None and single[index]:
                teacher[row], known[row] = _windows(found[0]), found[1]
    pictures: Sequence[NDArray[np.uint8]] = Rows(material.pictures, rows)
    if square is not None:
        pictures = list(_squares(pictures, square))
    return Examples(pictures, genres[of], weights[of].astype(np.float32), teacher, known)


def one_hot(labels: NDArray[np.int32], size: int) -> NDArray[np.float32]:
    """Return a row per label, zeros where it is not known."""
    found = np.zeros((len(labels), size), np.float32)
    known = np.flatnonzero(labels >= 0)
    found[known, labels[known]] = 1.0
    return found


def _guesses(
    material: Material, train: NDArray[np.int32], pool: NDArray[np.int32], teachers: Sequence[Taught]
) -> Scores:
    usable = np.zeros(len(material.labels), np.bool_)
    usable[train] = usable[pool] = True
    return targets.soft_genres(
        [(taught.teacher, taught.scores) for taught in teachers],
        names=material.ids,
        labels=material.labels,
        usable=usable,
        outputs=(*material.label_names, *material.outside_names),
        n_labels=len(material.label_names),
    )


def _pool_genres(
    material: Material, pool: NDArray[np.int32], guesses: Scores | None, *, mixture: Mixture
) -> NDArray[np.float32]:
    stated = one_hot(material.labels[pool], material.outputs)
    if guesses is None:
        return stated
    known = stated.sum(axis=1, keepdims=True)
    blended = mixture.stated_share * stated + (1 - mixture.stated_share) * guesses[pool]
    return np.asarray(np.where(known > 0, blended, mixture.soft_weight * guesses[pool]), np.float32)


def _shares(labels: NDArray[np.int32], outputs: int, *, balance: float, least: float) -> NDArray[np.float64]:
    counts = np.bincount(labels[labels >= 0], minlength=outputs)
    sizes = np.where(labels >= 0, np.maximum(counts, least)[np.maximum(labels, 0)], max(counts.max(), least))
    return np.asarray((1.0 / sizes) ** balance, np.float64)


def _windows(values: Scores) -> Scores:
    """Bring a teacher's windows to the number that all have here."""
    if len(values) == TEACHER_WINDOWS:
        return values
    places = np.linspace(0, len(values) - 1, TEACHER_WINDOWS)
    return values[np.rint(places).astype(np.intp)]


def _squares(pictures: Sequence[NDArray[np.uint8]], size: int) -> NDArray[np.uint8]:
    geometry = PatchGeometry(frames=None, per_excerpt=1, resize_to=(size, size))
    found = np.empty((len(pictures), size, size), np.uint8)
    for index in range(len(pictures)):
        values = np.asarray(pictures[index], np.float32) / np.float32(255.0)
        found[index] = np.rint(255.0 * cut_patches(values, geometry=geometry)[0, :, :, 0])
    return found
