"""Batches made while the network learns from others: by a thread, or by processes where one is too slow."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError
from genretagd.ml.training.batches import Drawer, Floats
from genretagd.ml.training.isolation import Failure, Isolated

Batch = tuple[Floats, dict[str, Floats]]

MOST_MAKERS: Final = 12


def makers_needed() -> int:
    """Return how many processes should make batches: 0 on processors, where a thread keeps up.

    An accelerator takes some milliseconds for a batch that takes one core fifty to cut, change and mix.
    """
    import keras

    try:
        devices = keras.distribution.list_devices()
    except AttributeError:  # Keras has no such list for PyTorch
        return 0
    if all("cpu" in device.lower() for device in devices):
        return 0
    return max(0, min(MOST_MAKERS, (os.cpu_count() or 1) - 1))


def batches(drawer: Drawer, *, first: int, end: int, steps: int, makers: int = 0) -> Generator[Batch]:
    """Return the batches of epochs from `first` on, up to `end`, in their order.

    Parameters
    ----------
    drawer : Drawer
        What makes one. With processes it is sent to each of them.
    first, end : int
        Epochs.
    steps : int
        Batches per epoch.
    makers : int
        Number of processes, which end with the generator; 0 for a thread of this one. Batches are the same.

    Raises
    ------
    CorpusError
        A process failed.
    """
    orders = _Orders(drawer, first, end, steps)
    return _by_processes(drawer, orders, makers) if makers else _by_a_thread(drawer, orders)


@dataclass(frozen=True, slots=True)
class _Order:
    """Which batch to make: of which tracks, in which epoch and step."""

    tracks: NDArray[np.intp]
    epoch: int
    step: int


class _Orders(Sequence[_Order]):
    """The orders of some epochs, drawn when they are asked for."""

    def __init__(self, drawer: Drawer, first: int, end: int, steps: int) -> None:
        self._drawer, self._first, self._end, self._steps = drawer, first, end, steps
        self._drawn: tuple[int, NDArray[np.intp]] = (-1, np.empty(0, np.intp))

    def __len__(self) -> int:
        return (self._end - self._first) * self._steps

    def __getitem__(self, index: Any) -> Any:
        epoch, step = self._first + index // self._steps, index % self._steps
        if self._drawn[0] != epoch:
            self._drawn = (epoch, self._drawer.epoch_order(epoch, steps=self._steps))
        size = self._drawer.batch_size
        return _Order(self._drawn[1][step * size : (step + 1) * size], epoch, step)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Carries an order out."""

    drawer: Drawer

    def __call__(self, order: _Order) -> Batch:
        return self.drawer.batch(order.tracks, epoch=order.epoch, step=order.step)


def _by_a_thread(drawer: Drawer, orders: _Orders) -> Generator[Batch]:
    """Have the next batch made while this one is learnt from."""
    make = _Maker(drawer)
    with ThreadPoolExecutor(1) as thread:
        coming = None
        for index in range(len(orders)):
            ready, coming = coming, thread.submit(make, orders[index])
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()


def _by_processes(drawer: Drawer, orders: _Orders, makers: int) -> Generator[Batch]:
    """Have as many made at once as there are processes, and put them into their order."""
    ready: dict[int, Batch] = {}
    wanted = 0
    for index, made in Isolated(_Maker(drawer), jobs=makers).run(orders):
        if isinstance(made, Failure):
            raise CorpusError(f"training: a batch could not be made, {made.problem}; start it again to go on")
        ready[index] = made
        while wanted in ready:
            yield ready.pop(wanted)
            wanted += 1
