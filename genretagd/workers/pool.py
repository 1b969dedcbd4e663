"""The parent's side of the worker processes: start, call within a time limit, end, start again."""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, NoReturn, Self

from genretagd.domain import (
    FileVersion,
    GenreTag,
    Prediction,
    Provenance,
    TagChange,
    WriteOptions,
)
from genretagd.errors import DecodeError, TimeLimitError, WorkerError
from genretagd.serial import to_json
from genretagd.workers.service import WorkerSettings
from genretagd.workers.wire import decode, encode, result_of

CALLS_PER_LIFE: Final = 20_000
"""A worker is replaced after so many calls, so that no library's leak can grow for months."""


def start_process(*, preload: bool = False) -> subprocess.Popen[bytes]:
    """Start a worker process, which waits for its settings.

    Parameters
    ----------
    preload : bool
        Whether it imports what a prediction needs meanwhile.

    Raises
    ------
    WorkerError
        It cannot be started.
    """
    # -P: nothing is imported from the current directory, which may be a folder of somebody's music.
    command = [sys.executable, "-P", "-m", "genretagd.workers.child", *(["--preload"] if preload else [])]
    try:
        return subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("GENRETAGD_WORKER_STDERR") else subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # numpy would start a thread per core
            start_new_session=True,
        )
    except OSError as exc:
        raise WorkerError(f"worker: cannot be started: {exc}") from exc


def _send(stream: IO[bytes], line: bytes) -> None:
    """Write all of a line to a raw pipe, which takes less of it when a signal comes between."""
    rest = memoryview(line)
    while rest:
        rest = rest[stream.write(rest) or 0 :]


def _release(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


class Worker:
    """One worker process, started at the first call and again after it was lost.

    It is a `Classifier` and a `TagStore`. Not for several threads at once.

    Parameters
    ----------
    settings : WorkerSettings
        What it is started with.
    track_seconds : float
        Time limit of each call in seconds; a worker that takes longer is killed.
    spare : subprocess.Popen or None
        A process from `start_process` to begin with.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        track_seconds: float,
        spare: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self._settings = settings
        self._limit = track_seconds
        self._spare = spare
        self._process: subprocess.Popen[bytes] | None = None
        self._calls = 0
        self._buffer = bytearray()
        self._in_hand: Path | None = None
        self._caller = 0
        self._handing = threading.Lock()  # over who closes the streams of a process that is ended

    def start(self) -> None:
        """Start the process now; a running one stays.

        Raises
        ------
        WorkerError
            The process cannot be started.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()
        self._process, self._spare = self._spare or start_process(), None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already: the first call finds out how
            _send(self._process.stdin, encode(to_json(self._settings)))
        self._calls = 0
        self._buffer.clear()

    def warm(self) -> tuple[str, ...]:
        """Load the model now instead of at the first prediction, and return its labels."""
        return self._call("warm", Path())  # type: ignore[no-any-return]

    def predict(self, path: Path, /) -> Prediction:
        """See `Classifier.predict`."""
        return self._call("predict", path)  # type: ignore[no-any-return]

    def read_genres(self, path: Path, /) -> GenreTag:
        """See `TagStore.read_genres`."""
        return self._call("read_genres", path)  # type: ignore[no-any-return]

    def write_genres(
        self,
        path: Path,
        genres: Sequence[str],
        /,
        *,
        expected: FileVersion,
        options: WriteOptions,
        provenance: Provenance | None = None,
    ) -> TagChange:
        """See `TagStore.write_genres`."""
        arguments = {
            "genres": list(genres),
            "expected": expected,
            "options": options,
            "provenance": provenance,
        }
        return self._call("write_genres", path, arguments)  # type: ignore[no-any-return]

    def restore_fields(
        self,
        path: Path,
        fields: Mapping[str, tuple[str, ...]],
        /,
        *,
        expected: FileVersion,
        options: WriteOptions,
    ) -> TagChange:
        """Put raw field values back, as `undo` does."""
        arguments = {"fields": fields, "expected": expected, "options": options}
        return self._call("restore_fields", path, arguments)  # type: ignore[no-any-return]

    def kill(self) -> None:
        """End the process at once, and clear up what a write in its hands may have left.

        Safe by construction, see docs/architecture.md: what cannot be cleared up now is at the next start.
        """
        with self._handing:
            in_hand = self._in_hand
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        if in_hand is None or self._caller == threading.get_ident():
            _release(process)
        else:  # its caller, in another thread, may be waiting on the streams: it closes them when it is done
            process.wait()
        if in_hand is not None:
            from genretagd.tagging.sweeping import directory_of, sweep  # noqa: PLC0415 - for the rare case only

            sweep(directory_of(in_hand))

    def close(self, *, seconds: float = 2.0) -> None:
        """Let the process finish what it has in hand, then end it; kill it after `seconds`."""
        process = self._process
        if process is None:
            return
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        self.kill()

    def _call(self, op: str, path: Path, arguments: dict[str, Any] | None = None) -> Any:
        if self._calls >= CALLS_PER_LIFE:
            self.close()
        self.start()
        self._calls += 1
        request = {"op": op, "path": path, "limit": self._limit, "arguments": arguments or {}}
        self._caller = threading.get_ident()
        self._in_hand = path
        process = self._process
        try:
            reply = decode(self._exchange(encode(request), path))
        except WorkerError:
            self.kill()
            raise
        finally:
            with self._handing:
                self._in_hand = None
                ended = self._process is not process
            if ended and process is not None:
                _release(process)
        return result_of(reply, op, path)

    def _exchange(self, line: bytes, path: Path) -> bytes:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _send(process.stdin, line)
            return self._reply(process, process.stdout, path)
        except (OSError, ValueError):
            # The process has ended, or another thread has ended it and closed the streams.
            self._crashed(path, process)

    def _reply(self, process: subprocess.Popen[bytes], stream: IO[bytes], path: Path) -> bytes:
        deadline = time.monotonic() + self._limit
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while (end := self._buffer.find(b"\n")) < 0:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not selector.select(remaining):
                    self.kill()
                    problem = f"took longer than {self._limit:g} s and was given up"
                    raise TimeLimitError(path, problem, code="time limit")
                chunk = os.read(stream.fileno(), 1 << 16)
                if not chunk:
                    self._crashed(path, process)
                self._buffer += chunk
        reply = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return reply

    def _crashed(self, path: Path, process: subprocess.Popen[bytes]) -> NoReturn:
        status = -signal.SIGKILL
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(5.0)
        self.kill()
        how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"
        if status > 0 and self._calls == 1:
            raise WorkerError(f"worker: {how} before its first reply, see GENRETAGD_WORKER_STDERR=1")
        raise DecodeError(path, f"the decoder crashed ({how})", code="crashed")


class WorkerPool:
    """A fixed number of workers, lent to one thread at a time.

    Parameters
    ----------
    count : int
        How many; 0 means half the cores, at least one.
    settings : WorkerSettings
        What each is started with.
    track_seconds : float
        Time limit of each call in seconds.
    spare : subprocess.Popen or None
        A process from `start_process` for the first worker to begin with.
    """

    def __init__(
        self,
        count: int,
        settings: WorkerSettings,
        *,
        track_seconds: float,
        spare: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.count = count or max(1, (os.cpu_count() or 1) // 2)
        first = Worker(settings, track_seconds=track_seconds, spare=spare)
        others = [Worker(settings, track_seconds=track_seconds) for _ in range(self.count - 1)]
        self._workers = [first, *others]
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        for worker in reversed(self._workers):
            self._free.put(worker)

    @contextlib.contextmanager
    def worker(self) -> Iterator[Worker]:
        """Lend a worker, waiting until one is free."""
        worker = self._free.get()
        try:
            yield worker
        finally:
            self._free.put(worker)

    def start_one(self) -> None:
        """Start the first worker ahead of its first call, while the caller does other things."""
        self._workers[0].start()

    def kill(self) -> None:
        """End all processes at once."""
        for worker in self._workers:
            worker.kill()

    def close(self) -> None:
        """Let all processes finish what they have in hand, and end them."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
