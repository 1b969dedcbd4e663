"""From decoded frames of any kind to one mono float32 waveform at the wanted rate, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Channels = Sequence[npt.NDArray[Any]]

BLOCK_SAMPLES: Final = 1 << 16
"""So many samples are converted and resampled at a time."""

_TYPES: Final[dict[str, type[np.generic]]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
"""FFmpeg's sample formats; a "p" at the end of the name stands for planes."""

LISTED_PLANES: Final = 8
"""FFmpeg's AV_NUM_DATA_POINTERS."""

LOUDEST: Final = 16.0
"""Float formats may exceed full scale, damaged ones without end."""


class Waveform:
    """Collects pieces of frames and gives them back as one waveform.

    Channels are averaged, as `librosa.to_mono` does: FFmpeg's own down-mix weighs integer and float formats
    differently. The result is as long as what went in, to the sample.

    Parameters
    ----------
    rate : int
        Sample rate of the frames in Hz.
    sr : int
        Sample rate of the result in Hz.
    """

    def __init__(self, *, rate: int, sr: int) -> None:
        self._rate = rate
        self._sr = sr
        self._resampler: Any = None
        self._waiting: list[Channels] = []
        self._waiting_samples = 0
        self._samples = 0
        self._done: list[FloatArray] = []

    def add(self, frame: Any, first: int, last: int) -> None:
        """Take the samples `first` to `last` of a PyAV frame."""
        piece = [channel[first:last] for channel in channels_of(frame)]
        if self._waiting and not _alike(self._waiting[0], piece):
            self._convert()
        self._waiting.append(piece)
        self._waiting_samples += last - first
        if self._waiting_samples >= BLOCK_SAMPLES:
            self._convert()

    def finish(self) -> FloatArray:
        """Return the waveform `[shape=(n,)]`."""
        if self._waiting:
            self._convert()
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
        result = np.concatenate(self._done) if self._done else np.empty(0, np.float32)
        wanted = round(self._samples * self._sr / self._rate)
        if result.size < wanted:
            result = np.pad(result, (0, wanted - result.size))
        return result[:wanted]

    def _convert(self) -> None:
        block = to_mono([np.concatenate(pieces) for pieces in zip(*self._waiting, strict=True)])
        self._waiting, self._waiting_samples = [], 0
        self._samples += block.size
        if self._rate == self._sr:
            self._done.append(block)
            return
        import av  # noqa: PLC0415 - open already

        if self._resampler is None:
            self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=self._sr)
        frame = av.AudioFrame.from_ndarray(block[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = self._rate
        self._keep(self._resampler.resample(frame))

    def _keep(self, frames: list[Any]) -> None:
        self._done.extend(frame.to_ndarray()[0] for frame in frames)


def channels_of(frame: Any) -> Channels:
    """Return a PyAV frame's samples as they are, each channel `[shape=(n,)]`.

    What `frame.to_ndarray` does, without its checks and without a copy: a thousand times per excerpt that is
    most of what is not decoding.
    """
    name, samples, channels = frame.format.name, int(frame.samples), int(frame.layout.nb_channels)
    kind = _TYPES[name.rstrip("p")]
    if name.endswith("p"):
        return [np.frombuffer(plane, kind, samples) for plane in _planes(frame, channels)]
    return list(np.frombuffer(frame.planes[0], kind, samples * channels).reshape(samples, channels).T)


def _planes(frame: Any, channels: int) -> Sequence[Any]:
    """Return the planes of a frame that has one for each channel.

    Where there are `LISTED_PLANES` or more, PyAV takes what lies behind the list of their addresses for
    further ones, and to read there ends the process.
    """
    if channels < LISTED_PLANES:
        return frame.planes  # type: ignore[no-any-return]
    from av.audio.plane import AudioPlane  # noqa: PLC0415 - open already

    return [AudioPlane(frame, index) for index in range(channels)]


def _alike(one: Channels, other: Channels) -> bool:
    """Say whether two pieces are of as many channels and of one type."""
    return len(one) == len(other) and one[0].dtype == other[0].dtype


def to_mono(channels: Channels) -> FloatArray:
    """Return the mean of all channels.

    Parameters
    ----------
    channels : sequence of np.ndarray [shape=(n,)]
        uint8, int16, int32, int64, float32 or float64; full scale is what the type holds, or 1.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        Full scale at 1, nothing but finite numbers.
    """
    kind = channels[0].dtype
    exact = np.float32 if kind.itemsize <= 2 or kind == np.float32 else np.float64
    mono: npt.NDArray[Any] = channels[0].astype(exact)
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of infinities is put right below
        for channel in channels[1:]:
            mono += channel
    if len(channels) > 1:
        mono /= len(channels)
    if kind.kind == "u":
        mono -= 128.0
        mono /= 128.0
    elif kind.kind == "i":
        mono *= 2.0 ** (1 - 8 * kind.itemsize)
    else:
        if not np.isfinite(mono).all():
            np.nan_to_num(mono, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(mono, -LOUDEST, LOUDEST, out=mono)
    return mono.astype(np.float32, copy=False)
