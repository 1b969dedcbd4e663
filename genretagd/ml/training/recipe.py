"""How a model is made out of examples: which network, what it is shown, for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import ModelError
from genretagd.ml.frontend import PatchGeometry, PictureArray
from genretagd.ml.training import augment, loop, network, targets
from genretagd.ml.training.material import Pictures, Rows

Arch = Literal["default", "seed"]
Scores = NDArray[np.float32]

SEED_SIZE: Final = 128
COLOURS: Final = "magma"
COLOUR_FILE: Final = "colormap.npy"
TEACHER_WINDOWS: Final = 28
HIDDEN: Final = -2
"""Label of a track of the pool that must not be learnt from: a copy of a track of the corpus, or held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What `train` can be told about learning; the defaults suit a corpus of some hundred tracks.

    Attributes
    ----------
    arch : {"default", "seed"}
        The network.
    epochs : int
        Rounds on the labelled tracks.
    patience : int
        Stop after so many rounds without a better validation loss, where there is a validation part.
    learning_rate, batch_size, weight_decay, smoothing : float, int
        As in `loop.Schedule`.
    steps : int
        Batches per round; 0 for once around the tracks.
    pool_share : float
        Share of each batch that comes from the pool, where there is one with opinions or labels.
    soft_weight : float
        Weight of a pool track's genres as a probe on the teachers' opinions guesses them.
    teacher_weight : float
        Weight of the teachers' opinions beside the genres.
    pretrain_epochs : int
        Rounds on the pool's teacher opinions alone, beforehand; only with a pool and a teacher.
    pretrain_rate : float
        Learning rate of these rounds.
    mixed_precision : bool
        Compute in bfloat16 where that is faster; weights stay float32.
    seed : int
        Everything drawn at random follows from it.
    """

    arch: Arch = "default"
    epochs: int = 40
    patience: int = 12
    learning_rate: float = 2e-3
    batch_size: int = 32
    weight_decay: float = 1e-2
    smoothing: float = 0.1
    steps: int = 0
    pool_share: float = 0.5
    soft_weight: float = 0.5
    teacher_weight: float = 1.0
    pretrain_epochs: int = 0
    pretrain_rate: float = 2e-3
    mixed_precision: bool = False
    seed: int = 0


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
        Index into ``label_names + outside_names``, -1 where none is stated.
    pooled : np.ndarray [shape=(tracks,), dtype=bool]
        Which tracks are the pool's: learnt from in every fold, never measured on.
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


def geometry(arch: Arch) -> PatchGeometry:
    """Return how spectrograms are cut for a network."""
    if arch == "seed":
        return PatchGeometry(
            frames=None, per_excerpt=1, resize_to=(SEED_SIZE, SEED_SIZE), colormap=COLOUR_FILE
        )
    return PatchGeometry(frames=128, per_excerpt=3)


def colour_map() -> PictureArray:
    """Return the colours of the seed's spectrogram pictures `[shape=(256, 3), dtype=uint8]`."""
    from matplotlib import colormaps

    return np.asarray(colormaps[COLOURS](np.arange(256), bytes=True)[:, :3], dtype=np.uint8)


def learn(
    material: Material,
    *,
    train: NDArray[np.int32],
    valid: NDArray[np.int32],
    recipe: Recipe,
    folder: Path,
    shared: Path,
    base: Path | None = None,
    report: Callable[[str, loop.Progress], None],
) -> tuple[Any, list[dict[str, float]]]:
    """Make one model.

    Parameters
    ----------
    material : Material
        The examples.
    train, valid : np.ndarray
        Tracks to learn from (the pool's are added here), and those that say when to stop; no `valid`,
        no early stop.
    recipe : Recipe
        How.
    folder : Path
        For the state of this run; a run that was killed goes on from it to the same result.
    shared : Path
        For what all folds have in common: the network pretrained on the pool.
    base : Path, optional
        A ``model.keras`` whose trunk is kept as it is under a new head.
    report : callable
        Told the stage and its progress after each epoch.

    Returns
    -------
    model : keras.Model
        From patches to a dict of outputs, float32.
    history : list of dict
        One per epoch: ``epoch``, ``loss`` and, with a validation part, ``valid_loss``, ``valid_accuracy``.
    """
    _set_up(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    pool = np.flatnonzero(material.pooled & (material.labels > HIDDEN)).astype(np.int32)
    teachers = _teachers(material, pool if len(pool) else train)
    model = _network(material, recipe, teachers)
    if base is not None:
        _take_over(model, base)
    elif recipe.pretrain_epochs and len(pool) and teachers and recipe.arch == "default":
        _pretrain(model, material, pool, teachers, recipe=recipe, shared=shared, report=report)
    history = loop.fit(
        model,
        _examples(material, train, pool, teachers, recipe=recipe),
        schedule=_schedule(recipe, patience=recipe.patience if len(valid) else 0),
        augmentation=augment.NOTHING if recipe.arch == "seed" else None,
        validation=_plain(material, valid, recipe) if len(valid) else None,
        dress=_dress(recipe.arch),
        checkpoint=folder / "checkpoint.npz",
        report=lambda progress: report("training", progress),
    )
    return _clean(model, material, recipe, teachers), _as_rows(history)


def _set_up(recipe: Recipe) -> None:
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)


def _network(material: Material, recipe: Recipe, teachers: Sequence[_Taught], *, plain: bool = False) -> Any:
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16" if recipe.mixed_precision and not plain else "float32")
    try:
        if recipe.arch == "seed":
            return network.build_seed(n_outputs=material.outputs, size=SEED_SIZE)
        size = sum(taught.teacher.size for taught in teachers)
        return network.build_default(n_outputs=material.outputs, n_teacher=size)
    finally:
        keras.config.set_dtype_policy("float32")


def _clean(model: Any, material: Material, recipe: Recipe, teachers: Sequence[_Taught]) -> Any:
    """Return the network in float32, without optimiser and losses."""
    clean = _network(material, recipe, teachers, plain=True)
    clean.set_weights(model.get_weights())
    return clean


def _take_over(model: Any, base: Path) -> None:
    import keras

    try:
        source = keras.saving.load_model(base, compile=False)
    except (OSError, ValueError, TypeError) as exc:
        raise ModelError(f"{base}: cannot be loaded to go on from ({exc}), train without --base") from exc
    fresh = network.transfer(source, model)
    if len(fresh) > 4:
        raise ModelError(f"{base}: of another architecture, choose its --arch or train without --base")
    network.freeze_trunk(model)


@dataclass(frozen=True, slots=True, eq=False)
class _Taught:
    """A teacher's space of targets, and its scores by track id."""

    teacher: targets.Teacher
    scores: Mapping[str, Scores]


def _teachers(material: Material, tracks: NDArray[np.int32]) -> list[_Taught]:
    found = []
    for name, scores in material.opinions.items():
        heard = [scores[material.ids[track]] for track in tracks if material.ids[track] in scores]
        if heard:
            found.append(_Taught(targets.fit_teacher(name, heard), scores))
    return found


def _pretrain(
    model: Any,
    material: Material,
    pool: NDArray[np.int32],
    teachers: Sequence[_Taught],
    *,
    recipe: Recipe,
    shared: Path,
    report: Callable[[str, loop.Progress], None],
) -> None:
    done = shared / "pretrained.npz"
    if done.exists():
        with np.load(done, allow_pickle=False) as arrays:
            model.set_weights([arrays[f"w{index}"] for index in range(len(arrays.files))])
        return
    shared.mkdir(parents=True, exist_ok=True)
    examples = _with_teachers(material, pool, np.zeros((len(pool), material.outputs), np.float32), teachers)
    loop.fit(
        model,
        examples,
        schedule=_schedule(recipe, epochs=recipe.pretrain_epochs, rate=recipe.pretrain_rate),
        checkpoint=shared / "pretraining.npz",
        report=lambda progress: report("pretraining", progress),
    )
    part = done.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **{f"w{index}": value for index, value in enumerate(model.get_weights())})
    part.replace(done)


def _schedule(
    recipe: Recipe, *, epochs: int | None = None, rate: float | None = None, patience: int = 0
) -> loop.Schedule:
    return loop.Schedule(
        epochs=epochs or recipe.epochs,
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        learning_rate=rate or recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        smoothing=recipe.smoothing,
        teacher_weight=recipe.teacher_weight,
        patience=patience,
        seed=recipe.seed,
    )


def _examples(
    material: Material,
    train: NDArray[np.int32],
    pool: NDArray[np.int32],
    teachers: Sequence[_Taught],
    *,
    recipe: Recipe,
) -> loop.Examples:
    """Return labelled tracks balanced by label, and the pool's with stated or guessed genres."""
    own = _one_hot(material.labels[train], material.outputs)
    counts = own.sum(axis=0)
    share = (own / np.maximum(counts, 1.0)).sum(axis=1)
    tracks, genres = train, own
    if len(pool) and recipe.arch == "default" and recipe.pool_share > 0:
        theirs = _pool_genres(material, train, pool, teachers, weight=recipe.soft_weight)
        useful = (theirs.sum(axis=1) > 0) | np.asarray(
            [any(material.ids[t] in taught.scores for taught in teachers) for t in pool]
        )
        chosen, theirs = pool[useful], theirs[useful]
        if len(chosen):
            share = share / share.sum() * (1 - recipe.pool_share)
            share = np.concatenate([share, np.full(len(chosen), recipe.pool_share / len(chosen))])
            tracks, genres = np.concatenate([train, chosen]), np.concatenate([own, theirs])
    return _with_teachers(
        material,
        tracks,
        genres.astype(np.float32),
        teachers,
        share=share.astype(np.float32),
        arch=recipe.arch,
    )


def _pool_genres(
    material: Material,
    train: NDArray[np.int32],
    pool: NDArray[np.int32],
    teachers: Sequence[_Taught],
    *,
    weight: float,
) -> NDArray[np.float32]:
    """Return stated genres where there are, else those guessed from the teachers' opinions."""
    stated = material.labels[pool]
    genres = _one_hot(stated, material.outputs)
    if weight and teachers:
        usable = np.zeros(len(material.labels), np.bool_)
        usable[train] = usable[pool] = True
        guessed = targets.soft_genres(
            [(taught.teacher, taught.scores) for taught in teachers],
            names=material.ids,
            labels=material.labels,
            usable=usable,
            outputs=(*material.label_names, *material.outside_names),
            n_labels=len(material.label_names),
        )[pool]
        genres[stated < 0] = weight * guessed[stated < 0]
    return genres


def _with_teachers(
    material: Material,
    tracks: NDArray[np.int32],
    genres: NDArray[np.float32],
    teachers: Sequence[_Taught],
    *,
    share: NDArray[np.float32] | None = None,
    arch: Arch = "default",
) -> loop.Examples:
    """Return the excerpts of tracks as examples; a track's share is dealt out to its excerpts."""
    position = {int(track): index for index, track in enumerate(tracks)}
    rows = material.pictures.rows_of(tracks)
    of = np.asarray([position[int(track)] for track in material.pictures.track_of[rows]])
    counts = np.bincount(of, minlength=len(tracks))
    weights = (np.ones(len(tracks), np.float32) if share is None else share) / np.maximum(counts, 1)
    teacher = known = None
    if teachers and arch == "default":
        size = sum(taught.teacher.size for taught in teachers)
        teacher = np.zeros((len(rows), TEACHER_WINDOWS, size), np.float32)
        known = np.zeros((len(rows), size), np.float32)
        pairs = [(taught.teacher, taught.scores) for taught in teachers]
        for row, index in enumerate(of):
            found = targets.combine(pairs, material.ids[int(tracks[index])])
            if found is not None and counts[index] == 1:
                teacher[row], known[row] = _windows(found[0]), found[1]
    pictures: Sequence[NDArray[np.uint8]] = Rows(material.pictures, rows)
    if arch == "seed":
        pictures = list(_squares(pictures))
    return loop.Examples(pictures, genres[of], weights[of].astype(np.float32), teacher, known)


def _plain(material: Material, tracks: NDArray[np.int32], recipe: Recipe) -> loop.Examples:
    genres = _one_hot(material.labels[tracks], material.outputs)
    return _with_teachers(material, tracks, genres, (), arch=recipe.arch)


def _windows(values: Scores) -> Scores:
    """Bring a teacher's windows to the number that all have here."""
    if len(values) == TEACHER_WINDOWS:
        return values
    places = np.linspace(0, len(values) - 1, TEACHER_WINDOWS)
    return values[np.rint(places).astype(np.intp)]


def _squares(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return whole pictures brought to the seed's square."""
    square = PatchGeometry(frames=None, per_excerpt=1, resize_to=(SEED_SIZE, SEED_SIZE))
    from genretagd.ml.frontend import cut_patches

    found = np.empty((len(pictures), SEED_SIZE, SEED_SIZE), np.uint8)
    for index in range(len(pictures)):
        values = np.asarray(pictures[index], np.float32) / np.float32(255.0)
        found[index] = np.rint(255.0 * cut_patches(values, geometry=square)[0, :, :, 0])
    return found


def _dress(arch: Arch) -> loop.Dress:
    if arch == "default":
        return loop.add_channel
    colours = colour_map().astype(np.float32) / np.float32(255.0)

    def coloured(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(colours[np.rint(np.clip(patches, 0.0, 1.0) * 255.0).astype(np.intp)], np.float32)

    return coloured


def _one_hot(labels: NDArray[np.int32], size: int) -> NDArray[np.float32]:
    found = np.zeros((len(labels), size), np.float32)
    known = np.flatnonzero(labels >= 0)
    found[known, labels[known]] = 1.0
    return found


def _as_rows(history: loop.History) -> list[dict[str, float]]:
    rows = []
    for progress in history.epochs:
        row = {"epoch": float(progress.epoch), "loss": progress.loss}
        if progress.validation_loss is not None and progress.validation_accuracy is not None:
            row |= {"valid_loss": progress.validation_loss, "valid_accuracy": progress.validation_accuracy}
        rows.append(row)
    return rows
