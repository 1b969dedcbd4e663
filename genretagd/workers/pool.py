"""The parent's side of the worker processes: call within a time limit, end, start again."""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

from genretagd.domain import (
    FileVersion,
    GenreTag,
    Prediction,
    Provenance,
    TagChange,
    WriteOptions,
)
from genretagd.errors import DecodeError, GenretagdError, ModelError, TimeLimitError, TrackError, WorkerError
from genretagd.serial import to_json
from genretagd.workers.process import PATIENCE_SECONDS, clear_up, send, start_process
from genretagd.workers.service import WorkerSettings
from genretagd.workers.wire import decode, encode, result_of

CALLS_PER_LIFE: Final = 20_000
"""A worker is replaced after so many calls, so that no library's leak can grow for months."""

SLOWEST_BYTES_PER_SECOND: Final = 5_000_000
"""What reads all of a large file may take longer by so much: a write, which copies it too, and a digest."""

_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGALRM})
"""Signals that say nothing about the track: no memory left, a shutdown, the alarm of a paused worker."""


def _ended_by_us() -> WorkerError:
    return WorkerError("worker: was ended with a track in hand")


class Worker:
    """One worker process, started at the first call and again after it was lost.

    It is a `Classifier` and a `TagStore`. Not for several threads at once.

    Parameters
    ----------
    settings : WorkerSettings
        What it is started with.
    track_seconds : float
        Time limit of each call in seconds; a worker that takes longer is killed. What reads all of a
        large file has more (`SLOWEST_BYTES_PER_SECOND`).
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
        self._warm = False
        self._buffer = bytearray()
        self._in_call = False
        self._ended = False
        self._handing = threading.Lock()  # over who clears up after a process that is ended

    def start(self) -> None:
        """Start the process now; a running one stays.

        Raises
        ------
        WorkerError
            The process cannot be started, or the worker was killed.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        process, self._spare = self._spare or start_process(), None
        with self._handing:
            if not self._ended:
                self._process = process
        if self._ended:
            process.kill()
            clear_up(process, None)
            raise _ended_by_us()
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended already: the first call finds out how
            send(process.stdin, encode(to_json(self._settings)))
        self._calls = 0
        self._warm = False
        self._buffer.clear()

    def warm(self) -> tuple[str, ...]:
        """Load the model now instead of at the first prediction, and return its labels.

        Raises
        ------
        ModelError, WorkerError
            It cannot be loaded.
        """
        try:
            labels: tuple[str, ...] = self._call("warm", Path())
        except TrackError as exc:
            raise WorkerError(f"worker: the model cannot be loaded: {exc.problem}") from exc
        self._warm = True
        return labels

    def predict(self, path: Path, /) -> Prediction:
        """See `Classifier.predict`."""
        self.start()
        if not self._warm:
            self.warm()  # by itself: where it fails no track is to blame
        return self._call("predict", path)  # type: ignore[no-any-return]

    def read_genres(self, path: Path, /) -> GenreTag:
        """See `TagStore.read_genres`."""
        return self._call("read_genres", path)  # type: ignore[no-any-return]

    def digest_audio(self, path: Path, /, *, expected: FileVersion) -> str | None:
        """See `TagStore.digest_audio`."""
        seconds = self._time_for_all_of(expected)
        return self._call("digest_audio", path, {"expected": expected}, seconds=seconds)  # type: ignore[no-any-return]

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
        return self._call("write_genres", path, arguments, seconds=self._time_for_all_of(expected))  # type: ignore[no-any-return]

    def check_writable(self, path: Path, /, *, expected: FileVersion, options: WriteOptions) -> None:
        """See `TagStore.check_writable`."""
        self._call("check_writable", path, {"expected": expected, "options": options})

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
        return self._call("restore_fields", path, arguments, seconds=self._time_for_all_of(expected))  # type: ignore[no-any-return]

    def _time_for_all_of(self, version: FileVersion) -> float:
        return self._limit + version.size / SLOWEST_BYTES_PER_SECOND

    def kill(self) -> None:
        """End the process at once and for good; a call in another thread raises `WorkerError`."""
        with self._handing:
            self._ended = True
        self._end()

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
        self._end()

    def _end(self) -> None:
        """Kill the process; where a call is waiting for it, that clears up."""
        with self._handing:
            process, self._process = self._process, None
            in_call = self._in_call
        if process is None:
            return
        process.kill()
        if not in_call:
            clear_up(process, None)

    def _call(
        self, op: str, path: Path, arguments: dict[str, Any] | None = None, *, seconds: float | None = None
    ) -> Any:
        limit = self._limit if seconds is None else seconds
        if self._calls >= CALLS_PER_LIFE:
            self.close()
        self.start()
        with self._handing:
            process = self._process
            self._in_call = process is not None
        if process is None:
            raise _ended_by_us()
        self._calls += 1
        request = {"op": op, "path": path, "limit": limit, "arguments": arguments or {}}
        try:
            return result_of(decode(self._exchange(process, encode(request), path, limit)), op, path)
        except (TrackError, ModelError):  # where it came without a reply, the process has been ended
            raise
        except BaseException:  # a reply that comes after this would be taken for that to the next call
            self._end()
            raise
        finally:
            with self._handing:
                self._in_call = False
                lost = self._process is not process
            if lost:
                clear_up(process, None if op == "warm" else path)

    def _exchange(self, process: subprocess.Popen[bytes], line: bytes, path: Path, limit: float) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, line)
            reply = self._reply(process.stdout, limit)
        except (OSError, ValueError):  # it has ended, or another thread has closed its standard input
            reply = b""
        if reply:
            return reply
        if self._process is not process:
            raise _ended_by_us()
        raise self._too_slow(process, path, limit) if reply is None else self._crashed(process, path)

    def _reply(self, stream: IO[bytes], limit: float) -> bytes | None:
        """Return the reply: None where it takes too long, nothing where the stream ends."""
        deadline = time.monotonic() + limit
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while (end := self._buffer.find(b"\n")) < 0:
                remaining = max(0.0, deadline - time.monotonic())
                # Asked twice: where we were suspended ourselves, the first answer was made without looking.
                if not selector.select(remaining) and not selector.select(0):
                    return None
                chunk = os.read(stream.fileno(), 1 << 16)
                if not chunk:
                    return b""
                self._buffer += chunk
        reply = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return reply

    def _too_slow(self, process: subprocess.Popen[bytes], path: Path, limit: float) -> TrackError:
        self._end()
        problem, code = f"took longer than {limit:.4g} s and was given up (see track_seconds)", "time limit"
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            problem, code = "hangs in the system, see whether its share or disk answers", "hangs"
        return TimeLimitError(path, problem, code=code, transient=True)

    def _crashed(self, process: subprocess.Popen[bytes], path: Path) -> GenretagdError:
        status = -signal.SIGKILL
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(5.0)
        if self._process is not process:
            return _ended_by_us()
        self._end()
        how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"
        heals = -status in _FROM_OUTSIDE
        if status > 0 and self._calls == 1:
            return WorkerError(f"worker: {how} before its first reply, see GENRETAGD_WORKER_STDERR=1")
        problem = f"its worker was {how}, not by the track" if heals else f"the decoder crashed ({how})"
        return DecodeError(path, problem, code="crashed", transient=heals)


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
        """End all processes at once and for good."""
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
