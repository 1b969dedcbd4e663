"""From a trained Keras network to the LiteRT file that serving runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import ModelError
from genretagd.ml import runtime
from genretagd.ml.training import network

LARGEST_LOGIT_ERROR: Final = 0.05
"""By how much a file's logits may be off the network's, against its largest (1 at least)."""
LARGEST_QUANTISED_ERROR: Final = 0.2
"""The same for 8-bit weights: some 0.01 are usual, 0.4 once cost a network ten points of accuracy."""


def serving_network(model: Any) -> Any:
    """Return the part of a trained network that serving needs: float32, logits only, teacher outputs unused.

    Parameters
    ----------
    model : keras.Model
        From `network.build_default` or `network.build_seed`, trained in any precision.

    Returns
    -------
    keras.Model
        From `[shape=(batch, n_mels, frames, channels)]` to logits `[shape=(batch, n_outputs)]`.
    """
    import keras

    def in_float32(layer: Any) -> Any:
        config = layer.get_config()
        if "dtype" in config:
            config["dtype"] = "float32"
        return type(layer).from_config(config)

    uncompiled = keras.Model(model.inputs, model.output)
    copy = keras.models.clone_model(uncompiled, clone_function=in_float32)
    copy.set_weights(model.get_weights())
    return keras.Model(copy.inputs[0], copy.output[network.GENRE_OUTPUT], name=model.name)


def from_file(path: Path) -> bytes:
    """Convert a network that was saved as ``.keras``, as `to_tflite` does.

    TensorFlow alone has the converter: where Keras runs on another backend, another process does it.

    Raises
    ------
    ModelError
        It cannot be converted.
    """
    with runtime.without_notices():
        import keras

    if keras.backend.backend() == "tensorflow":
        return to_tflite(keras.saving.load_model(path, compile=False))
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-P", "-m", __name__, path],
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [str(done.returncode)]
        raise ModelError(f"{path}: cannot be converted by TensorFlow: {said[-1]}")
    return done.stdout


def to_tflite(model: Any, *, quantise: bool = True, seed: int = 0) -> bytes:
    """Convert a trained network to a LiteRT flat buffer, and hold its outputs to the network's own.

    Weights are stored as 8-bit integers with a scale per channel and activations are quantised as they come
    (dynamic range quantisation), which runs convolutions about three times as fast as
    floating point on processors with integer dot products and makes the file a quarter of the size. Where
    that would change what the network says (`LARGEST_QUANTISED_ERROR`) they stay in floating point.

    Parameters
    ----------
    model : keras.Model
        From `network.build_default` or `network.build_seed`. The TensorFlow backend is needed.
    quantise : bool
        False for floating point weights.
    seed : int
        Of the random patches that outputs are compared on.

    Returns
    -------
    bytes
        With a fixed batch of one patch.

    Raises
    ------
    ModelError
        The backend is not TensorFlow, or the outputs differ even in floating point.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            "export: the LiteRT converter needs the TensorFlow backend, set KERAS_BACKEND=tensorflow"
        )
    serving = serving_network(model)
    patches = _plausible_patches((1, *serving.input.shape[1:]), seed=seed)
    expected = np.asarray(serving(patches, training=False))
    scale = max(1.0, float(np.abs(expected).max()))

    def error(content: bytes) -> float:
        return float(np.abs(runtime.run(runtime.load(content), patches) - expected).max())

    if quantise:
        in_8_bits = _convert(serving, quantise=True)
        if error(in_8_bits) <= LARGEST_QUANTISED_ERROR * scale:
            return in_8_bits
    content = _convert(serving, quantise=False)
    found, limit = error(content), LARGEST_LOGIT_ERROR * scale
    if not found <= limit:
        raise ModelError(f"export: logits are {found:.3g} off the network's (limit {limit:.3g})")
    return content


def _convert(serving: Any, *, quantise: bool) -> bytes:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = (1, *serving.input.shape[1:])
    traced = tf.function(lambda patch: serving(patch, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32, name="patch")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [convert_variables_to_constants_v2(traced)], serving
    )
    if quantise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def in_8_bits(content: bytes) -> bool:
    """Say whether a LiteRT flat buffer holds weights of 8 bits."""
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=content, num_threads=1).get_tensor_details()
    return any(tensor["dtype"] == np.int8 for tensor in details)


def _plausible_patches(shape: tuple[int, ...], *, seed: int) -> NDArray[np.float32]:
    """Make patches with the slope and the steadiness of music: more in the low bands, slow in time."""
    rng = np.random.default_rng(seed)
    _, n_mels, frames, channels = shape
    slope = np.linspace(0.9, 0.2, n_mels)[:, None]
    bands = np.cumsum(rng.normal(0.0, 0.03, (4, n_mels, 1)), axis=1)
    beats = 0.15 * np.cos(rng.uniform(0.2, 1.5, (4, 1, 1)) * np.arange(frames))
    noise = rng.normal(0.0, 0.08, (4, n_mels, frames))
    patches = np.clip(slope + bands + beats + noise, 0.0, 1.0).astype(np.float32)
    return np.repeat(patches[..., None], channels, axis=-1)


if __name__ == "__main__":
    sys.stdout.buffer.write(from_file(Path(sys.argv[1])))
