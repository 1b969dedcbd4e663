"""The worker process: reads requests from standard input until it ends, replies on standard output.

Started as ``python -m genretagd.workers.child VERSION``, the version being its parent's; the first line it
reads are its settings as JSON. With ``--preload`` it imports what a prediction needs while it waits.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from genretagd import __version__
from genretagd.domain import FileVersion, Provenance, WriteOptions
from genretagd.errors import GenretagdError, TrackError, WorkerError
from genretagd.serial import from_json
from genretagd.workers.service import OPERATIONS, Service, WorkerSettings
from genretagd.workers.wire import decode, encode, error_message

PARENT_SECONDS: Final = 0.25
"""How often it is looked whether the parent is still there."""

ARGUMENTS: dict[str, Any] = {
    "expected": FileVersion,
    "options": WriteOptions,
    "provenance": Provenance | None,
    "genres": tuple[str, ...],
    "fields": dict[str, tuple[str, ...]],
}


def main() -> None:
    """Serve requests until standard input ends."""
    # The parent decides when to stop: Ctrl-C at the terminal must not tear a write in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    requests, replies = _take_standard_streams()
    if "--preload" in sys.argv:
        threading.Thread(target=_preload, daemon=True).start()
    first = requests.readline()
    if sys.argv[1] != __version__:
        _refuse(sys.argv[1], requests, replies)
    elif first:
        _serve(from_json(WorkerSettings, json.loads(first)), requests, replies)
    os._exit(0)  # nothing is left to do, and the libraries take a while to take themselves apart


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, whatever it has in hand.

    The next run looks at what became of the file that a killed run was writing, and nobody may write to it
    any more then. (The signal that Linux offers comes at the death of the thread that started us already.)
    """
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)


def _preload() -> None:
    with contextlib.suppress(ImportError):  # the request that needs it will say so
        importlib.import_module("genretagd.ml.classifier")


def _serve(settings: WorkerSettings, requests: BinaryIO, replies: BinaryIO) -> None:
    _limit(settings)
    service = Service(settings)
    for line in requests:
        reply = _answer(service, line)
        replies.write(encode(reply))
        replies.flush()


def _refuse(parent: str, requests: BinaryIO, replies: BinaryIO) -> None:
    """Do nothing for a parent that was there before an upgrade: no file is for both."""
    problem = f"genretagd {__version__} was installed while {parent} is running, start it again"
    for _ in requests:
        replies.write(encode(error_message(WorkerError(problem))))
        replies.flush()


def _limit(settings: WorkerSettings) -> None:
    if settings.nice:
        with contextlib.suppress(OSError, AttributeError):
            os.nice(settings.nice)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - POSIX only

        resource.setrlimit(resource.RLIMIT_AS, (settings.max_bytes, settings.max_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return the protocol's two ends, out of reach of libraries that print."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as null:  # noqa: PTH123 - a descriptor is needed
        os.dup2(null.fileno(), 0)
    os.dup2(2, 1)
    return requests, replies


def _answer(service: Service, line: bytes) -> dict[str, Any]:
    path = Path()
    try:
        request = decode(line)
        path = Path(request["path"])
        with _alarm(request["limit"]):
            return {"ok": _perform(service, request["op"], path, request.get("arguments", {}))}
    except GenretagdError as exc:
        return error_message(exc)
    except ImportError as exc:  # an upgrade half done, a system library that went: no track's fault
        problem = f"a library cannot be loaded ({exc}), install genretagd and what it needs again"
        return error_message(WorkerError(problem))
    except MemoryError:
        return error_message(TrackError(path, "needs more memory than a worker may take", code="memory"))
    except Exception as exc:  # noqa: BLE001 - one file's surprise must not end the worker; it is reported
        problem = f"unexpected {type(exc).__name__}: {exc}"
        return error_message(TrackError(path, problem, code="internal"))


def _perform(service: Service, op: str, path: Path, arguments: dict[str, Any]) -> object:
    if op not in OPERATIONS:
        raise WorkerError(f"worker: no operation {op!r}")
    if op == "warm":
        return OPERATIONS[op](service)
    given = {name: from_json(ARGUMENTS[name], value) for name, value in arguments.items()}
    first = [given.pop(name) for name in ("genres", "fields") if name in given]
    return OPERATIONS[op](service, path, *first, **given)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """End this process if it hangs beyond the parent's own limit and nobody has ended it.

    The alarm's default action is the kernel's, so it works inside a decoder that never returns.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
