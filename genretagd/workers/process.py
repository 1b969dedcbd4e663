"""A worker process: how it is started, written to, and buried."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Final

from genretagd import __version__
from genretagd.errors import WorkerError

PATIENCE_SECONDS: Final = 1.0
"""A process that was killed has so long to end, before it is left to itself."""


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
    command = [sys.executable, "-P", "-m", "genretagd.workers.child", __version__]
    if preload:
        command.append("--preload")
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


def send(stream: IO[bytes], line: bytes) -> None:
    """Write all of a line to a raw pipe, which takes less of it when a signal comes between."""
    rest = memoryview(line)
    while rest:
        rest = rest[stream.write(rest) or 0 :]


def clear_up(process: subprocess.Popen[bytes], in_hand: Path | None) -> None:
    """Wait for the end of a process that was killed, and remove what a write in its hands may have left.

    Safe by construction, see docs/tagging.md: what cannot be cleared up now is at the next start. A share
    that hangs may let neither happen, ever: after `PATIENCE_SECONDS` it goes on by itself in a thread.
    """
    thread = threading.Thread(target=_bury, args=(process, in_hand), name="clearing up", daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)


def _bury(process: subprocess.Popen[bytes], in_hand: Path | None) -> None:
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    if in_hand is not None:
        from genretagd.tagging.sweeping import directory_of, sweep  # noqa: PLC0415 - for the rare case only

        sweep(directory_of(in_hand))
