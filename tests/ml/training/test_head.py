"""The last layer fitted once more says what stated genres ask for; nothing else of a network changes."""

import numpy as np
import pytest
from small import SMALL, in_bands

from genretagd.ml.training import head, loop, network

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
linear_model = pytest.importorskip("sklearn.linear_model")


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return network.build_default(n_outputs=3, n_teacher=5, **SMALL)


@pytest.mark.parametrize("labels", [2, 3])
def test_the_fitted_weights_are_those_of_the_regression_on_features_as_they_are(labels):
    rng = np.random.default_rng(0)
    y = np.arange(60) % labels
    features = (rng.normal(size=(60, 4)) * [1, 5, 0.1, 2] + y[:, None] + 3).astype(np.float32)
    share = rng.uniform(0.5, 2.0, 60)
    kernel, bias = head._fit(features, y, share)
    logits = features @ kernel + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.maximum(spread, head.LEAST_SPREAD * np.median(spread))
    wanted = linear_model.LogisticRegression(C=head.STRENGTH, max_iter=2000)
    wanted.fit(scaled, y, sample_weight=share / share.mean())
    np.testing.assert_allclose(
        odds / odds.sum(axis=1, keepdims=True), wanted.predict_proba(scaled), atol=1e-3
    )


def test_a_unit_that_one_track_wakes_gets_no_larger_a_weight_than_others_and_a_dead_one_none():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    features = (rng.normal(size=(200, 6)) + y[:, None]).astype(np.float32)
    features[:, 4] = 0.0
    features[7, 4] = 0.01
    features[:, 5] = 0.0
    kernel, bias = head._fit(features, y, np.ones(200))
    largest = np.abs(kernel).max(axis=1)
    assert 0 < largest[4] < largest[:4].min()
    assert largest[5] == 0
    assert np.isfinite(bias).all()


def test_units_that_never_move_leave_the_share_of_each_label():
    kernel, bias = head._fit(np.ones((6, 3), np.float32), np.array([0, 0, 0, 0, 1, 1]), np.ones(6))
    assert np.abs(kernel).max() == 0
    assert bias[0] - bias[1] == pytest.approx(np.log(2), abs=1e-3)


def test_only_the_last_layer_changes_and_tells_the_genres_apart(model):
    before = {layer.name: layer.get_weights() for layer in model.layers}
    labels = np.arange(90) % 3
    stated = in_bands(labels, n_outputs=3)
    head.refit(model, stated, share=1.0)
    changed = [
        layer.name
        for layer in model.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights(), strict=True))
    ]
    assert changed == ["genre"]
    assert (loop.track_logits(model, stated.pictures, frames=32).argmax(axis=1) == labels).mean() > 0.9


def test_fitted_and_trained_weights_are_mixed_by_their_share(model):
    trained = model.get_layer("genre").get_weights()
    stated = in_bands(np.arange(30) % 3, n_outputs=3)
    head.refit(model, stated, share=1.0)
    fitted = model.get_layer("genre").get_weights()
    model.get_layer("genre").set_weights(trained)
    head.refit(model, stated, share=0.25)
    for mixed, before, after in zip(model.get_layer("genre").get_weights(), trained, fitted, strict=True):
        np.testing.assert_allclose(mixed, 0.75 * before + 0.25 * after, atol=1e-6)


def test_a_label_without_tracks_leaves_everything_as_it_was(model):
    before = model.get_layer("genre").get_weights()
    head.refit(model, in_bands(np.arange(30) % 2, n_outputs=3), share=0.5)
    for kept, was in zip(model.get_layer("genre").get_weights(), before, strict=True):
        np.testing.assert_array_equal(kept, was)
