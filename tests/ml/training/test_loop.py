"""Training learns, averages, stops, and goes on where it was interrupted."""

from dataclasses import replace

import numpy as np
import pytest
from small import SMALL, in_bands

from genretagd.errors import CorpusError
from genretagd.ml import runtime
from genretagd.ml.training import augment, export, loop, network
from genretagd.ml.training.loop import Schedule

keras = pytest.importorskip("keras")

QUICK = Schedule(epochs=4, steps=6, batch_size=16, learning_rate=5e-3, averaging=0.5)


def examples(n=48, *, seed=0, teacher=False):
    """Tracks of two genres: sound in the low bands, or in the high ones."""
    labels = np.arange(n) % 2
    given = in_bands(labels, seed=seed)
    if not teacher:
        return given
    targets = (labels[:, None, None] * 2.0 - 1.0) * np.ones((1, 7, 3))
    return replace(given, teacher=targets.astype(np.float32), known=np.ones((n, 3), np.float32))


def small(*, n_teacher=0):
    keras.utils.set_random_seed(3)
    return network.build_default(n_outputs=2, n_teacher=n_teacher, **SMALL)


def accuracy(model, given):
    logits = loop.track_logits(model, given.pictures, frames=32)
    return float((logits.argmax(axis=1) == given.genres.argmax(axis=1)).mean())


def test_what_can_be_learnt_is_learnt():
    model = small()
    history = loop.fit(model, examples(), schedule=replace(QUICK, epochs=12))
    assert accuracy(model, examples(seed=9)) > 0.9
    assert history[-1].loss < history[0].loss
    assert [progress.epoch for progress in history] == list(range(1, 13))


def test_a_teacher_alone_teaches():
    given = examples(teacher=True)
    nothing = replace(given, genres=np.zeros_like(given.genres))
    model = small(n_teacher=3)
    loop.fit(model, nothing, schedule=replace(QUICK, epochs=12))
    patches = np.stack([augment.take(p, cut=augment.Cut(0, 32), frames=32) for p in given.pictures])
    said = np.asarray(model(patches[..., None], training=False)["teacher"]).mean(axis=(1, 2))
    assert ((said > 0) == (given.genres.argmax(axis=1) == 1)).mean() > 0.9


def test_a_network_with_a_teacher_output_can_learn_from_labels_alone():
    model = small(n_teacher=3)
    loop.fit(model, examples(), schedule=replace(QUICK, epochs=1))


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    found = []
    for seed in (1, 1, 2):
        model = small()
        loop.fit(model, examples(), schedule=replace(QUICK, epochs=1, seed=seed))
        found.append(loop.track_logits(model, examples().pictures, frames=32))
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert np.abs(found[0] - found[2]).max() > 1e-3


class StoppedError(Exception):
    """What stands for a kill."""


def test_an_interrupted_training_goes_on_to_the_same_result(tmp_path):
    whole = small()
    loop.fit(whole, examples(), schedule=QUICK)
    checkpoint = tmp_path / "checkpoint.npz"

    def stop_after_three(progress):
        if progress.epoch == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        loop.fit(small(), examples(), schedule=QUICK, checkpoint=checkpoint, report=stop_after_three)
    seen = []
    resumed = small()
    history = loop.fit(resumed, examples(), schedule=QUICK, checkpoint=checkpoint, report=seen.append)
    assert [progress.epoch for progress in seen] == [3, 4]
    assert len(history) == 4
    pictures = examples().pictures
    np.testing.assert_allclose(
        loop.track_logits(resumed, pictures, frames=32),
        loop.track_logits(whole, pictures, frames=32),
        atol=1e-4,
    )


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    loop.fit(small(), examples(), schedule=replace(QUICK, epochs=1), checkpoint=checkpoint)
    with pytest.raises(CorpusError, match="of another training"):
        loop.fit(small(), examples(), schedule=QUICK, checkpoint=checkpoint)


@pytest.mark.parametrize("left", [b"", b"PK not really", b"PK\3\4 the first half"])
def test_a_damaged_checkpoint_is_refused(tmp_path, left):
    checkpoint = tmp_path / "checkpoint.npz"
    checkpoint.write_bytes(left)
    with pytest.raises(CorpusError, match="cannot be read"):
        loop.fit(small(), examples(), schedule=QUICK, checkpoint=checkpoint)


def test_training_stops_when_other_artists_gain_no_more_and_keeps_the_best(tmp_path):
    upside_down = examples(seed=5)
    upside_down = replace(upside_down, genres=upside_down.genres[:, ::-1].copy())
    schedule, checkpoint = replace(QUICK, epochs=30, patience=2), tmp_path / "checkpoint.npz"

    def learn(model):
        return loop.fit(model, examples(), schedule=schedule, validation=upside_down, checkpoint=checkpoint)

    model, again = small(), small()
    history = learn(model)
    losses = [progress.validation_loss for progress in history]
    assert len(history) < 30
    assert losses.index(min(losses)) == len(history) - 3
    assert len(learn(again)) == len(history)  # interrupted after it had stopped
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("quantise", [True, False], ids=["8 bit", "float"])
def test_the_exported_network_says_what_the_trained_one_says(quantise):
    model = small(n_teacher=3)
    loop.fit(model, examples(teacher=True), schedule=replace(QUICK, epochs=2))
    content = export.to_tflite(model, quantise=quantise)
    patches = np.random.default_rng(0).random((4, 32, 32, 1), np.float32)
    wanted = np.asarray(model(patches, training=False)["genre"])
    got = runtime.run(runtime.load(content), patches)
    assert np.abs(got - wanted).max() < (0.1 if quantise else 1e-3) * max(1.0, np.abs(wanted).max())


def test_weights_stay_in_floating_point_where_eight_bits_are_too_coarse(monkeypatch):
    model = network.build_default(n_outputs=2, **SMALL | {"embedding": 256})
    eight_bits = export.to_tflite(model)
    monkeypatch.setattr(export, "LARGEST_QUANTISED_ERROR", 1e-6)
    content = export.to_tflite(model)
    assert len(content) == len(export.to_tflite(model, quantise=False)) > len(eight_bits)
    assert export.in_8_bits(eight_bits)
    assert not export.in_8_bits(content)
    patches = np.random.default_rng(0).random((4, 32, 32, 1), np.float32)
    wanted = np.asarray(model(patches, training=False)["genre"])
    assert np.abs(runtime.run(runtime.load(content), patches) - wanted).max() < 1e-3
