"""A run over many tracks: worker processes side by side, results in order, stopped between files."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from typing import Self

from genretagd.cli.output import Reporter
from genretagd.config import Config
from genretagd.domain import Outcome
from genretagd.errors import EXIT_INTERRUPTED
from genretagd.workers.pool import Worker, WorkerPool
from genretagd.workers.service import WorkerSettings

Handle = Callable[[Worker, Sequence[Path]], list[Outcome]]

AHEAD = 16
"""So many units per worker are begun or wait while the first is in hand: a slow one leaves no worker idle."""


def make_pool(config: Config, *, spare: Popen[bytes] | None = None) -> WorkerPool:
    """Return the pool of workers that a configuration describes; none but the spare one is started yet."""
    work = config.work
    settings = WorkerSettings(bundle=config.model.bundle, excerpts=config.model.excerpts, nice=work.nice)
    return WorkerPool(work.workers, settings, track_seconds=work.track_seconds, spare=spare)


def in_units(tracks: Sequence[Path], is_album: Callable[[Path], bool]) -> list[list[Path]]:
    """Return the tracks in units to handle: those of an album together, however mixed, others alone.

    Parameters
    ----------
    tracks : sequence of Path
        In the order in which they are to be handled; an album comes where its first track does.
    is_album : callable
        Whether the tracks of a track's folder are an album; asked once per folder.
    """
    together: dict[Path, bool] = {}
    units: dict[Path, list[Path]] = {}
    for track in tracks:
        folder = track.parent
        if folder not in together:
            together[folder] = is_album(track)
        units.setdefault(folder if together[folder] else track, []).append(track)
    return list(units.values())


def run(units: Sequence[Sequence[Path]], pool: WorkerPool, handle: Handle, reporter: Reporter) -> int:
    """Handle every unit of tracks and report each outcome, in the order of the units.

    Ctrl-C (and SIGTERM) finishes the units in hand and begins no other; a second one ends at once.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    GenretagdError
        What no track is to blame for: no usable model, no ledger.
    """
    with _Interrupt() as interrupt, ThreadPoolExecutor(pool.count, "track") as threads:
        waiting: deque[Future[list[Outcome]]] = deque()

        def handled(unit: Sequence[Path]) -> list[Outcome]:
            if interrupt.asked:
                return []
            with pool.worker() as worker:
                return handle(worker, unit)

        try:
            for outcomes in _in_order(units, threads, handled, waiting, ahead=AHEAD * pool.count):
                for outcome in outcomes:
                    reporter.outcome(outcome)
        except BaseException:
            interrupt.asked = True
            for future in waiting:
                future.cancel()
            pool.kill()
            raise
        status = reporter.finish()
    return EXIT_INTERRUPTED if interrupt.asked else status


def _in_order(
    units: Sequence[Sequence[Path]],
    threads: ThreadPoolExecutor,
    handled: Callable[[Sequence[Path]], list[Outcome]],
    waiting: deque[Future[list[Outcome]]],
    *,
    ahead: int,
) -> Iterator[list[Outcome]]:
    for unit in units:
        waiting.append(threads.submit(handled, unit))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _Interrupt:
    """Turns the first Ctrl-C into a wish to stop, and the second into `KeyboardInterrupt`."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        self._previous = {s: signal.signal(s, self._asked) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _asked(self, _number: int, _frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("stopping after the tracks in hand; once more to stop at once", file=sys.stderr)
