"""Patches are cut and changed as recordings would change."""

import numpy as np
import pytest

from genretagd.ml.training import augment
from genretagd.ml.training.augment import NOTHING, Augmentation, Cut


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_patch_cut_without_stretching_is_the_spectrogram_itself():
    spectrogram = np.random.default_rng(0).integers(0, 256, (16, 60)).astype(np.uint8)
    patch = augment.take(spectrogram, cut=Cut(7, 32), frames=32)
    part = spectrogram[:, 7:39].astype(float)
    np.testing.assert_allclose(patch, (part - part.min()) / (part.max() - part.min()), atol=1e-6)
    assert patch.dtype == np.float32


@pytest.mark.parametrize("length", [20.0, 32.0, 47.5, 60.0])
def test_a_stretched_patch_still_has_its_width_and_range(length):
    spectrogram = np.random.default_rng(0).integers(0, 256, (16, 60)).astype(np.uint8)
    patch = augment.take(spectrogram, cut=Cut(0.0, length), frames=32)
    assert patch.shape == (16, 32)
    assert (patch.min(), patch.max()) == (0.0, 1.0)


def test_stretching_keeps_what_sounds_when():
    ramp = np.tile(np.arange(64, dtype=np.uint8), (4, 1))
    patch = augment.take(ramp, cut=Cut(0.0, 64.0), frames=32)
    np.testing.assert_allclose(patch[0], np.linspace(0, 1, 32), atol=1e-6)


@pytest.mark.parametrize("cut", [Cut(7.3, 32.0), Cut(6.5, 32.0), Cut(3.1, 41.7), Cut(0.0, 24.2)])
def test_every_frame_is_one_of_the_spectrograms_in_their_order(cut):
    spectrogram = np.random.default_rng(0).integers(0, 256, (16, 60)).astype(np.uint8)
    spectrogram[0, :], spectrogram[1, :] = 0, 255
    patch = augment.take(spectrogram, cut=cut, frames=32)
    frames = {column.tobytes(): place for place, column in enumerate(spectrogram.T)}
    places = [frames[np.rint(column * 255).astype(np.uint8).tobytes()] for column in patch.T]
    middles = cut.start + (np.arange(32) + 0.5) * (cut.length / 32) - 0.5
    assert np.abs(places - middles).max() <= 0.5 + 1e-6


def test_a_patch_without_contrast_becomes_zero():
    assert not augment.take(np.full((8, 20), 90, np.uint8), cut=Cut(0, 16), frames=16).any()


@pytest.mark.parametrize("n_frames", [20, 32, 33, 387])
def test_cuts_lie_within_the_spectrogram(rng, n_frames):
    for _ in range(100):
        cut = augment.draw_cut(rng, n_frames=n_frames, frames=32, stretch=0.5)
        assert cut.start >= 0.0
        assert cut.start + cut.length <= n_frames + 1e-9


def test_no_augmentation_changes_nothing(rng):
    patches = np.random.default_rng(1).random((3, 16, 20), np.float32)
    np.testing.assert_array_equal(augment.disturb(patches, rng=rng, how=NOTHING), patches)


def test_augmented_patches_stay_in_range_and_differ(rng):
    patches = np.random.default_rng(1).random((8, 64, 48), np.float32)
    changed = augment.disturb(patches, rng=rng, how=Augmentation())
    assert changed.shape == patches.shape
    assert changed.dtype == np.float32
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    assert np.abs(changed - patches).max(axis=(1, 2)).min() > 0.0


def test_the_same_seed_gives_the_same_augmentation():
    patches = np.random.default_rng(1).random((8, 64, 48), np.float32)
    first, second = (
        augment.disturb(patches, rng=np.random.default_rng(5), how=Augmentation()) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_mixing_weights_favour_the_patch_itself(rng):
    weights = augment.mixing_weights(rng, n=500, alpha=0.3)
    assert weights.min() >= 0.5
    assert weights.max() <= 1.0
    assert (augment.mixing_weights(rng, n=5, alpha=0.0) == 1.0).all()


def test_a_low_pass_silences_the_upper_bands_only(rng):
    patches = np.full((4, 64, 8), 0.5, np.float32)
    how = Augmentation(
        stretch=0,
        roll=0,
        equaliser_db=0,
        contrast=0,
        low_pass=1.0,
        noise_floor=0,
        time_mask=0,
        mel_mask=0,
        mixup=0,
    )
    changed = augment.disturb(patches, rng=rng, how=how)
    assert (changed[:, :40] == 0.5).all()
    assert (changed[:, -1] == 0.0).all()
