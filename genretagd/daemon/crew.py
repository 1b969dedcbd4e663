"""The threads that take files from the queue, one per worker process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from genretagd import logs
from genretagd.daemon.desk import Desk
from genretagd.daemon.engine import Engine
from genretagd.daemon.queue import WorkQueue
from genretagd.domain import Outcome
from genretagd.errors import GenretagdError, WorkerError

REST_SECONDS: Final = 60.0
"""Worker processes end after so long without a file; the next file that settles starts one."""

DROP_SECONDS: Final = 0.5
"""Threads whose worker was killed have so long to notice."""


class Crew:
    """Runs the desk's work in threads, and warms the engine while a file settles.

    Parameters
    ----------
    engine : Engine
        Processes files.
    work : WorkQueue
        Where they come from.
    desk : Desk
        What is done about each.
    """

    def __init__(self, engine: Engine, work: WorkQueue, desk: Desk) -> None:
        self.engine = engine
        self._queue = work
        self._desk = desk
        self._stopping = False
        self._worked_at = 0.0
        self._retiring: list[Engine] = []
        self._threads: list[threading.Thread] = []
        self._warming: threading.Thread | None = None

    def start(self) -> None:
        """Have as many threads at work as the engine has workers, and one more for each that hangs."""
        for number in range(len(self._threads), self.engine.threads + self._desk.hanging.threads):
            thread = threading.Thread(target=self._work, name=f"worker {number + 1}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def renew(self, engine: Engine) -> None:
        """Process further files with another engine; the old one ends when its last file is done."""
        old, self.engine = self.engine, engine
        self._retiring.append(old)
        threading.Thread(target=self._retire, args=(old,), name="retiring", daemon=True).start()
        self.start()

    def expect(self) -> None:
        """Get ready, because a file has begun to settle; returns at once."""
        if not self.engine.ready and (self._warming is None or not self._warming.is_alive()):
            self._warming = threading.Thread(target=self._warm, name="warming", daemon=True)
            self._warming.start()

    def alive(self) -> bool:
        """Return whether all threads live."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self, *, seconds: float) -> None:
        """Let the files in hand be finished, for so long at most; then drop them."""
        self._stopping = True
        self._queue.close()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            logs.say("info", "dropping the files in hand, the next start takes them up again")
        for engine in (self.engine, *self._retiring):
            engine.kill()
        deadline = time.monotonic() + DROP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while not self._queue.closed:
            task = self._queue.take(REST_SECONDS)
            try:
                if task is not None:
                    self._desk.work_on(task, self._process)
                elif self._rested():
                    self.engine.rest()
            except Exception as exc:  # noqa: BLE001 - the thread must outlive a mistake of ours; it is logged
                if not self._stopping:
                    what = f"{task.path}: " if task is not None else ""
                    logs.say("error", f"{what}unexpected {type(exc).__name__}: {exc}")

    def _process(self, path: Path, /, *, tell: Callable[[Outcome], None]) -> Outcome:
        engine = self.engine
        try:
            return engine.process(path, tell=tell)
        except WorkerError:
            if engine is self.engine or self._queue.closed:
                raise
            return self.engine.process(path, tell=tell)  # it was retired while this waited for a worker of it
        finally:
            self._worked_at = time.monotonic()

    def _retire(self, engine: Engine) -> None:
        engine.rest()
        engine.kill()
        self._retiring.remove(engine)

    def _rested(self) -> bool:
        """Return whether no thread has had anything to do for a while."""
        quiet = time.monotonic() - self._worked_at > REST_SECONDS / 2
        return quiet and self._queue.idle and not self._queue.closed

    def _warm(self) -> None:
        try:
            self.engine.warm()
        except GenretagdError as exc:
            logs.say("error", str(exc))
