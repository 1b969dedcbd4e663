"""The training loop: fits, averages weights, stops early, resumes where it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError
from genretagd.ml.training import ahead, augment, network, state
from genretagd.ml.training.batches import Drawer, Dress, Examples, Floats, add_channel

CHECKPOINT_VERSION: Final = 1
PATCHES_PER_TRACK: Final = 3
TRACKS_AT_ONCE: Final = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast to learn.

    Attributes
    ----------
    epochs : int
        Number of rounds; the learning rate falls along a cosine over all of them.
    steps : int
        Batches per epoch; 0 for once around the tracks.
    batch_size : int
        Patches per batch.
    learning_rate, warm_up, weight_decay : float
        Highest rate of AdamW, the share of all steps that leads up to it, and its decay.
    averaging : float
        Momentum of the moving average of the weights that is kept in the end.
    smoothing : float
        Label smoothing.
    teacher_weight : float
        Weight of the teachers' squared error beside the genres' cross entropy.
    patience : int
        Stop after so many epochs without a better validation loss; 0 for never. The best weights are kept.
    seed : int
        Everything drawn at random follows from it.
    """

    epochs: int = 30
    steps: int = 0
    batch_size: int = 32
    learning_rate: float = 2e-3
    warm_up: float = 0.05
    weight_decay: float = 1e-2
    averaging: float = 0.998
    smoothing: float = 0.1
    teacher_weight: float = 1.0
    patience: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands after an epoch; `seconds_left` is an estimate."""

    epoch: int
    epochs: int
    loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds_left: float

    def told(self) -> str:
        """Say it in a line, without the time that is left."""
        text = f"epoch {self.epoch}/{self.epochs}, loss {self.loss:.3f}"
        if self.validation_loss is not None and self.validation_accuracy is not None:
            text += f", validation loss {self.validation_loss:.3f}, accuracy {self.validation_accuracy:.1%}"
        return text

    def row(self) -> dict[str, float]:
        """Return ``epoch``, ``loss`` and, with a validation part, ``valid_loss``, ``valid_accuracy``."""
        found = {"epoch": float(self.epoch), "loss": self.loss}
        if self.validation_loss is not None and self.validation_accuracy is not None:
            found |= {"valid_loss": self.validation_loss, "valid_accuracy": self.validation_accuracy}
        return found


def fit(
    model: Any,
    examples: Examples,
    *,
    schedule: Schedule,
    augmentation: augment.Augmentation | None = None,
    validation: Examples | None = None,
    dress: Dress | None = None,
    checkpoint: Path | None = None,
    report: Callable[[Progress], None] | None = None,
) -> list[Progress]:
    """Train `model` in place and leave the averaged weights in it.

    Parameters
    ----------
    model : keras.Model
        From `network.build_default` or `network.build_seed`.
    examples : Examples
        The training part.
    schedule : Schedule
        How long and how fast.
    augmentation : Augmentation, optional
        How patches are changed; `augment.Augmentation()` if not given.
    validation : Examples, optional
        The validation part, of other artists; needed for early stopping.
    dress : callable, optional
        Turns patches `[shape=(batch, n_mels, frames)]` into the network's input; adds a channel by default.
    checkpoint : Path, optional
        Where the state is written after each epoch. If it is there already and of the same schedule,
        training goes on from it, to the same result as if it had never been interrupted.
    report : callable, optional
        Told about each epoch.

    Returns
    -------
    list of Progress
        One per epoch.

    Raises
    ------
    CorpusError
        The checkpoint is of another training.
    """
    how = augmentation if augmentation is not None else augment.Augmentation()
    drawer = Drawer(
        model,
        examples,
        how=how,
        dress=dress or add_channel,
        batch_size=schedule.batch_size,
        smoothing=schedule.smoothing,
        seed=schedule.seed,
    )
    steps = schedule.steps or max(1, len(examples.share) // schedule.batch_size)
    optimizer = _compile(model, schedule=schedule, steps=steps)
    history: list[Progress] = []
    best = _Best()
    if checkpoint is not None and checkpoint.exists():
        history, best = _restore(model, optimizer, checkpoint, schedule=schedule)
    first = len(history)
    if _is_enough(best, schedule, after=first):
        first = schedule.epochs
    started = time.monotonic()
    making = ahead.batches(
        drawer, first=first, end=schedule.epochs, steps=steps, makers=ahead.makers_needed()
    )
    with closing(making) as batches:
        for epoch in range(first, schedule.epochs):
            loss = _epoch(model, batches, steps=steps)
            seen = _validate(model, optimizer, validation, frames=drawer.frames, dress=drawer.dress)
            left = (time.monotonic() - started) / (epoch + 1 - first) * (schedule.epochs - epoch - 1)
            step = Progress(epoch + 1, schedule.epochs, loss, seen[0], seen[1], left)
            history.append(step)
            if report is not None:
                report(step)
            if seen[0] is not None and seen[0] < best.loss and schedule.patience:
                best = _Best(seen[0], epoch + 1, _averaged(optimizer, model))
            if checkpoint is not None:
                _save(model, optimizer, checkpoint, schedule=schedule, history=history, best=best)
            if _is_enough(best, schedule, after=epoch + 1):
                break
    optimizer.finalize_variable_values(model.trainable_variables)
    if best.weights is not None:
        model.set_weights(best.weights)
    return history


def track_logits(
    model: Any, pictures: Sequence[NDArray[np.uint8]], *, frames: int, dress: Dress = add_channel
) -> Floats:
    """Return each track's logits, the mean over patches evenly spread over it `[shape=(n, n_outputs)]`."""
    return track_means(
        lambda patches: model(patches, training=False)[network.GENRE_OUTPUT],
        pictures,
        frames=frames,
        dress=dress,
    )


def track_means(
    say: Callable[[Any], Any],
    pictures: Sequence[NDArray[np.uint8]],
    *,
    frames: int,
    dress: Dress = add_channel,
) -> Floats:
    """Return what a network says of each track, the mean over patches evenly spread over it.

    Parameters
    ----------
    say : callable
        From a batch of a network's input to a tensor `[shape=(batch, n)]`.
    pictures : sequence of np.ndarray [shape=(n_mels, n_frames), dtype=uint8]
        Spectrograms.
    frames : int
        Width of a patch.
    dress : callable
        Turns patches `[shape=(batch, n_mels, frames)]` into the network's input.

    Returns
    -------
    np.ndarray [shape=(pictures, n), dtype=float32]
    """
    from keras import ops

    found: list[Floats] = []
    for first in range(0, len(pictures), TRACKS_AT_ONCE):
        patches = [
            augment.take(
                pictures[i], cut=augment.Cut(start, min(frames, pictures[i].shape[1])), frames=frames
            )
            for i in range(first, min(first + TRACKS_AT_ONCE, len(pictures)))
            for start in np.linspace(0.0, max(0, pictures[i].shape[1] - frames), PATCHES_PER_TRACK)
        ]
        said = np.asarray(ops.convert_to_numpy(say(dress(np.stack(patches)))), np.float32)
        found.append(said.reshape(-1, PATCHES_PER_TRACK, said.shape[-1]).mean(axis=1))
    return np.concatenate(found)


def _compile(model: Any, *, schedule: Schedule, steps: int) -> Any:
    """Prepare the optimiser and the losses."""
    import keras
    from keras import ops

    def genre_loss(wanted: Any, logits: Any) -> Any:
        return -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)

    def teacher_loss(wanted: Any, given: Any) -> Any:
        size = given.shape[-1]
        error = ops.square(wanted[..., :size] - given) * wanted[..., size:]
        return ops.mean(error, axis=-1)

    total = schedule.epochs * steps
    warm = max(1, int(total * schedule.warm_up))
    rate = keras.optimizers.schedules.CosineDecay(
        schedule.learning_rate / 20,
        max(1, total - warm),
        alpha=0.01,
        warmup_target=schedule.learning_rate,
        warmup_steps=warm,
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=schedule.weight_decay, use_ema=True, ema_momentum=schedule.averaging, clipnorm=5.0
    )
    losses: dict[str, Any] = {network.GENRE_OUTPUT: genre_loss}
    if network.TEACHER_OUTPUT in model.output:
        losses[network.TEACHER_OUTPUT] = teacher_loss
    weights = {name: schedule.teacher_weight if name == network.TEACHER_OUTPUT else 1.0 for name in losses}
    compiled = keras.backend.backend() == "jax"  # needs it; TensorFlow is slower by it on processors
    model.compile(optimizer=optimizer, loss=losses, loss_weights=weights, jit_compile=compiled)
    optimizer.build(model.trainable_variables)
    return optimizer


def _epoch(model: Any, batches: Iterator[ahead.Batch], *, steps: int) -> float:
    """Train for one epoch and return the mean loss."""
    total = 0.0
    for _ in range(steps):
        x, y = next(batches)
        model.reset_metrics()
        total += float(np.ravel(model.train_on_batch(x, y))[0])
    return total / steps


def _averaged(optimizer: Any, model: Any) -> list[Any]:
    """Return the model's weights with the moving averages in place of the trained ones."""
    raw = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    weights: list[Any] = model.get_weights()
    model.set_weights(raw)
    return weights


def _validate(
    model: Any, optimizer: Any, validation: Examples | None, *, frames: int, dress: Dress
) -> tuple[float, float] | tuple[None, None]:
    """Return cross entropy and accuracy of the averaged weights on whole tracks."""
    if validation is None:
        return None, None
    raw = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    logits = track_logits(model, validation.pictures, frames=frames, dress=dress)
    model.set_weights(raw)
    logits = logits - logits.max(axis=1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss = -(validation.genres * logs).sum(axis=1).mean()
    return float(loss), float((logits.argmax(axis=1) == validation.genres.argmax(axis=1)).mean())


@dataclass(frozen=True, slots=True)
class _Best:
    """The best validation loss so far, its epoch and weights."""

    loss: float = float("inf")
    epoch: int = 0
    weights: list[Any] | None = None


def _is_enough(best: _Best, schedule: Schedule, *, after: int) -> bool:
    """Return whether nothing became better for too many epochs."""
    return bool(schedule.patience and best.epoch) and after - best.epoch >= schedule.patience


def _save(
    model: Any, optimizer: Any, path: Path, *, schedule: Schedule, history: Sequence[Progress], best: _Best
) -> None:
    """Write the whole state beside the checkpoint and move it into place."""
    arrays: dict[str, Any] = {f"model_{i}": np.asarray(v) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(optimizer.variables)}
    arrays |= {f"best_{i}": np.asarray(v) for i, v in enumerate(best.weights or [])}
    rows = [
        [p.epoch, p.loss, *(np.nan if v is None else v for v in (p.validation_loss, p.validation_accuracy))]
        for p in history
    ]
    arrays["history"] = np.asarray(rows)
    arrays["best"] = np.asarray([best.loss, best.epoch])
    arrays["schedule"] = np.asarray(_fingerprint(schedule))
    with state.whole(path) as file:
        np.savez(file, **arrays)


def _restore(model: Any, optimizer: Any, path: Path, *, schedule: Schedule) -> tuple[list[Progress], _Best]:
    """Read the state back."""
    with state.arrays_in(path) as arrays:
        if str(arrays["schedule"]) != _fingerprint(schedule):
            raise CorpusError(
                f"{path}: checkpoint of another training, remove it or train with the same options"
            )
        for prefix, variables in (("model", model.variables), ("optimizer", optimizer.variables)):
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"{prefix}_{i}"])
        n_best = sum(name.startswith("best_") for name in arrays.files)
        weights = [arrays[f"best_{i}"] for i in range(n_best)] or None
        best = _Best(float(arrays["best"][0]), int(arrays["best"][1]), weights)
        rows = arrays["history"]
    history = []
    for epoch, loss, validation_loss, accuracy in rows:
        seen = [None if np.isnan(value) else float(value) for value in (validation_loss, accuracy)]
        history.append(Progress(int(epoch), schedule.epochs, float(loss), seen[0], seen[1], 0.0))
    return history, best


def _fingerprint(schedule: Schedule) -> str:
    """Say in one line what a checkpoint was made with."""
    return f"{CHECKPOINT_VERSION} {sorted(asdict(schedule).items())}"
