"""From a file to calibrated probabilities: excerpts, log-mel spectrograms, patches, logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from genretagd.domain import SHORTEST_SECONDS, SILENCE_DBFS, Prediction
from genretagd.ml.bundle import DEFAULT, Bundle, load_bundle
from genretagd.ml.decode import read_excerpts
from genretagd.ml.frontend import FloatArray, cut_patches, log_mel, scale
from genretagd.ml.runtime import Network

PAUSE_DB: Final = 50.0
"""An excerpt whose peak lies so far below the loudest one's is a pause, like that before a hidden track."""


class Classifier:
    """Says what a track sounds like; keeps the model in memory from the first prediction on.

    Parameters
    ----------
    bundle : Bundle
        The model bundle.
    excerpts : int, optional
        Excerpts per track; None takes the bundle's own number.
    """

    def __init__(self, bundle: Bundle, *, excerpts: int | None = None) -> None:
        self.bundle = bundle
        self._count = excerpts or bundle.excerpts.count
        self._network = Network(bundle)
        self._mel_basis = bundle.mel_basis()
        self._colormap = bundle.colormap()

    def predict(self, path: Path, /) -> Prediction:
        """Listen to a track.

        Parameters
        ----------
        path : Path
            The track.

        Returns
        -------
        Prediction
            With empty probabilities where the track is silent or shorter than half a second.

        Raises
        ------
        DecodeError
            The audio cannot be read.
        """
        front_end, choice = self.bundle.front_end, self.bundle.excerpts
        found = read_excerpts(path, sr=front_end.sr, count=self._count, seconds=choice.seconds)
        peaks = [float(np.abs(waveform).max()) for waveform in found.waveforms]
        peak_dbfs = 20.0 * math.log10(max(peaks)) if max(peaks) > 0.0 else -math.inf
        least = 10.0 ** (max(SILENCE_DBFS, peak_dbfs - PAUSE_DB) / 20.0)
        audible = [
            waveform
            for waveform, peak in zip(found.waveforms, peaks, strict=True)
            if peak > least and waveform.size >= SHORTEST_SECONDS * front_end.sr
        ]
        probabilities: dict[str, float] = {}
        outside = 0.0
        if audible:
            probabilities, outside = calibrated(self.track_logits(audible), bundle=self.bundle)
        return Prediction(
            probabilities=probabilities,
            outside=outside,
            seconds=found.seconds,
            peak_dbfs=peak_dbfs,
            model=self.bundle.identity,
            min_confidence=self.bundle.thresholds.min_confidence,
        )

    def track_logits(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Return the mean logits of a track over all patches of all its excerpts.

        Parameters
        ----------
        waveforms : sequence of np.ndarray [shape=(n,)]
            The excerpts, at the front end's sample rate.

        Returns
        -------
        np.ndarray [shape=(labels + outside_labels,), dtype=float32]
        """
        spectrograms = [
            scale(log_mel(waveform, front_end=self.bundle.front_end, mel_basis=self._mel_basis))
            for waveform in waveforms
        ]
        return self.spectrogram_logits(spectrograms)

    def spectrogram_logits(self, spectrograms: Sequence[FloatArray]) -> FloatArray:
        """Return the mean logits of a track from scaled spectrograms `[shape=(n_mels, frames)]`."""
        patches = np.concatenate(
            [
                cut_patches(spectrogram, geometry=self.bundle.patch, colormap=self._colormap)
                for spectrogram in spectrograms
            ]
        )
        return np.asarray(self._network.logits(patches).mean(axis=0), dtype=np.float32)


def calibrated(logits: FloatArray, *, bundle: Bundle) -> tuple[dict[str, float], float]:
    """Turn a track's logits into probabilities, by the formulas of docs/architecture.md.

    Parameters
    ----------
    logits : np.ndarray [shape=(labels + outside_labels,)]
        Mean over the track's patches.
    bundle : Bundle
        Whose labels and calibration hold.

    Returns
    -------
    probabilities : dict of str to float
        Per label; they sum to 1.
    outside : float
        Probability in [0, 1] that the track is none of the labels.
    """
    values = np.asarray(logits, dtype=np.float64)
    inside, beyond = values[: len(bundle.labels)], values[len(bundle.labels) :]
    tempered = inside / bundle.calibration.temperature
    probabilities = np.exp(tempered - _log_sum_exp(tempered))
    probabilities /= probabilities.sum()
    outside = 0.0
    if beyond.size:
        evidence = (_log_sum_exp(beyond) - _log_sum_exp(inside)) / bundle.calibration.outside_temperature
        outside = _sigmoid(evidence + bundle.calibration.outside_bias)
    return dict(zip(bundle.labels, probabilities.tolist(), strict=True)), outside


def _log_sum_exp(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    highest = float(values.max())
    return highest + math.log(float(np.exp(values - highest).sum()))


def _sigmoid(value: float) -> float:
    if value >= 0.0:
        return 1.0 / (1.0 + math.exp(-value))
    return math.exp(value) / (1.0 + math.exp(value))


def load_classifier(bundle: str | Path = DEFAULT, *, excerpts: int | None = None) -> Classifier:
    """Load a bundle and get it ready to listen.

    Parameters
    ----------
    bundle : str or Path
        A directory, or the word "default".
    excerpts : int, optional
        Excerpts per track; None takes the bundle's own number.

    Returns
    -------
    Classifier
        Whose `predict` may be called any number of times, from one thread.

    Raises
    ------
    ModelError
        There is no such bundle, or it cannot be believed.
    """
    return Classifier(load_bundle(bundle), excerpts=excerpts)
