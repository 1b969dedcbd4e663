"""A network small enough to be trained in a test, and tracks that it can learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from genretagd.ml.training.batches import Examples

SMALL = {"n_mels": 32, "frames": 32, "channels": (4, 4, 8, 8, 8), "blocks": ((4,), (4, 4)), "embedding": 16}


def in_bands(labels: ArrayLike, *, n_outputs: int = 2, seed: int = 0) -> Examples:
    """Return tracks whose sound lies in a part of the bands that tells their label."""
    labels = np.asarray(labels)
    width = SMALL["n_mels"] // n_outputs
    pictures = np.random.default_rng(seed).integers(0, 60, (len(labels), SMALL["n_mels"], 80))
    for picture, label in zip(pictures, labels, strict=True):
        picture[width * label : width * label + width] += 180
    return Examples(
        list(pictures.astype(np.uint8)),
        np.eye(n_outputs, dtype=np.float32)[labels],
        np.ones(len(labels), np.float32),
    )
