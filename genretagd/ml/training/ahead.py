"""Batches made while the network learns from others: by a thread, or by processes where one is too slow."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any, Final, Self

from genretagd.ml.training.batches import Drawer, Floats

Batch = tuple[Floats, dict[str, Floats]]

MOST_MAKERS: Final = 12


def makers_needed() -> int:
    """Return how many processes should make batches: 0 on processors, where a thread keeps up.

    An accelerator takes some milliseconds for a batch that takes one core fifty to cut, change and mix.
    """
    import keras

    if all("cpu" in device.lower() for device in keras.distribution.list_devices()):
        return 0
    return max(0, min(MOST_MAKERS, (os.cpu_count() or 1) - 1))


class Making:
    """Makes the batches of a training in their order; use it as a context.

    Parameters
    ----------
    drawer : Drawer
        What makes one. With processes it is sent to each of them.
    makers : int
        Number of processes; 0 for a thread of this one. The batches are the same.
    """

    def __init__(self, drawer: Drawer, *, makers: int = 0) -> None:
        self._drawer, self._depth = drawer, max(1, 2 * makers)
        self._pool: Executor
        if makers:
            self._pool = ProcessPoolExecutor(
                makers, get_context("spawn"), initializer=_Maker.begin, initargs=(drawer,)
            )
            self._make = _Maker.make
        else:
            self._pool = ThreadPoolExecutor(1)
            self._make = drawer.batch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def batches(self, first: int, end: int, *, steps: int) -> Iterator[Batch]:
        """Yield the batches of epochs from `first` on, up to `end`, each of so many steps."""
        asked = self._asked(first, end, steps=steps)
        coming: deque[Future[Batch]] = deque()
        for future in asked:
            coming.append(future)
            if len(coming) > self._depth:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()

    def _asked(self, first: int, end: int, *, steps: int) -> Iterator[Future[Batch]]:
        size = self._drawer.batch_size
        for epoch in range(first, end):
            order = self._drawer.epoch_order(epoch, steps=steps)
            for step in range(steps):
                tracks = order[step * size : (step + 1) * size]
                yield self._pool.submit(self._make, tracks, epoch=epoch, step=step)


class _Maker:
    """What a process that makes batches knows."""

    drawer: Drawer

    @classmethod
    def begin(cls, drawer: Drawer) -> None:
        cls.drawer = drawer

    @classmethod
    def make(cls, tracks: Any, *, epoch: int, step: int) -> Batch:
        return cls.drawer.batch(tracks, epoch=epoch, step=step)
