"""Copies of a recording are found by how they sound."""

import numpy as np
import pytest
from sounds import RATE

from genretagd.ml.frontend import FrontEnd, log_mel, scale
from genretagd.ml.training import replicas
from genretagd.ml.training.pictures import read_picture
from genretagd.ml.training.replicas import find_copies
from genretagd.ml.training.spectra import as_record

FRONT_END = FrontEnd()


@pytest.fixture(scope="module")
def mel_basis():
    filters = pytest.importorskip("librosa.filters")
    return filters.mel(sr=RATE, n_fft=2048, n_mels=128)


def tune(seed, seconds=30.0):
    """Return notes and noises of random pitch and time."""
    rng = np.random.default_rng(seed)
    at = np.arange(int(seconds * RATE)) / RATE
    sound = 0.003 * rng.standard_normal(at.size)
    for start in np.cumsum(rng.uniform(0.1, 0.4, int(seconds * 4))):
        begin = int(start * RATE)
        if begin + RATE > at.size:
            break
        length = int(rng.uniform(0.2, 1.0) * RATE)
        decay = np.exp(-np.arange(length) / RATE * rng.uniform(3, 12))
        pitch = rng.uniform(80, 2500)
        for overtone in range(1, 5):
            phase = 2 * np.pi * pitch * overtone * at[:length]
            sound[begin : begin + length] += rng.random() / overtone * decay * np.sin(phase)
        if rng.random() < 0.4:
            sound[begin : begin + length] += 0.3 * decay * rng.standard_normal(length)
    return (0.2 * sound).astype(np.float32)


def drawn(sound, mel_basis):
    return np.round(255 * scale(log_mel(sound, front_end=FRONT_END, mel_basis=mel_basis))).astype(np.uint8)


def copies(pictures, track_of=None):
    widths = np.asarray([picture.shape[1] for picture in pictures], np.int32)
    tracks = np.arange(len(pictures)) if track_of is None else np.asarray(track_of)
    return find_copies(pictures, widths, tracks.astype(np.int32))


def equalised(sound):
    spectrum = np.fft.rfft(sound)
    tilt = np.interp(np.arange(len(spectrum)), [0, len(spectrum)], [2.0, 0.4])
    return np.fft.irfft(spectrum * tilt, len(sound)).astype(np.float32)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s, id="the same"),
        pytest.param(lambda s: 0.3 * s, id="quieter"),
        pytest.param(lambda s: s[5 * RATE + 333 :], id="cut elsewhere"),
        pytest.param(lambda s: s[: 12 * RATE], id="shorter"),
        pytest.param(equalised, id="equalised"),
        pytest.param(lambda s: s + 0.003 * np.random.default_rng(0).standard_normal(s.size), id="noisier"),
    ],
)
def test_a_changed_copy_is_found_among_strangers(change, mel_basis):
    sounds = [*(tune(seed) for seed in range(6)), change(tune(2)).astype(np.float32)]
    assert copies([drawn(sound, mel_basis) for sound in sounds]) == [(2, 6)]


def test_strangers_are_no_copies(mel_basis):
    assert copies([drawn(tune(seed), mel_basis) for seed in range(12)]) == []


def test_silence_and_short_sounds_are_no_copies_of_anything():
    silent, short = np.zeros((128, 387), np.uint8), np.full((128, 20), 7, np.uint8)
    assert copies([silent, silent, short, short]) == []


def test_excerpts_of_one_track_are_not_compared(mel_basis):
    same = drawn(tune(1), mel_basis)
    assert copies([same, same, drawn(tune(2), mel_basis)], track_of=[0, 0, 1]) == []


def test_the_real_corpus_is_free_of_copies(shared):
    paths = sorted((shared / "dataset" / "spectrograms" / "Reggae").glob("*.png"))
    pool = shared / "pool" / "spectrograms" / "dd8378540918_36.png"
    pictures = [read_picture(path, front_end=as_record(FRONT_END))[0] for path in [*paths, pool]]
    names = [path.stem for path in [*paths, pool]]
    assert [[names[track] for track in copy] for copy in copies(pictures)] == [
        ["reggae.00054", "dd8378540918_36"]
    ]


def test_few_words_at_once_find_the_same_as_all_of_them(mel_basis, monkeypatch):
    sounds = [tune(seed, 12.0) for seed in (0, 1, 2, 0, 3, 1)]
    pictures = [drawn(sound, mel_basis) for sound in (*sounds, sounds[0][5 * RATE + 333 :])]
    found = copies(pictures)
    assert found == [(0, 3, 6), (1, 5)]
    for few in (1, 300):
        monkeypatch.setattr(replicas, "WORDS_AT_ONCE", few)
        assert copies(pictures) == found


def test_what_is_compared_at_once_is_bounded(monkeypatch):
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(60, dtype=np.int32), 300)
    words, times = (
        rng.integers(0, 50, len(rows)).astype(np.int32),
        np.tile(np.arange(300, dtype=np.int32), 60),
    )
    sizes = []
    monkeypatch.setattr(replicas, "WORDS_AT_ONCE", 1000)
    monkeypatch.setattr(replicas, "_frequent", lambda keys, **_: sizes.append(len(keys)) or ())
    assert list(replicas._candidates(words, rows, times, np.arange(60, dtype=np.int32))) == []
    assert max(sizes) <= 2 * replicas.NEIGHBOURS * (1000 + 300)
    assert sum(sizes) > 4 * max(sizes)
