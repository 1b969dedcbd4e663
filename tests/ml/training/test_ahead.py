"""Batches come in their order and are the same whoever makes them."""

import multiprocessing
import operator
import os
import pickle
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from spectrograms import picture

from genretagd.errors import CorpusError
from genretagd.ml.training import ahead, augment, batches, network
from genretagd.ml.training.batches import Drawer, Examples
from genretagd.ml.training.material import Pictures, Rows
from genretagd.ml.training.recipe import _dress

PATCHES_OF_32_FRAMES = SimpleNamespace(
    input=SimpleNamespace(shape=(None, 32, 32, 1)), output={network.GENRE_OUTPUT: None}
)


def drawer(*, tracks=20, dress=batches.add_channel):
    pictures = np.random.default_rng(0).integers(0, 60, (tracks, 32, 80)).astype(np.uint8)
    genres = np.eye(2, dtype=np.float32)[np.arange(tracks) % 2]
    return Drawer(
        PATCHES_OF_32_FRAMES,
        Examples(list(pictures), genres, np.ones(tracks, np.float32)),
        how=augment.Augmentation(),
        dress=dress,
        batch_size=4,
        smoothing=0.1,
        seed=0,
    )


def made(given, *, makers, first=0, end=2, steps=3):
    return list(ahead.batches(given, first=first, end=end, steps=steps, makers=makers))


@pytest.mark.parametrize("makers", [0, 2], ids=["a thread", "two processes"])
def test_batches_are_those_of_their_epochs_and_steps_in_order(makers):
    given = drawer()
    found = made(given, makers=makers)
    assert len(found) == 6
    wanted = [
        given.batch(order[4 * step : 4 * step + 4], epoch=epoch, step=step)
        for epoch, order in enumerate(given.epoch_order(epoch, steps=3) for epoch in range(2))
        for step in range(3)
    ]
    for (x, y), (wanted_x, wanted_y) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(x, wanted_x)
        np.testing.assert_array_equal(y["genre"], wanted_y["genre"])


def test_a_training_that_goes_on_is_given_what_it_would_have_been_given():
    given = drawer()
    whole, rest = made(given, makers=0, end=3), made(given, makers=0, first=1, end=3)
    for (x, _), (wanted, _) in zip(rest, whole[3:], strict=True):
        np.testing.assert_array_equal(x, wanted)


@pytest.mark.parametrize("makers", [0, 2], ids=["a thread", "two processes"])
def test_a_training_that_stops_early_leaves_nothing_running(makers):
    making = ahead.batches(drawer(), first=0, end=1000, steps=1000, makers=makers)
    next(making)
    assert len(multiprocessing.active_children()) == makers
    making.close()
    assert not multiprocessing.active_children()
    assert threading.active_count() == 1


def test_a_batch_that_cannot_be_made_ends_the_training():
    with pytest.raises(CorpusError, match="a batch could not be made"):
        made(drawer(dress=operator.not_), makers=1)


def test_the_seed_networks_batches_can_be_made_elsewhere_too():
    x, _ = made(drawer(dress=_dress("seed")), makers=1, end=1, steps=1)[0]
    assert x.shape == (4, 32, 32, 3)


def test_pictures_on_disk_are_sent_as_the_place_where_they_lie(tmp_path):
    values = np.stack([picture("High", seed=seed) for seed in range(8)])
    (tmp_path / "pictures.u8").write_bytes(values.tobytes())
    numbers = np.arange(8, dtype=np.int32)
    on_disk = np.memmap(tmp_path / "pictures.u8", np.uint8, mode="r", shape=values.shape)
    for kept in (on_disk, values):
        rows = Rows(Pictures(kept, np.full(8, 387, np.int32), numbers), numbers)
        sent = pickle.dumps(rows)
        assert (len(sent) < values.nbytes / 10) == (kept is on_disk)
        for number in numbers:
            np.testing.assert_array_equal(pickle.loads(sent)[number], values[number, :, :387])


def test_a_backend_that_tells_no_devices_has_its_batches_made_by_a_thread(monkeypatch):
    keras = pytest.importorskip("keras")
    monkeypatch.setattr(keras.src.distribution.distribution_lib, "distribution_lib", None)
    assert ahead.makers_needed() == 0


@pytest.mark.parametrize(
    ("devices", "cores", "makers"),
    [(["cpu:0"], 64, 0), (["gpu:0"], 64, ahead.MOST_MAKERS), (["cpu:0", "gpu:0"], 8, 7), (["gpu:0"], 1, 0)],
)
def test_only_an_accelerator_needs_processes(monkeypatch, devices, cores, makers):
    keras = pytest.importorskip("keras")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert ahead.makers_needed() == makers
