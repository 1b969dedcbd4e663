"""Make tests/data/tiny-bundle: a model bundle with random weights, for tests that need any model at all.

Needs `genretagd[train]`; run from the project's root: ``python tests/data/make_tiny_bundle.py``.
"""

import io
from pathlib import Path

import keras
import librosa
import numpy as np
import tensorflow as tf

from genretagd.ml.bundle import Bundle, ExcerptChoice, Thresholds, write_bundle
from genretagd.ml.frontend import FrontEnd, PatchGeometry

LABELS = ("Classical", "Jazz", "Metal")
OUTSIDE = ("Speech",)
FRONT_END = FrontEnd(sr=11025, n_fft=512, hop_length=512, n_mels=16)
PATCH = PatchGeometry(frames=32, per_excerpt=2)


def as_npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def main() -> None:
    keras.utils.set_random_seed(7)
    inputs = keras.layers.Input((FRONT_END.n_mels, PATCH.frames, 1), name="patch")
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = keras.layers.Flatten()(x)
    logits = keras.layers.Dense(len(LABELS) + len(OUTSIDE), kernel_initializer="random_normal")(x)
    model = keras.Model(inputs, logits)
    converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    basis = librosa.filters.mel(sr=FRONT_END.sr, n_fft=FRONT_END.n_fft, n_mels=FRONT_END.n_mels)
    write_bundle(
        Path(__file__).parent / "tiny-bundle",
        Bundle(
            name="tiny",
            version="1",
            labels=LABELS,
            outside_labels=OUTSIDE,
            front_end=FRONT_END,
            excerpts=ExcerptChoice(count=2, seconds=2.0),
            patch=PATCH,
            thresholds=Thresholds(min_confidence=0.4),
            metrics={"accuracy": {"value": 0.33, "low": 0.2, "high": 0.5}},
            data={"tracks": 0},
            licence="random weights, good for nothing but tests",
        ),
        files={"model.tflite": converted, "mel.npy": as_npy(basis)},
    )


if __name__ == "__main__":
    main()
