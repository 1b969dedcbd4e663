"""Patches for training: cut from spectrograms, and changed as recordings and codecs would change them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RANGE_DB: Final = 80.0

Patch = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How strongly patches are changed; the default is what the default model was trained with.

    Attributes
    ----------
    stretch : float
        Tempo changes by a factor drawn log-uniformly from 1/(1+stretch) to 1+stretch.
    roll : int
        Largest shift along the mel axis, in bands: a change of pitch and formants.
    equaliser_db : float
        Standard deviation of a smooth random curve over frequency.
    contrast : float
        Largest relative change of the decibel range: compression and expansion.
    low_pass : float
        Share of patches whose upper bands are cut off, as lossy codecs do.
    noise_floor : float
        Share of patches whose quiet parts are drowned in noise.
    time_mask, mel_mask : int
        Largest width of one masked span of frames and of one of bands (SpecAugment).
    mixup : float
        Both parameters of the beta distribution of mixing weights; 0 for no mixing.
    """

    stretch: float = 0.18
    roll: int = 3
    equaliser_db: float = 2.5
    contrast: float = 0.15
    low_pass: float = 0.2
    noise_floor: float = 0.2
    time_mask: int = 24
    mel_mask: int = 16
    mixup: float = 0.2


NOTHING: Final = Augmentation(
    stretch=0.0,
    roll=0,
    equaliser_db=0.0,
    contrast=0.0,
    low_pass=0.0,
    noise_floor=0.0,
    time_mask=0,
    mel_mask=0,
    mixup=0.0,
)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a patch was cut out of its spectrogram: first frame and number of frames, before stretching."""

    start: float
    length: float


def draw_cut(rng: np.random.Generator, *, n_frames: int, frames: int, stretch: float) -> Cut:
    """Draw a place and a tempo for a patch of `frames` out of `n_frames`."""
    limit = np.log1p(stretch)
    length = min(frames * float(np.exp(rng.uniform(-limit, limit))), float(n_frames))
    return Cut(start=float(rng.uniform(0.0, n_frames - length)), length=length)


def take(spectrogram: NDArray[Any], *, cut: Cut, frames: int) -> Patch:
    """Cut a patch out of a spectrogram and stretch it to `frames`, each the nearest of the spectrogram's.

    None is made from two: frames lie far apart and share little, so that the mean of two is smoother than
    what the network hears when it serves.

    Parameters
    ----------
    spectrogram : np.ndarray [shape=(n_mels, n_frames)]
        8 bit, or floating point in [0, 1].
    cut : Cut
        The place.
    frames : int
        Width of the patch.

    Returns
    -------
    np.ndarray [shape=(n_mels, frames), dtype=float32]
        In [0, 1], spread over that range again: minimum 0, maximum 1.
    """
    times = cut.start + (np.arange(frames) + 0.5) * (cut.length / frames) - 0.5
    times = np.clip(times, 0.0, spectrogram.shape[1] - 1)
    return rescale(spectrogram[:, (times + 0.5).astype(np.intp)].astype(np.float32))


def rescale(patch: Patch) -> Patch:
    """Spread a patch over [0, 1]; one without any contrast becomes 0."""
    low, high = float(patch.min()), float(patch.max())
    return np.zeros_like(patch) if high <= low else (patch - low) / np.float32(high - low)


def disturb(patches: Patch, *, rng: np.random.Generator, how: Augmentation) -> Patch:
    """Change patches at random, each in its own way.

    Parameters
    ----------
    patches : np.ndarray [shape=(batch, n_mels, frames), dtype=float32]
        In [0, 1], where 1 stands for `RANGE_DB` above 0.
    rng : np.random.Generator
        Where chance comes from.
    how : Augmentation
        Which changes, how strong.

    Returns
    -------
    np.ndarray [shape=(batch, n_mels, frames), dtype=float32]
        In [0, 1].
    """
    n, n_mels, _ = patches.shape
    x: Any = patches
    if how.roll:
        shifts = np.asarray(rng.integers(-how.roll, how.roll + 1, n))
        bands = np.clip(np.arange(n_mels) - shifts[:, None], 0, n_mels - 1)
        x = np.take_along_axis(x, bands[:, :, None], axis=1)
    if how.contrast:
        factor = rng.uniform(1.0 - how.contrast, 1.0 + how.contrast, (n, 1, 1)).astype(np.float32)
        x = 1.0 - (1.0 - x) * factor
    if how.equaliser_db:
        x = x + _smooth_curves(rng, n=n, n_mels=n_mels)[:, :, None] * np.float32(how.equaliser_db / RANGE_DB)
    if how.low_pass:
        edge = np.where(rng.random(n) < how.low_pass, rng.integers(n_mels * 5 // 8, n_mels, n), n_mels)
        x = np.where(np.arange(n_mels)[:, None] >= edge[:, None, None], np.float32(0.0), x)
    if how.noise_floor:
        floor = np.where(rng.random(n) < how.noise_floor, rng.uniform(0.0, 0.4, n), 0.0).astype(np.float32)
        hiss = floor[:, None, None] * rng.uniform(0.85, 1.0, x.shape).astype(np.float32)
        x = np.maximum(x, hiss)
    x = np.clip(x, 0.0, 1.0).astype(np.float32, copy=False)
    return _mask(x, rng=rng, how=how)


def mixing_weights(rng: np.random.Generator, *, n: int, alpha: float) -> NDArray[np.float32]:
    """Draw each sample's own share of a mix with another one, at least one half."""
    if not alpha:
        return np.ones(n, np.float32)
    share = rng.beta(alpha, alpha, n)
    return np.maximum(share, 1.0 - share).astype(np.float32)


def _smooth_curves(rng: np.random.Generator, *, n: int, n_mels: int, terms: int = 6) -> NDArray[np.float32]:
    """Draw curves over the mel axis of unit variance: a few cosines, the slow ones strongest."""
    order = np.arange(1, terms + 1)
    basis = np.cos(np.pi * order[:, None] * (np.arange(n_mels) + 0.5) / n_mels)
    strength = 1.0 / order
    strength = strength * np.sqrt(2.0 / np.sum(strength**2))
    return np.asarray((rng.standard_normal((n, terms)) * strength) @ basis, np.float32)


def _mask(x: Patch, *, rng: np.random.Generator, how: Augmentation) -> Patch:
    """Put each patch's mean in place of one span of frames and one of bands."""
    n, n_mels, frames = x.shape
    mean = x.mean(axis=(1, 2), keepdims=True)
    for widest, size, axis in ((how.time_mask, frames, 2), (how.mel_mask, n_mels, 1)):
        if not widest:
            continue
        width = rng.integers(0, widest + 1, n)
        first = (rng.random(n) * (size - width + 1)).astype(np.intp)
        place = np.arange(size)
        hidden = (place >= first[:, None]) & (place < (first + width)[:, None])
        x = np.where(hidden[:, None, :] if axis == 2 else hidden[:, :, None], mean, x)
    return x
