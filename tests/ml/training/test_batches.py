"""Batches hold what their examples' shares and weights say."""

from types import SimpleNamespace

import numpy as np
import pytest

from genretagd.ml.training import augment, batches, network
from genretagd.ml.training.batches import Drawer, Examples

PATCHES_OF_32_FRAMES = SimpleNamespace(
    input=SimpleNamespace(shape=(None, 32, 32, 1)), output={network.GENRE_OUTPUT: None}
)


def drawer(examples, *, mixup=0.0):
    how = augment.Augmentation(mixup=mixup) if mixup else augment.NOTHING
    return Drawer(
        PATCHES_OF_32_FRAMES,
        examples,
        how=how,
        dress=batches.add_channel,
        batch_size=16,
        smoothing=0.1,
        seed=0,
    )


def examples(n, *, share=1.0, weight=1.0):
    pictures = np.random.default_rng(0).integers(0, 60, (n, 32, 80)).astype(np.uint8)
    genres = np.eye(2, dtype=np.float32)[np.arange(n) % 2] * np.float32(weight)
    return Examples(list(pictures), genres, np.broadcast_to(np.float32(share), n))


def test_tracks_are_drawn_as_often_as_their_share_says():
    share = np.where(np.arange(40) < 4, 5.0, 1.0).astype(np.float32)
    counts = np.bincount(drawer(examples(40, share=share)).epoch_order(0, steps=70), minlength=40)
    assert counts.sum() == 70 * 16
    assert counts[:4].mean() == pytest.approx(5 * counts[4:].mean(), rel=0.05)


def test_targets_keep_their_weight_when_smoothed_and_mixed():
    x, y = drawer(examples(16, weight=0.5), mixup=0.4).batch(np.arange(16), epoch=0, step=0)
    assert x.shape == (16, 32, 32, 1)
    np.testing.assert_allclose(y["genre"].sum(axis=1), 0.5, rtol=1e-5)


def test_a_batch_depends_on_its_epoch_and_step_alone():
    given = drawer(examples(16), mixup=0.4)
    first = given.batch(np.arange(16), epoch=1, step=2)
    given.batch(np.arange(16), epoch=3, step=0)
    again = given.batch(np.arange(16), epoch=1, step=2)
    other = given.batch(np.arange(16), epoch=1, step=3)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1]["genre"], again[1]["genre"])
    assert (first[0] != other[0]).any()
