"""How a model is made out of examples: which network, what it is shown, for how long."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import ModelError
from genretagd.ml.bundle import ExcerptChoice
from genretagd.ml.frontend import PatchGeometry, PictureArray
from genretagd.ml.runtime import without_notices
from genretagd.ml.training import augment, batches, head, lessons, limits, loop, network, state
from genretagd.ml.training.lessons import Material, Taught

Arch = Literal["default", "seed"]

SEED_SIZE: Final = 128
HEARD_SECONDS: Final = 10.0
COLOURS: Final = "magma"
COLOUR_FILE: Final = "colormap.npy"
LEAST_STEPS: Final = 20
OWN_SHARE: Final = 2.0
"""How often the teachers are heard on a track of the corpus for each time on one of the pool."""
HEADS: Final = (network.GENRE_OUTPUT, network.EMBEDDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What `train` can be told about learning; the defaults suit a corpus of some hundred tracks.

    Values outside `limits.LIMITS` raise UsageError.

    Attributes
    ----------
    arch : {"default", "seed"}
        The network.
    epochs, steps, batch_size : int
        Rounds, batches per round (0 for once around the tracks, 20 at least) and patches per batch.
    patience : int
        Stop after so many rounds without a better validation loss, where there is a validation part.
    learning_rate, weight_decay, smoothing, averaging, teacher_weight : float
        As in `loop.Schedule`.
    mixup, equaliser_db : float
        As in `augment.Augmentation`.
    pool_share, balance, soft_weight, stated_share, guess_share : float
        As in `lessons.Mixture`.
    pretrain_epochs : int
        Rounds on the pool's teacher opinions alone, beforehand; only with a pool and a teacher.
    pretrain_batch_size : int
        Patches per batch of these rounds; 0 for `batch_size`.
    pretrain_rate, pretrain_averaging : float
        Learning rate and averaging of these rounds.
    settle_epochs : int
        Further rounds on the same, from a lower learning rate on.
    settle_rate : float
        Learning rate of these rounds.
    opinion_epochs : int
        Rounds on the teachers' opinions about the corpus' own training tracks beside the pool's, between
        pretraining and labels: pools seldom sound like the music that is to be labelled.
    opinion_rate : float
        Learning rate of these rounds.
    refit_share : float
        How much the last layer as it is fitted to whole tracks and stated genres, everything else learnt,
        counts against what training made of it.
    mixed_precision : bool
        Compute in bfloat16 where that is faster; weights stay float32.
    seed : int
        Everything drawn at random follows from it.
    """

    arch: Arch = "default"
    epochs: int = 40
    steps: int = 0
    batch_size: int = 32
    patience: int = 12
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    smoothing: float = 0.1
    averaging: float = 0.99
    teacher_weight: float = 1.0
    mixup: float = 0.2
    equaliser_db: float = 2.5
    pool_share: float = 0.5
    balance: float = 0.5
    soft_weight: float = 0.7
    stated_share: float = 0.7
    guess_share: float = 0.0
    pretrain_epochs: int = 0
    pretrain_batch_size: int = 0
    pretrain_rate: float = 2e-3
    pretrain_averaging: float = 0.998
    settle_epochs: int = 0
    settle_rate: float = 1e-3
    opinion_epochs: int = 0
    opinion_rate: float = 1e-3
    refit_share: float = 0.0
    mixed_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        limits.check(asdict(self))


def geometry(arch: Arch) -> PatchGeometry:
    """Return how spectrograms are cut for a network."""
    if arch == "seed":
        return PatchGeometry(
            frames=None, per_excerpt=1, resize_to=(SEED_SIZE, SEED_SIZE), colormap=COLOUR_FILE
        )
    return PatchGeometry(frames=128, per_excerpt=1)


def heard(arch: Arch, *, learnt: ExcerptChoice) -> ExcerptChoice:
    """Return what a model listens to when it serves, given the excerpts that it learns from.

    The default network hears ten seconds at a time: it learns from patches anywhere in longer excerpts, and
    decodes no more than it needs.
    """
    if arch == "seed":
        return learnt
    return replace(learnt, seconds=min(HEARD_SECONDS, learnt.seconds))


def colour_map() -> PictureArray:
    """Return the colours of the seed's spectrogram pictures `[shape=(256, 3), dtype=uint8]`."""
    from matplotlib import colormaps

    return np.asarray(colormaps[COLOURS](np.arange(256), bytes=True)[:, :3], dtype=np.uint8)


def learn(
    material: Material,
    *,
    train: NDArray[np.int32],
    valid: NDArray[np.int32],
    held_out: NDArray[np.int32],
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
        Tracks of the corpus to learn from, and those that say when to stop; no `valid`, no early stop.
    held_out : np.ndarray
        Tracks that nothing about genres is learnt from; the pool's are otherwise added to `train`.
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
    everyone = np.flatnonzero(material.pooled & (material.labels != lessons.HIDDEN)).astype(np.int32)
    pool = np.setdiff1d(everyone, held_out).astype(np.int32)
    seed_arch = recipe.arch == "seed"
    teachers = [] if seed_arch else lessons.teachers_of(material, everyone, train)
    model = _network(material, recipe, teachers)
    if base is not None:
        _take_over(model, base)
    elif teachers:
        _hear_teachers(
            model,
            material,
            teachers,
            train=train,
            pool=everyone,
            recipe=recipe,
            folder=folder,
            shared=shared,
            report=report,
        )
    shown = (
        _shown(material, train, seed_arch=seed_arch)
        if seed_arch
        else lessons.labelled(material, train, pool, teachers, mixture=_mixture(recipe))
    )
    history = loop.fit(
        model,
        shown,
        schedule=_main_schedule(recipe, len(shown.share), patience=recipe.patience if len(valid) else 0),
        augmentation=augment.NOTHING if seed_arch else _augmentation(recipe),
        validation=_shown(material, valid, seed_arch=seed_arch) if len(valid) else None,
        dress=_dress(recipe.arch),
        checkpoint=folder / "checkpoint.npz",
        report=lambda progress: report("training", progress),
    )
    learnt = _clean(model, material, recipe, teachers)
    if recipe.refit_share and not seed_arch:
        stated = lessons.labelled(material, train, pool, (), mixture=_mixture(recipe))
        head.refit(learnt, stated, share=recipe.refit_share)
    return learnt, [progress.row() for progress in history]


def _set_up(recipe: Recipe) -> None:
    # TensorFlow's operations round differently beside each other; one at a time they take no longer
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    with without_notices():  # TensorFlow greets whatever it is told, in the midst of a progress bar
        import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)


def _network(material: Material, recipe: Recipe, teachers: Sequence[Taught], *, plain: bool = False) -> Any:
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16" if recipe.mixed_precision and not plain else "float32")
    try:
        if recipe.arch == "seed":
            return network.build_seed(n_outputs=material.outputs, size=SEED_SIZE)
        size = sum(taught.teacher.size for taught in teachers)
        return network.build_default(n_outputs=material.outputs, n_teacher=size)
    finally:
        keras.config.set_dtype_policy("float32")


def _clean(model: Any, material: Material, recipe: Recipe, teachers: Sequence[Taught]) -> Any:
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
    fresh = set(network.transfer(source, model))
    trunk = {layer.name for layer in model.layers if layer.name not in (*HEADS, network.TEACHER_OUTPUT)}
    if fresh & trunk:
        raise ModelError(
            f"{base}: of another architecture ({', '.join(sorted(fresh & trunk))} differ), choose its --arch "
            "or train without --base"
        )
    network.freeze_trunk(model)


def _hear_teachers(
    model: Any,
    material: Material,
    teachers: Sequence[Taught],
    *,
    train: NDArray[np.int32],
    pool: NDArray[np.int32],
    recipe: Recipe,
    folder: Path,
    shared: Path,
    report: Callable[[str, loop.Progress], None],
) -> None:
    """Learn what the teachers say: about the pool, once for all folds, then about the training tracks too.

    The heads, which learn nothing from that, start afresh afterwards.
    """

    def hear(stage: str, tracks: NDArray[np.int32], *, schedule: loop.Schedule, checkpoint: Path) -> None:
        loop.fit(
            model,
            _opinions(material, tracks, teachers),
            schedule=schedule,
            augmentation=_augmentation(recipe),
            checkpoint=checkpoint,
            report=lambda progress: report(stage, progress),
        )

    heads = {name: model.get_layer(name).get_weights() for name in HEADS}
    known = pool[lessons.heard(material, pool, teachers)]
    for stage, epochs, rate in (
        ("pretraining", recipe.pretrain_epochs, recipe.pretrain_rate),
        ("settling", recipe.settle_epochs, recipe.settle_rate),
    ):
        if not epochs or not len(known):
            continue
        learnt = shared / f"{stage}-done.npz"
        if learnt.exists():
            state.load_weights(model, learnt)
            continue
        shared.mkdir(parents=True, exist_ok=True)
        schedule = _schedule(
            recipe,
            epochs=epochs,
            batch_size=recipe.pretrain_batch_size,
            rate=rate,
            averaging=recipe.pretrain_averaging,
        )
        hear(stage, known, schedule=schedule, checkpoint=shared / f"{stage}.npz")
        state.save_weights(model, learnt)
    if recipe.opinion_epochs:
        tracks = np.concatenate([train[lessons.heard(material, train, teachers)], known])
        schedule = _schedule(recipe, epochs=recipe.opinion_epochs, rate=recipe.opinion_rate)
        hear("hearing the teachers out", tracks, schedule=schedule, checkpoint=folder / "opinions.npz")
    for name, fresh in heads.items():
        model.get_layer(name).set_weights(fresh)


def _opinions(material: Material, tracks: NDArray[np.int32], teachers: Sequence[Taught]) -> batches.Examples:
    """Return what is said about tracks, without genres; the corpus' own are drawn more often."""
    nothing = np.zeros((len(tracks), material.outputs), np.float32)
    share = np.where(material.pooled[tracks], 1.0, OWN_SHARE).astype(np.float32)
    return lessons.examples(material, tracks, nothing, teachers, share=share)


def _schedule(
    recipe: Recipe,
    *,
    epochs: int | None = None,
    batch_size: int = 0,
    rate: float | None = None,
    averaging: float | None = None,
    patience: int = 0,
) -> loop.Schedule:
    return loop.Schedule(
        epochs=epochs or recipe.epochs,
        steps=recipe.steps if epochs is None else 0,
        batch_size=batch_size or recipe.batch_size,
        learning_rate=rate or recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        averaging=averaging or recipe.averaging,
        smoothing=recipe.smoothing,
        teacher_weight=recipe.teacher_weight,
        patience=patience,
        seed=recipe.seed,
    )


def _main_schedule(recipe: Recipe, examples: int, *, patience: int) -> loop.Schedule:
    """Go round a small corpus often enough an epoch, and average over a fifth of a short training at most."""
    steps = recipe.steps or max(LEAST_STEPS, examples // recipe.batch_size)
    averaging = min(recipe.averaging, 1.0 - 1.0 / (0.2 * steps * recipe.epochs + 1.0))
    return replace(_schedule(recipe, averaging=averaging, patience=patience), steps=steps)


def _augmentation(recipe: Recipe) -> augment.Augmentation:
    return augment.Augmentation(mixup=recipe.mixup, equaliser_db=recipe.equaliser_db)


def _mixture(recipe: Recipe) -> lessons.Mixture:
    return lessons.Mixture(
        pool_share=recipe.pool_share,
        balance=recipe.balance,
        soft_weight=recipe.soft_weight,
        stated_share=recipe.stated_share,
        guess_share=recipe.guess_share,
    )


def _shown(material: Material, tracks: NDArray[np.int32], *, seed_arch: bool) -> batches.Examples:
    genres = lessons.one_hot(material.labels[tracks], material.outputs)
    return lessons.examples(material, tracks, genres, square=SEED_SIZE if seed_arch else None)


def _dress(arch: Arch) -> batches.Dress:
    if arch == "default":
        return batches.add_channel
    return _Coloured(colour_map().astype(np.float32) / np.float32(255.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Coloured:
    """Gives patches the colours of the seed's pictures."""

    colours: NDArray[np.float32]

    def __call__(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        places = np.rint(np.clip(patches, 0.0, 1.0) * 255.0).astype(np.intp)
        return np.asarray(self.colours[places], np.float32)
