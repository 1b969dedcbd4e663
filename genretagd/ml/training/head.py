"""The last layer, fitted once more when everything else is learnt."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.ml.training import loop, network
from genretagd.ml.training.batches import Examples, Floats

STRENGTH: Final = 0.01
"""Inverse of the regularisation: one over the variance that weights are expected to have."""
LEAST_SPREAD: Final = 0.25
"""Of the median spread of all units: one that moves less is scaled as if it moved so much.

A unit that only one track wakes would otherwise get a weight that outweighs all others, and makes the steps
too coarse in which all others are stored in 8 bits. `targets.fit_probe` meets no such units.
"""


def refit(model: Any, stated: Examples, *, share: float) -> None:
    """Fit the last layer of the default network to whole tracks, and mix it with what training left there.

    Training shows patches that are changed and mixed, and genres that are guessed from what teachers say.
    That teaches the layers before more than the last one, whose best weights for given features follow from
    the stated genres by convex optimisation (classifiers are retrained apart from the representation in
    Kang et al. 2020, "Decoupling Representation and Classifier for Long-Tailed Recognition").

    Parameters
    ----------
    model : keras.Model
        From `network.build_default`, trained; changed in place.
    stated : Examples
        Tracks with the genres that are stated of them, and how much each counts (`share`).
    share : float
        In [0, 1]: how much the fitted weights count against the trained ones.

    Notes
    -----
    Where not every output has a track nothing is changed: weights of both kinds could not be compared.
    """
    import keras

    labels = stated.genres.argmax(axis=1)
    n_outputs = stated.genres.shape[1]
    if len(np.unique(labels)) < n_outputs:
        return
    layer = model.get_layer(network.GENRE_OUTPUT)
    evidence = keras.Model(model.inputs[0], layer.input)
    heard = loop.track_means(
        lambda patches: evidence(patches, training=False),
        stated.pictures,
        frames=int(model.input.shape[2]),
    )
    fitted = _fit(heard, labels, stated.share)
    trained = layer.get_weights()
    layer.set_weights(
        [(1 - share) * before + share * after for before, after in zip(trained, fitted, strict=True)]
    )


def _fit(features: Floats, labels: NDArray[np.intp], share: Floats) -> tuple[Floats, Floats]:
    """Return weights and biases of a regularised multinomial logistic regression on features as they are."""
    from sklearn.linear_model import LogisticRegression

    centre = features.mean(axis=0, dtype=np.float64)
    spread = _spread(features)
    weights = np.asarray(share, np.float64) / np.mean(share, dtype=np.float64)
    found = LogisticRegression(C=STRENGTH, max_iter=2000).fit(
        (features - centre) / spread, labels, sample_weight=weights
    )
    rows, offsets = found.coef_, found.intercept_
    if len(rows) == 1:  # two labels: one's log-odds against the other
        rows, offsets = (np.concatenate([-value, value]) / 2 for value in (rows, offsets))
    kernel = (rows / spread).T
    return kernel.astype(np.float32), (offsets - centre @ kernel).astype(np.float32)


def _spread(features: Floats) -> NDArray[np.float64]:
    """Return each unit's standard deviation, at least `LEAST_SPREAD` of the median of those that move."""
    found = features.std(axis=0, dtype=np.float64)
    moving = found[found > 0]
    return np.maximum(found, LEAST_SPREAD * np.median(moving)) if len(moving) else np.ones_like(found)
