"""The networks have the shapes and sizes that are documented."""

import numpy as np
import pytest
from small import SMALL

from genretagd.ml.training import network

keras = pytest.importorskip("keras")


def test_the_seed_network_has_the_documented_parameters():
    model = network.build_seed(n_outputs=10)
    counts = [layer.count_params() for layer in model.layers if layer.count_params()]
    assert counts == [896, 18_496, 8_388_736, 1_290]


def test_the_default_network_is_small_and_made_of_plain_convolutions():
    model = network.build_default(n_outputs=14, n_teacher=114)
    assert model.count_params() < 2_000_000
    assert not [layer for layer in model.layers if "Depthwise" in type(layer).__name__]
    assert model.output["genre"].shape == (None, 14)
    assert model.output["teacher"].shape == (None, 8, 114)


def test_a_residual_block_begins_with_changing_nothing():
    model = network.build_default(n_outputs=3, **SMALL)
    patches = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    for first, last in (("conv3", "block3"), ("conv4", "block4_1"), ("conv5", "block5_2")):
        before, after = (model.get_layer(f"{name}_relu").output for name in (first, last))
        given, made = keras.Model(model.input, [before, after])(patches, training=False)
        assert np.asarray(given).any()
        np.testing.assert_array_equal(given, made)


def test_gain_and_contrast_change_nothing_for_the_default_network():
    model = network.build_default(n_outputs=3, **SMALL)
    patches = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    first = np.asarray(model(patches, training=False)["genre"])
    second = np.asarray(model(patches * 0.5 + 0.3, training=False)["genre"])
    np.testing.assert_allclose(first, second, atol=5e-2)


def test_a_silent_patch_gives_finite_logits():
    model = network.build_default(n_outputs=3, **SMALL)
    assert np.isfinite(np.asarray(model(np.zeros((1, 32, 32, 1), np.float32), training=False)["genre"])).all()


def test_a_trunk_is_carried_over_to_other_labels():
    source = network.build_default(n_outputs=3, n_teacher=5, **SMALL)
    target = network.build_default(n_outputs=7, n_teacher=5, **SMALL)
    assert network.transfer(source, target) == ["genre"]
    kernel = target.get_layer("conv3").get_weights()[0]
    np.testing.assert_array_equal(kernel, source.get_layer("conv3").get_weights()[0])


def test_a_frozen_trunk_leaves_the_heads_to_be_fitted():
    model = network.build_default(n_outputs=3, **SMALL)
    network.freeze_trunk(model)
    trained = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert trained == {"embedding", "genre"}
