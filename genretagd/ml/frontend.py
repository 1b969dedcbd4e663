"""From a waveform to log-mel spectrograms, pictures and patches, in numpy only.

The parameters bear librosa's names and mean what they mean there; the mel filter bank itself comes out of
the model bundle. `log_mel` gives what this gives, to 0.01 dB::

    S = librosa.feature.melspectrogram(y=waveform, sr=..., n_fft=..., hop_length=..., ...)
    librosa.power_to_db(S, ref=np.max, top_db=...)

Spectrograms have shape (n_mels, frames) with the lowest band first. A *picture* is the same thing as
images are kept: uint8, the highest band in the top row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
PictureArray = npt.NDArray[np.uint8]

AMIN: Final = 1e-10
"""The least power that is told from silence, as in `librosa.power_to_db`."""

BLOCK_FRAMES: Final = 16
"""So many frames are transformed at a time: what that takes fits into the processor's cache, and is small
enough for the allocator to keep, which saves half of the time.
"""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How a spectrogram is made.

    Attributes
    ----------
    sr : int
        Sample rate in Hz.
    n_fft : int
        Length of a frame in samples.
    hop_length : int
        Distance of frames in samples.
    n_mels : int
        Number of mel bands.
    fmin, fmax : float
        Lowest and highest frequency in Hz; an `fmax` of None is half the sample rate.
    power : float
        Exponent of the magnitude: 2 is power.
    top_db : float
        Range in dB below the excerpt's own maximum; what is quieter is raised to its lower end.
    window : str
        Window over a frame; ``"hann"``, periodic, is the one we have.
    center : bool
        Whether frame `t` is centred at sample ``t * hop_length``, with silence before and after.
    scaling : str
        From dB to [0, 1]: ``"min-max"`` per excerpt is the one we have.
    filter_bank : str
        The bundle's file with the mel filter bank, of shape (n_mels, 1 + n_fft // 2).
    """

    sr: int = 22050
    n_fft: int = 2048
    hop_length: int = 1708
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    power: float = 2.0
    top_db: float = 80.0
    window: str = "hann"
    center: bool = True
    scaling: str = "min-max"
    filter_bank: str = "mel.npy"

    def frames_in(self, samples: int) -> int:
        """Return how many frames a waveform of so many samples gives."""
        if self.center:
            return 1 + samples // self.hop_length
        return max(0, 1 + (samples - self.n_fft) // self.hop_length)


@dataclass(frozen=True, slots=True)
class PatchGeometry:
    """How a spectrogram is cut into what the network takes.

    Attributes
    ----------
    frames : int or None
        Width of a patch in frames; None takes the whole excerpt.
    per_excerpt : int
        So many patches, evenly spread over an excerpt; fewer where it has fewer positions.
    resize_to : (int, int) or None
        Height and width that each patch is brought to, bilinearly.
    colormap : str or None
        The bundle's file with a colour map of shape (256, 3), uint8; None keeps one channel.
    """

    frames: int | None = 128
    per_excerpt: int = 3
    resize_to: tuple[int, int] | None = None
    colormap: str | None = None


def log_mel(waveform: FloatArray, *, front_end: FrontEnd, mel_basis: FloatArray) -> FloatArray:
    """Compute the log-mel spectrogram of a waveform.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n,)]
        Samples at ``front_end.sr``.
    front_end : FrontEnd
        The parameters.
    mel_basis : np.ndarray [shape=(n_mels, 1 + n_fft // 2)]
        The filter bank as ``librosa.filters.mel`` gives it.

    Returns
    -------
    np.ndarray [shape=(n_mels, frames), dtype=float32]
        dB relative to the excerpt's maximum, in [-top_db, 0].
    """
    n_fft = front_end.n_fft
    samples = np.asarray(waveform, dtype=np.float32)
    if front_end.center:
        samples = np.pad(samples, n_fft // 2)
    if samples.size < n_fft:
        return np.empty((front_end.n_mels, 0), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[:: front_end.hop_length]
    energy = np.empty((n_fft // 2 + 1, frames.shape[0]), np.float32)
    window = _hann(n_fft)
    for first in range(0, frames.shape[0], BLOCK_FRAMES):
        spectrum = np.fft.rfft(frames[first : first + BLOCK_FRAMES] * window, axis=-1)
        block = np.square(spectrum.real) + np.square(spectrum.imag)
        if front_end.power != 2.0:
            block **= front_end.power / 2.0
        energy[:, first : first + BLOCK_FRAMES] = block.T
    return _power_to_db(_mel_bands(energy, mel_basis), top_db=front_end.top_db)


def _mel_bands(energy: FloatArray, mel_basis: FloatArray) -> FloatArray:
    """Sum the energy `[shape=(bins, frames)]` of each band over the few bins that it has.

    A matrix product would do, but it starts threads that cost more than they give, and its last digits
    depend on how many there are.
    """
    mel = np.zeros((mel_basis.shape[0], energy.shape[1]), np.float32)
    for band, weights in zip(mel, np.asarray(mel_basis, np.float32), strict=True):
        used = np.flatnonzero(weights)
        if used.size:
            first, last = used[0], used[-1] + 1
            np.einsum("b,bf->f", weights[first:last], energy[first:last], out=band)
    return mel


def _hann(length: int) -> FloatArray:
    """Return the periodic Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length), dtype=np.float32)


def _power_to_db(power: FloatArray, *, top_db: float) -> FloatArray:
    level = np.float32(10.0) * np.log10(np.maximum(np.float32(AMIN), power))
    loudest = level.max()
    return np.asarray(np.maximum(level - loudest, np.float32(-top_db)), dtype=np.float32)


def scale(spectrogram: FloatArray) -> FloatArray:
    """Bring a spectrogram to [0, 1], its own minimum to 0 and its maximum to 1.

    Parameters
    ----------
    spectrogram : np.ndarray [shape=(n_mels, frames)]
        In dB.

    Returns
    -------
    np.ndarray [shape=(n_mels, frames), dtype=float32]
        All zeros where nothing differs.
    """
    lowest, highest = spectrogram.min(), spectrogram.max()
    if not highest > lowest:
        return np.zeros_like(spectrogram, dtype=np.float32)
    return np.asarray((spectrogram - lowest) / (highest - lowest), dtype=np.float32)


def to_picture(scaled: FloatArray) -> PictureArray:
    """Return a scaled spectrogram as a picture: 255 times its values, the highest band on top."""
    return np.asarray(np.rint(np.clip(scaled[::-1], 0.0, 1.0) * 255.0), dtype=np.uint8)


def from_picture(picture: PictureArray) -> FloatArray:
    """Return the scaled spectrogram that a picture shows, to half a step of 1/255."""
    return np.asarray(picture[::-1], dtype=np.float32) / np.float32(255.0)


def cut_patches(
    scaled: FloatArray, *, geometry: PatchGeometry, colormap: PictureArray | None = None
) -> FloatArray:
    """Cut a scaled spectrogram into the patches that a network takes.

    Parameters
    ----------
    scaled : np.ndarray [shape=(n_mels, frames)]
        In [0, 1], at least one frame.
    geometry : PatchGeometry
        How to cut. A spectrogram narrower than a patch is repeated until it fills one.
    colormap : np.ndarray [shape=(256, 3), dtype=uint8], optional
        Colours of the values 0..1; needed where the geometry names one.

    Returns
    -------
    np.ndarray [shape=(patches, height, width, channels), dtype=float32]
        In [0, 1], the lowest band first.
    """
    width = geometry.frames or scaled.shape[1]
    if scaled.shape[1] < width:
        scaled = np.take(scaled, np.arange(width), axis=1, mode="wrap")
    last = scaled.shape[1] - width
    spread = np.linspace(0, last, geometry.per_excerpt) if geometry.per_excerpt > 1 else [last // 2]
    starts = sorted({round(float(start)) for start in spread})
    patches = np.stack([scaled[:, start : start + width] for start in starts])
    if colormap is None:
        patches = patches[..., np.newaxis]
    else:
        indices = np.rint(np.clip(patches, 0.0, 1.0) * 255.0).astype(np.uint8)
        patches = colormap[indices].astype(np.float32) / np.float32(255.0)
    if geometry.resize_to is not None:
        patches = _resize(patches, *geometry.resize_to)
    return np.ascontiguousarray(patches, dtype=np.float32)


def _resize(patches: FloatArray, height: int, width: int) -> FloatArray:
    """Resize bilinearly with half-pixel centres and no smoothing, as image readers for training do."""
    result = _interpolate(patches, height, axis=1)
    return _interpolate(result, width, axis=2)


def _interpolate(values: FloatArray, size: int, *, axis: int) -> FloatArray:
    old = values.shape[axis]
    if old == size:
        return values
    at = np.clip((np.arange(size) + 0.5) * (old / size) - 0.5, 0.0, old - 1.0)
    left = np.floor(at).astype(np.intp)
    right = np.minimum(left + 1, old - 1)
    shape: list[Any] = [1] * values.ndim
    shape[axis] = size
    weight = (at - left).astype(np.float32).reshape(shape)
    mixed = np.take(values, left, axis=axis) * (1 - weight) + np.take(values, right, axis=axis) * weight
    return np.asarray(mixed, dtype=np.float32)
