"""Work on many files in processes of their own, where one bad file costs that file and no more."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.resource_tracker import ensure_running
from typing import Any, Final, Generic, TypeVar

SAFE_PATH: Final = "PYTHONSAFEPATH"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result for an item; `errno` is what the system said, where it was the system."""

    problem: str
    errno: int | None = None


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    told: bool = False
    index: int | None = None
    deadline: float = 0.0


class Isolated(Generic[Item, Result]):
    """Apply a function to items in worker processes that may crash or hang.

    Parameters
    ----------
    function : callable
        A module-level function of one item; what it returns must be picklable.
    jobs : int
        Number of processes.
    time_limit : float
        Seconds an item may take before its process is ended.
    """

    def __init__(self, function: Callable[[Item], Result], *, jobs: int, time_limit: float = 120.0) -> None:
        self._function = function
        self._jobs = max(1, jobs)
        self._time_limit = time_limit
        self._context = mp.get_context("spawn")  # a fork would inherit the threads of numeric libraries

    def run(self, items: Sequence[Item]) -> Iterator[tuple[int, Result | Failure]]:
        """Yield the index of each item with its result or failure, in order of completion."""
        waiting = deque(range(len(items)))
        workers = [self._start() for _ in range(min(self._jobs, len(items)))]
        try:
            while waiting or any(worker.index is not None for worker in workers):
                for worker in workers:
                    if worker.index is None and waiting:
                        self._give(worker, waiting.popleft(), items)
                busy = [worker for worker in workers if worker.index is not None]
                patience = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
                ready = set(wait([worker.pipe for worker in busy], timeout=patience))
                for position, worker in enumerate(workers):
                    if worker.index is None:
                        continue
                    index = worker.index
                    result: Result | Failure
                    if worker.pipe in ready:
                        result, lost = self._take(worker)
                    elif time.monotonic() >= worker.deadline:
                        result, lost = Failure(f"took longer than {self._time_limit:g} s"), True
                    else:
                        continue
                    worker.index = None
                    if lost:
                        workers[position] = self._replace(worker)
                    yield index, result
        finally:
            for worker in workers:
                _end(worker)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        with _sheltered():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _replace(self, worker: _Worker) -> _Worker:
        _end(worker)
        return self._start()

    def _give(self, worker: _Worker, index: int, items: Sequence[Item]) -> None:
        worker.index = index
        worker.deadline = time.monotonic() + self._time_limit
        with suppress(OSError):  # it has ended: `_take` says so
            if not worker.told:  # not at its start, where we would wait for ever if it ended amid a large one
                worker.pipe.send(self._function)
                worker.told = True
            worker.pipe.send(items[index])

    def _take(self, worker: _Worker) -> tuple[Result | Failure, bool]:
        try:
            return worker.pipe.recv(), False
        except (EOFError, OSError):
            worker.process.join(timeout=5)
            return Failure(f"its process ended (exit status {worker.process.exitcode})"), True


@contextmanager
def _sheltered() -> Iterator[None]:
    """Start processes that import nothing from the folder one is in, and are not interrupted but by us."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    ensure_running()  # multiprocessing's own helper: started later, it would unblock the signal
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _serve(pipe: Connection) -> None:
    """Apply the function that comes first to all that comes after it."""
    with suppress(EOFError, OSError):  # who asked has all that was wanted, or was killed meanwhile
        function = pipe.recv()
        while True:
            pipe.send(_applied(function, pipe.recv()))


def _applied(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except Exception as exc:  # noqa: BLE001 (the border of the process: told to the parent, which goes on)
        errno = exc.errno if isinstance(exc, OSError) else None
        return Failure(str(exc) or type(exc).__name__, errno)


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    if worker.process.is_alive():
        worker.process.terminate()
        worker.process.join(timeout=5)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
