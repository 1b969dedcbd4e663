from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import FORMATS, LOSSLESS, RATE, TINY_BUNDLE, encode

from genretagd.errors import DecodeError, ModelError
from genretagd.ml.bundle import Bundle, Calibration, write_bundle
from genretagd.ml.classifier import Classifier, calibrated, load_classifier
from genretagd.ml.decode import read_excerpts

GOLDEN = {"Classical": 0.3942, "Jazz": 0.2901, "Metal": 0.3158}
"""Of the 8 kHz sample files by the tiny bundle; changes only where front end or decoding change."""


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(TINY_BUNDLE)


def test_a_known_file_gets_its_known_probabilities(classifier):
    prediction = classifier.predict(FORMATS["flac"])
    assert prediction.probabilities == pytest.approx(GOLDEN, abs=2e-3)
    assert prediction.outside == pytest.approx(0.2395, abs=2e-3)
    assert prediction.seconds == pytest.approx(6.0)
    assert prediction.peak_dbfs == pytest.approx(-6.9, abs=0.1)
    assert prediction.model.startswith("tiny-1@")
    assert prediction.min_confidence == 0.4


def test_a_model_that_has_lost_its_numbers_gives_no_genre(tmp_path, tiny_bundle):
    numbers = np.frombuffer((TINY_BUNDLE / "model.tflite").read_bytes(), "<f4").copy()
    like_weights = (np.abs(numbers) > 1e-4) & (np.abs(numbers) < 2.0)
    numbers[np.flatnonzero(np.convolve(like_weights, np.ones(12), "valid") > 11) + 6] = np.nan
    files = {"model.tflite": numbers.tobytes(), "mel.npy": TINY_BUNDLE / "mel.npy"}
    bundle = write_bundle(tmp_path / "bundle", tiny_bundle, files=files)
    with pytest.raises(ModelError, match="what is no number"):
        Classifier(bundle).predict(FORMATS["flac"])


def test_the_same_audio_in_any_container_gets_the_same_probabilities(classifier):
    first = classifier.predict(FORMATS[LOSSLESS[0]])
    for name in LOSSLESS[1:]:
        other = classifier.predict(FORMATS[name])
        assert other.probabilities == pytest.approx(first.probabilities, abs=1e-3)
        assert other.outside == pytest.approx(first.outside, abs=1e-3)


def test_stereo_music_as_wav_and_flac_gets_the_same_probabilities(classifier, tmp_path, music):
    files = [
        encode(music, tmp_path / "a.wav", codec="pcm_s16le"),
        encode(music, tmp_path / "a.flac", codec="flac"),
    ]
    wav, flac = (classifier.predict(path) for path in files)
    assert flac.probabilities == pytest.approx(wav.probabilities, abs=1e-3)


def test_a_prediction_does_not_depend_on_what_was_predicted_before(classifier):
    alone = {name: load_classifier(TINY_BUNDLE).predict(FORMATS[name]) for name in ("mp3", "opus", "wav")}
    for name in ("wav", "mp3", "opus", "opus", "wav"):
        assert classifier.predict(FORMATS[name]) == alone[name]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gets_probabilities_that_sum_to_one(classifier, name):
    prediction = classifier.predict(FORMATS[name])
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
    assert 0.0 <= prediction.outside <= 1.0


def test_silence_gets_no_probabilities_but_its_length_and_level(classifier, tmp_path):
    path = encode(np.zeros((1, 8 * RATE), np.int16), tmp_path / "silence.wav", codec="pcm_s16le")
    prediction = classifier.predict(path)
    assert prediction.probabilities == {}
    assert prediction.peak_dbfs == -math.inf
    assert prediction.seconds == pytest.approx(8.0)


def test_a_blip_gets_no_probabilities_but_its_length_and_level(classifier, tmp_path, music):
    path = encode(music[:, : RATE // 5], tmp_path / "blip.wav", codec="pcm_s16le")
    prediction = classifier.predict(path)
    assert prediction.probabilities == {}
    assert prediction.seconds == pytest.approx(0.2)
    assert prediction.peak_dbfs > -20.0


def test_a_silent_beginning_does_not_keep_the_rest_from_being_heard(classifier, tmp_path, music):
    padded = np.concatenate([np.zeros((2, 8 * RATE), np.int16), music[:, : 8 * RATE]], axis=1)
    prediction = classifier.predict(encode(padded, tmp_path / "late.wav", codec="pcm_s16le"))
    assert prediction.probabilities


def test_the_dithered_pause_before_a_hidden_track_is_not_heard(tiny_bundle, tmp_path, music):
    classifier = load_classifier(TINY_BUNDLE, excerpts=3)
    song = np.concatenate([music] * 3, axis=1)[:, : 12 * RATE]
    dither = np.random.default_rng(0).integers(-2, 3, (2, 40 * RATE)).astype(np.int16)
    path = encode(np.concatenate([song, dither, song], axis=1), tmp_path / "a.wav", codec="pcm_s16le")
    sr, seconds = tiny_bundle.front_end.sr, tiny_bundle.excerpts.seconds
    first, pause, hidden = read_excerpts(path, sr=sr, count=3, seconds=seconds).waveforms
    assert np.abs(pause).max() < 1e-4
    expected, _ = calibrated(classifier.track_logits([first, hidden]), bundle=tiny_bundle)
    assert classifier.predict(path).probabilities == pytest.approx(expected)


def test_the_number_of_excerpts_can_be_chosen(tmp_path, music):
    path = encode(music, tmp_path / "a.flac", codec="flac")
    one, many = (load_classifier(TINY_BUNDLE, excerpts=number).predict(path) for number in (1, 5))
    assert one.probabilities != many.probabilities
    assert one.seconds == many.seconds


def test_what_is_no_music_is_a_decode_error(classifier, tmp_path):
    (tmp_path / "text.mp3").write_text("not music\n" * 100)
    with pytest.raises(DecodeError):
        classifier.predict(tmp_path / "text.mp3")


def bundle_with(tiny_bundle: Bundle, **calibration: float) -> Bundle:
    return dataclasses.replace(tiny_bundle, calibration=Calibration(**calibration))


def test_probabilities_follow_the_documented_formulas(tiny_bundle):
    bundle = bundle_with(tiny_bundle, temperature=2.0, outside_temperature=0.5, outside_bias=-1.0)
    z = np.array([2.0, 1.0, -1.0, 0.5], np.float32)
    probabilities, outside = calibrated(z, bundle=bundle)
    softmax = np.exp(z[:3] / 2.0) / np.exp(z[:3] / 2.0).sum()
    assert list(probabilities.values()) == pytest.approx(softmax.tolist())
    evidence = (0.5 - math.log(math.exp(2.0) + math.exp(1.0) + math.exp(-1.0))) / 0.5 - 1.0
    assert outside == pytest.approx(1.0 / (1.0 + math.exp(-evidence)))


def test_without_outside_labels_nothing_is_outside(tiny_bundle):
    bundle = dataclasses.replace(tiny_bundle, outside_labels=())
    assert calibrated(np.zeros(3, np.float32), bundle=bundle)[1] == 0.0


@given(st.lists(st.floats(-500.0, 500.0, width=32), min_size=4, max_size=4))
def test_any_logits_give_probabilities(tiny_bundle, logits):
    probabilities, outside = calibrated(np.array(logits, np.float32), bundle=tiny_bundle)
    assert sum(probabilities.values()) == pytest.approx(1.0)
    assert all(0.0 <= value <= 1.0 for value in (*probabilities.values(), outside))


def test_predicting_needs_nothing_of_the_training_side_and_prints_nothing():
    forbidden = ("tensorflow", "keras", "librosa", "scipy", "sklearn", "numba", "matplotlib")
    script = (
        "import sys; from pathlib import Path; from genretagd.ml.classifier import load_classifier\n"
        f"load_classifier({str(TINY_BUNDLE)!r}).predict(Path({str(FORMATS['mp3'])!r}))\n"
        f"sys.exit(','.join(sorted(set(sys.modules) & set({forbidden!r}))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
