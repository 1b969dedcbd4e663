"""The two networks: the seed's picture network and the small default one, in backend-neutral Keras 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

GENRE_OUTPUT: Final = "genre"
TEACHER_OUTPUT: Final = "teacher"
EMBEDDING: Final = "embedding"
TRUNK_END: Final = "moments"

DEFAULT_CHANNELS: Final = (16, 40, 64, 128, 256)
DEFAULT_BLOCKS: Final = ((64, 64), (112, 112, 112, 112))
DEFAULT_EMBEDDING: Final = 256
TEACHER_STRIDE: Final = 16


def build_seed(*, n_outputs: int, size: int = 128) -> Any:
    """Build the seed network: two convolutions over a coloured spectrogram picture and a large dense layer.

    ==============  ==================  ===========
    layer           output              parameters
    ==============  ==================  ===========
    convolution 32  (size, size, 32)            896
    max pooling     (size/2, size/2, 32)          0
    convolution 64  (size/2, size/2, 64)     18,496
    max pooling     (size/4, size/4, 64)          0
    dense 128       (128,)                8,388,736
    dropout         (128,)                        0
    dense           (n_outputs,)      129 n_outputs
    ==============  ==================  ===========

    Parameters
    ----------
    n_outputs : int
        Number of logits.
    size : int
        Height and width of the picture in pixels.

    Returns
    -------
    keras.Model
        From `[shape=(batch, size, size, 3)]` in [0, 1] to a dict with the logits `[shape=(batch, n_outputs)]`
        under ``"genre"``.
    """
    from keras import Model, layers

    inputs = layers.Input((size, size, 3), name="patch")
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2, name=TRUNK_END)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu", name=EMBEDDING)(x)
    x = layers.Dropout(0.5)(x)
    logits = layers.Dense(n_outputs, dtype="float32", name=GENRE_OUTPUT)(x)
    return Model(inputs, {GENRE_OUTPUT: logits}, name="seed")


def build_default(
    *,
    n_outputs: int,
    n_teacher: int = 0,
    n_mels: int = 128,
    frames: int = 128,
    channels: Sequence[int] = DEFAULT_CHANNELS,
    blocks: Sequence[Sequence[int]] = DEFAULT_BLOCKS,
    embedding: int = DEFAULT_EMBEDDING,
    dropout: float = 0.3,
) -> Any:
    """Build the default network: plain convolutions, under 2 M parameters.

    The patch is first made independent of gain and contrast (zero mean, unit variance over the whole
    patch) and given a second channel from which each mel band's own mean over time is taken away, so that
    a collection's equalisation need not be learnt. Convolutions then reduce time and frequency by 16, with
    residual blocks at a quarter, an eighth and a sixteenth of the resolution, the deeper ones with a
    bottleneck (He et al. 2016); a kernel as high as what is left of the frequency axis keeps apart what
    happens in low and high bands, and yields one vector for every 16 frames. The teacher's targets are
    predicted from each of them, the genre from their mean and maximum over time together with the mean of
    the predicted targets.

    Parameters
    ----------
    n_outputs : int
        Number of genre logits, outside labels included.
    n_teacher : int
        Size of a teacher's target vector; 0 for no teacher output.
    n_mels, frames : int
        Height and width of a patch, multiples of 16.
    channels : sequence of int
        Channels of the five convolutions outside the residual blocks. The first two work on the largest
        images and cost most time for what they are worth: few are enough.
    blocks : sequence of sequence of int
        Channels of the bottlenecks, of each block at an eighth and at a sixteenth of the resolution.
    embedding : int
        Size of the vector of 16 frames.
    dropout : float
        Share of the embedding dropped while training.

    Returns
    -------
    keras.Model
        From `[shape=(batch, n_mels, frames, 1)]` in [0, 1] to a dict: the logits `[shape=(batch, n_outputs)]`
        under ``"genre"`` and, where there is a teacher, `[shape=(batch, frames / 16, n_teacher)]` under
        ``"teacher"``.
    """
    from keras import Model, layers, ops

    inputs = layers.Input((n_mels, frames, 1), name="patch")
    level = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-4, name="level")(
        inputs
    )
    steady = ops.mean(level, axis=2, keepdims=True)
    x = layers.Concatenate(name="two_views")([level, level - steady])
    first, second, third, *deeper = channels
    x = _convolve(x, first, size=5, strides=2, name="conv1")
    x = _convolve(x, second, strides=2, name="conv2")
    x = _convolve(x, third, name="conv3")
    x = _refine(x, name="block3")
    for depth, (filters, bottlenecks) in enumerate(zip(deeper, blocks, strict=True), start=4):
        x = layers.MaxPooling2D(2)(x)
        x = _convolve(x, filters, name=f"conv{depth}")
        for index, narrow in enumerate(bottlenecks, start=1):
            x = _refine(x, narrow=narrow, name=f"block{depth}_{index}")
    x = _convolve(x, embedding, size=(x.shape[1], 1), padding="valid", name="bands")
    steps = layers.Reshape((x.shape[2], embedding), name="steps")(x)
    moments = layers.Concatenate(name=TRUNK_END)([ops.mean(steps, axis=1), ops.max(steps, axis=1)])
    parts = []
    outputs = {}
    if n_teacher:
        taught = layers.Dense(n_teacher, dtype="float32", kernel_initializer=_small(), name=TEACHER_OUTPUT)(
            layers.Dropout(dropout / 3)(steps)
        )
        outputs[TEACHER_OUTPUT] = taught
        parts.append(ops.mean(taught, axis=1))
    x = layers.Dropout(dropout)(moments)
    x = layers.Dense(embedding, activation="relu", kernel_initializer=_small(), name=EMBEDDING)(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Concatenate(name="evidence")([x, *parts]) if parts else x
    outputs[GENRE_OUTPUT] = layers.Dense(
        n_outputs, dtype="float32", kernel_initializer=_small(), name=GENRE_OUTPUT
    )(x)
    return Model(inputs, outputs, name="default")


def transfer(source: Any, target: Any) -> list[str]:
    """Copy the weights of every layer that both networks have by name and shape.

    Returns the names of the layers of `target` that kept their own initial weights: the heads, where the
    labels or teachers differ.
    """
    known = {layer.name: layer for layer in source.layers}
    fresh = []
    for layer in target.layers:
        if not layer.weights:
            continue
        given = known.get(layer.name)
        if given is not None and [w.shape for w in given.weights] == [w.shape for w in layer.weights]:
            layer.set_weights(given.get_weights())
        else:
            fresh.append(str(layer.name))
    return fresh


def freeze_trunk(model: Any) -> None:
    """Hold every layer up to the trunk's end as it is, for fitting a new head in minutes."""
    for layer in model.layers:
        layer.trainable = False
        if layer.name == TRUNK_END:
            return
    raise ValueError(f"{model.name}: no layer named {TRUNK_END}")


def _convolve(
    x: Any,
    filters: int,
    *,
    name: str,
    size: int | tuple[int, int] = 3,
    strides: int = 1,
    padding: str = "same",
    first_scale: str = "ones",
    rectify: bool = True,
) -> Any:
    """Convolve, normalise the batch, rectify."""
    from keras import layers

    x = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=_small(),
        name=name,
    )(x)
    x = layers.BatchNormalization(momentum=0.95, gamma_initializer=first_scale, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if rectify else x


def _refine(x: Any, *, name: str, narrow: int | None = None) -> Any:
    """Add what convolutions make of `x` to it, with a bottleneck or without; they begin with nothing."""
    from keras import layers

    filters = x.shape[-1]
    if narrow is None:
        change = _convolve(x, filters, name=f"{name}_in")
        last = 3
    else:
        change = _convolve(x, narrow, size=1, name=f"{name}_in")
        change = _convolve(change, narrow, name=f"{name}_mid")
        last = 1
    change = _convolve(change, filters, size=last, name=f"{name}_out", first_scale="zeros", rectify=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=name)([x, change]))


def _small() -> Any:
    """Return the initialiser of all weights: a uniform one of variance 1/3 over the fan-in.

    It is smaller than Keras' own, so that the first steps change more; batches are normalised after each
    convolution. The teachers' opinions are learnt faster and better from there.
    """
    from keras import initializers

    return initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")
