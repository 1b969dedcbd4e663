from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import FORMATS, make_music

from genretagd.ml.decode import read_excerpts
from genretagd.ml.frontend import (
    FrontEnd,
    PatchGeometry,
    cut_patches,
    from_picture,
    log_mel,
    scale,
    to_picture,
)

FRONT_ENDS = [
    pytest.param(FrontEnd(), id="default"),
    pytest.param(FrontEnd(hop_length=512), id="hop-512"),
    pytest.param(
        FrontEnd(sr=16_000, n_fft=512, hop_length=160, n_mels=96, fmin=50.0, fmax=7_500.0), id="16-kHz"
    ),
    pytest.param(FrontEnd(power=1.0), id="magnitude"),
    pytest.param(FrontEnd(center=False), id="not-centred"),
    pytest.param(FrontEnd(top_db=60.0), id="60-dB"),
]


def flat_basis(front_end: FrontEnd) -> np.ndarray:
    """Bands of equal width, for tests that need no librosa."""
    bins = 1 + front_end.n_fft // 2
    basis = np.zeros((front_end.n_mels, bins), np.float32)
    basis[np.arange(bins) * front_end.n_mels // bins, np.arange(bins)] = 1.0
    return basis


def reference(waveform, front_end):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of librosa's own dependencies
        librosa = pytest.importorskip(
            "librosa", reason="the reference front end is librosa's, not installed here"
        )
        options = {"sr": front_end.sr, "n_fft": front_end.n_fft, "n_mels": front_end.n_mels}
        options |= {"fmin": front_end.fmin, "fmax": front_end.fmax}
        basis = librosa.filters.mel(**options)
        power = librosa.feature.melspectrogram(
            y=waveform,
            hop_length=front_end.hop_length,
            power=front_end.power,
            center=front_end.center,
            **options,
        )
        return basis, librosa.power_to_db(power, ref=np.max, top_db=front_end.top_db)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_log_mel_is_librosas_within_a_hundredth_of_a_decibel(front_end):
    waveform = make_music(5.0).mean(axis=0).astype(np.float32) / 32768.0
    basis, expected = reference(waveform, front_end)
    ours = log_mel(waveform, front_end=front_end, mel_basis=basis)
    assert ours.shape == expected.shape == (front_end.n_mels, front_end.frames_in(waveform.size))
    assert ours.dtype == np.float32
    assert np.abs(ours - expected).max() < 0.01


def test_log_mel_is_librosas_on_real_recordings(shared):
    clips = sorted((shared / "audio" / "gtzan").glob("*.flac"))[::30]
    clips += sorted((shared / "audio" / "free").glob("*.mp3"))[:1]
    for clip in clips:
        front_end = FrontEnd()
        waveform = read_excerpts(clip, sr=front_end.sr, count=1, seconds=30.0).waveforms[0]
        basis, expected = reference(waveform, front_end)
        assert np.abs(log_mel(waveform, front_end=front_end, mel_basis=basis) - expected).max() < 0.01


def test_a_scaled_spectrogram_is_the_corpus_picture_of_the_same_clip(shared):
    image = pytest.importorskip("PIL.Image", reason="needs pillow to read the corpus")
    front_end = FrontEnd()
    for clip, genre in (("jazz.00000", "Jazz"), ("rock.00003", "Rock")):
        path = shared / "audio" / "gtzan" / f"{clip}.flac"
        waveform = read_excerpts(path, sr=front_end.sr, count=1, seconds=30.0).waveforms[0]
        basis, _ = reference(waveform, front_end)
        ours = scale(log_mel(waveform, front_end=front_end, mel_basis=basis))
        with image.open(shared / "dataset" / "spectrograms" / genre / f"{clip}.png") as opened:
            theirs = from_picture(np.asarray(opened))
        assert np.corrcoef(ours.mean(axis=1), theirs.mean(axis=1))[0, 1] > 0.999


@given(seconds=st.floats(0.0, 0.3), gain=st.floats(1e-3, 1.0))
@settings(max_examples=30, deadline=None)
def test_a_spectrogram_does_not_depend_on_how_loud_the_file_is(seconds, gain):
    front_end = FrontEnd(sr=8000, n_fft=256, hop_length=100, n_mels=8)
    samples = np.random.default_rng(1).standard_normal(300 + int(8000 * seconds)).astype(np.float32)
    basis = flat_basis(front_end)
    loud = log_mel(samples, front_end=front_end, mel_basis=basis)
    quiet = log_mel(np.float32(gain) * samples, front_end=front_end, mel_basis=basis)
    assert np.allclose(loud, quiet, atol=1e-2)
    assert loud.max() == 0.0
    assert loud.min() >= -front_end.top_db


def test_silence_gives_zeros_and_nothing_else():
    front_end = FrontEnd(sr=8000, n_fft=256, hop_length=100, n_mels=8)
    silent = log_mel(np.zeros(1000, np.float32), front_end=front_end, mel_basis=flat_basis(front_end))
    assert not scale(silent).any()


def test_scaling_reaches_from_zero_to_one_whatever_the_range():
    spectrogram = np.linspace(-37.0, 0.0, 40, dtype=np.float32).reshape(4, 10)
    scaled = scale(spectrogram)
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)


def test_pictures_stand_on_their_heads_and_come_back_within_half_a_step():
    scaled = np.random.default_rng(2).random((16, 30), np.float32)
    picture = to_picture(scaled)
    assert picture.dtype == np.uint8
    assert picture[0, 0] == round(float(scaled[-1, 0]) * 255)
    assert np.abs(from_picture(picture) - scaled).max() <= 0.5 / 255 + 1e-6


def ramp(frames: int, bands: int = 4) -> np.ndarray:
    return np.tile(np.arange(frames, dtype=np.float32) / max(1, frames - 1), (bands, 1))


@pytest.mark.parametrize(("frames", "per_excerpt", "starts"), [
    pytest.param(100, 1, [45], id="one-in-the-middle"),
    pytest.param(100, 3, [0, 45, 90], id="three-spread"),
    pytest.param(11, 3, [0, 1], id="no-two-alike"),
    pytest.param(10, 3, [0], id="exactly-one"),
])  # fmt: skip
def test_patches_are_spread_evenly_from_the_first_frame_to_the_last(frames, per_excerpt, starts):
    scaled = ramp(frames)
    patches = cut_patches(scaled, geometry=PatchGeometry(frames=10, per_excerpt=per_excerpt))
    assert patches.shape == (len(starts), 4, 10, 1)
    for patch, start in zip(patches, starts, strict=True):
        assert np.array_equal(patch[..., 0], scaled[:, start : start + 10])


def test_a_spectrogram_narrower_than_a_patch_is_repeated():
    patches = cut_patches(ramp(4), geometry=PatchGeometry(frames=10, per_excerpt=3))
    assert patches.shape == (1, 4, 10, 1)
    assert np.array_equal(patches[0, 0, :8, 0], np.tile(ramp(4)[0], 2))


def test_a_whole_excerpt_is_coloured_and_resized_like_a_folder_of_pictures():
    colours = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)], axis=1).astype(np.uint8)
    geometry = PatchGeometry(frames=None, per_excerpt=1, resize_to=(8, 12), colormap="colors.npy")
    patches = cut_patches(ramp(24), geometry=geometry, colormap=colours)
    assert patches.shape == (1, 8, 12, 3)
    pairs = np.rint(ramp(24)[0] * 255).reshape(12, 2).mean(axis=1) / 255.0
    assert np.allclose(patches[0, 3, :, 0], pairs, atol=1e-6)
    assert np.allclose(patches[0, 3, :, 1], 1.0 - pairs, atol=1e-6)
    assert np.allclose(patches[..., 2], 7 / 255)


def test_resizing_is_bilinear_with_half_pixel_centres():
    geometry = PatchGeometry(frames=None, per_excerpt=1, resize_to=(1, 4))
    patches = cut_patches(np.array([[0.0, 1.0]], np.float32), geometry=geometry)
    assert patches[0, 0, :, 0] == pytest.approx([0.0, 0.25, 0.75, 1.0])


def test_the_sample_file_gives_the_frames_its_length_promises():
    front_end = FrontEnd()
    waveform = read_excerpts(FORMATS["flac"], sr=front_end.sr, count=1, seconds=30.0).waveforms[0]
    found = log_mel(waveform, front_end=front_end, mel_basis=flat_basis(front_end))
    assert found.shape == (128, 1 + 6 * 22_050 // 1708)
