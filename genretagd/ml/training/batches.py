"""What is learnt from, and the batches that are drawn from it: cut, changed and mixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.ml.training import augment, network, targets

Floats = NDArray[np.float32]
Dress = Callable[[Floats], Floats]

DRAW: Final = 1


@dataclass(frozen=True, slots=True)
class Examples:
    """What is learnt from: one row per track.

    Attributes
    ----------
    pictures : sequence of np.ndarray [shape=(n_mels, n_frames), dtype=uint8]
        Log-mel spectrograms, lowest band first. Read one at a time, so they may live on disk.
    genres : np.ndarray [shape=(n, n_outputs)]
        Target distribution over the outputs times the weight of the example; zeros where nothing is known.
    share : np.ndarray [shape=(n,)]
        How often each track is drawn, relative to the others.
    teacher : np.ndarray [shape=(n, windows, size)], optional
        The teachers' targets.
    known : np.ndarray [shape=(n, size)], optional
        Weight of each of them; 0 where the teacher has not heard the track.
    """

    pictures: Sequence[NDArray[np.uint8]]
    genres: Floats
    share: Floats
    teacher: Floats | None = None
    known: Floats | None = None


class Drawer:
    """Draws batches; which ones depends on seed, epoch and step alone.

    Parameters
    ----------
    model : keras.Model
        From `network.build_default` or `network.build_seed`: what its patches and targets look like.
    examples : Examples
        What to draw from.
    how : Augmentation
        How patches are changed.
    dress : callable
        Turns patches `[shape=(batch, n_mels, frames)]` into the network's input.
    batch_size : int
        Patches per batch.
    smoothing : float
        Label smoothing, in [0, 1].
    seed : int
        Everything drawn follows from it.
    """

    def __init__(
        self,
        model: Any,
        examples: Examples,
        *,
        how: augment.Augmentation,
        dress: Dress,
        batch_size: int,
        smoothing: float,
        seed: int,
    ) -> None:
        self.examples, self.how, self.dress = examples, how, dress
        self.batch_size, self.smoothing, self.seed = batch_size, smoothing, seed
        self.frames = int(model.input.shape[2])
        taught = model.output.get(network.TEACHER_OUTPUT)
        self.steps = 0 if taught is None or examples.teacher is None else int(taught.shape[1])
        self.teacher_size = 0 if taught is None else int(taught.shape[2])
        self.taught_steps = 0 if taught is None else int(taught.shape[1])
        self.chances = np.asarray(examples.share, np.float64) / np.sum(examples.share, dtype=np.float64)

    def epoch_order(self, epoch: int, *, steps: int) -> NDArray[np.intp]:
        """Return the tracks of an epoch, each as often as its share says, up to chance, and spread evenly."""
        rng = np.random.default_rng((self.seed, DRAW, epoch))
        wanted = steps * self.batch_size
        points = (np.arange(wanted) + rng.random()) / wanted
        order = rng.permutation(len(self.chances))
        drawn = order[np.searchsorted(np.cumsum(self.chances[order]), points).clip(max=len(order) - 1)]
        return rng.permutation(drawn)

    def batch(self, tracks: NDArray[np.intp], *, epoch: int, step: int) -> tuple[Floats, dict[str, Floats]]:
        """Cut, change and mix one batch."""
        rng = np.random.default_rng((self.seed, epoch, step, len(tracks)))
        examples = self.examples
        patches: list[Floats] = []
        taught: list[Floats] = []
        for i in tracks:
            picture = examples.pictures[i]
            n_frames = picture.shape[1]
            cut = augment.draw_cut(rng, n_frames=n_frames, frames=self.frames, stretch=self.how.stretch)
            patches.append(augment.take(picture, cut=cut, frames=self.frames))
            if self.steps and examples.teacher is not None:
                taught.append(
                    targets.spread(examples.teacher[i], cut=cut, n_frames=n_frames, steps=self.steps)
                )
        x = augment.disturb(np.stack(patches), rng=rng, how=self.how)
        weight = examples.genres[tracks].sum(axis=1, keepdims=True)
        even = weight / examples.genres.shape[1]
        y = {network.GENRE_OUTPUT: examples.genres[tracks] * (1 - self.smoothing) + even * self.smoothing}
        if self.taught_steps:
            y[network.TEACHER_OUTPUT] = self._taught(tracks, taught)
        share = augment.mixing_weights(rng, n=len(tracks), alpha=self.how.mixup)
        x = _mix(x, share)
        y = {name: _mix(value, share).astype(np.float32) for name, value in y.items()}
        return self.dress(x), y

    def _taught(self, tracks: NDArray[np.intp], taught: list[Floats]) -> Floats:
        """Put the teachers' targets and their weights side by side."""
        if not taught or self.examples.known is None:
            return np.zeros((len(tracks), self.taught_steps, 2 * self.teacher_size), np.float32)
        known = np.repeat(self.examples.known[tracks][:, None], self.steps, axis=1)
        return np.concatenate([np.stack(taught), known], axis=2)


def _mix(values: Floats, share: Floats) -> Floats:
    """Mix each row with its neighbour."""
    if (share == 1.0).all():
        return values
    own = share.reshape(-1, *([1] * (values.ndim - 1)))
    return own * values + (1 - own) * np.roll(values, 1, axis=0)


def add_channel(patches: Floats) -> Floats:
    """Give patches the one channel of the default network."""
    return patches[..., None]
