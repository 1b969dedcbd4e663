"""The process one plugin lives in: ``python -m genretagd.actions.host``, JSON lines in and out.

Requests arrive on what was standard input, one answer each leaves on what was standard output.
The plugin sees an empty standard input, and whatever it prints goes to standard error, where the
parent reads it. The process may be killed at any instant.

====================  ==========================================  ================================
request ``do``        with                                        answer besides ``ok``
====================  ==========================================  ================================
``start``             source, name, options, where, memory        handlers, options, or status
``check``
``event``             event                                       moved
``close``             (and the process ends)
====================  ==========================================  ================================

A request has a ``number``, and its answer the same one. A refusal is ``{"ok": false, "error": "..."}``
with ``problems``, ``permanent`` and ``retry_after_seconds`` where they apply.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from genretagd.actions.catalog import Origin, PluginSource
from genretagd.actions.loading import described, handlers_of, load_plugin, make_plugin, summary_of
from genretagd.actions.options import describe_options
from genretagd.errors import ConfigError, DeliveryError, PluginError
from genretagd.event_json import event_from_json, event_to_json
from genretagd.events import Idle, Moved, moved_event

GRACE_SECONDS: Final = 5.0
"""So long may a handler go on after the parent has gone."""

NICENESS: Final = 10
"""Telling the world is less urgent than tagging."""


class Host:
    """Answers requests about the one plugin it has loaded."""

    def __init__(self) -> None:
        self._plugin: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; no exception leaves, whatever the plugin raises."""
        try:
            match request.get("do"):
                case "start":
                    return self._start(request)
                case "check":
                    self._call("check")
                    return {"ok": True}
                case "event":
                    return self._event(request["event"])
                case "close":
                    self._call("close")
                    return {"ok": True}
                case other:
                    return {"ok": False, "error": f"unknown request {other!r}"}
        except ConfigError as exc:
            return {"ok": False, "status": "CONFIG_INVALID", "problems": exc.problems, "error": str(exc)}
        except DeliveryError as exc:
            return _refusal(exc)
        except BaseException as exc:  # noqa: BLE001 - a plugin may raise anything: SystemExit, MemoryError
            return {"ok": False, "error": described(exc), "exhausted": isinstance(exc, MemoryError)}

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        limit_memory(int(request["memory_megabytes"]))
        source = PluginSource(
            request["use"], Origin(request["origin"]), request["location"], request.get("problem")
        )
        try:
            kind = load_plugin(source)
        except PluginError as exc:
            return {"ok": False, "status": "LOAD_FAILED", "problems": [str(exc)], "error": str(exc)}
        found: dict[str, Any] = {
            "ok": True,
            "handlers": handlers_of(kind),
            "options": describe_options(kind),
            "summary": summary_of(kind),
        }
        if request.get("describe_only"):
            return found
        self._plugin = make_plugin(
            kind,
            name=request["name"],
            options=request["options"],
            where=request["where"],
            environment=os.environ,
        )
        return found

    def _event(self, found: dict[str, Any]) -> dict[str, Any]:
        event = event_from_json(found)
        answer = self._call(f"on_{event.kind}", event)
        if isinstance(answer, Moved) and not isinstance(event, Idle):
            moved = moved_event(event.path, _place(answer), cause=event.key, at=event.at)
            return {"ok": True, "moved": event_to_json(moved)}
        return {"ok": True}

    def _call(self, method: str, *arguments: Any) -> Any:
        function = getattr(self._plugin, method, None)
        return function(*arguments) if callable(function) else None


def _refusal(exc: DeliveryError) -> dict[str, Any]:
    error = described(exc).removeprefix("DeliveryError: ")
    seconds = getattr(exc, "retry_after_seconds", None)
    if seconds is not None and not (isinstance(seconds, (int, float)) and math.isfinite(seconds)):
        error += f" (retry_after_seconds must be a number, not {seconds!r})"  # a header, say
        seconds = None
    return {
        "ok": False,
        "error": error,
        "permanent": bool(getattr(exc, "permanent", False)),
        "retry_after_seconds": seconds,
    }


def _place(moved: Moved) -> Path:
    """Return where a track is now; raises `PluginError` where a plugin did not say."""
    try:
        path = Path(os.fsdecode(moved.to))
    except TypeError:
        path = Path()
    if not path.is_absolute() or "\0" in os.fspath(path):
        raise PluginError(f"Moved(to={moved.to!r}): must be the whole path of the track")
    if not path.is_file():  # the ledger would follow, and nobody find the track for an undo
        raise PluginError(f"Moved(to={moved.to!r}): is no file, say so when the track is there")
    return path


def limit_memory(megabytes: int) -> None:
    """Bound the address space of this process, where the system can."""
    try:
        import resource  # noqa: PLC0415 - POSIX only
    except ImportError:
        return
    limit = megabytes << 20
    with contextlib.suppress(OSError, ValueError):  # never above a limit that is already set
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def private_pipes() -> tuple[IO[str], IO[str]]:
    """Take standard input and output for ourselves; the plugin gets nothing to read and prints to stderr."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace", line_buffering=True)
    return os.fdopen(requests, encoding="ascii"), os.fdopen(answers, "w", encoding="ascii")


def requests_from(stream: IO[str]) -> Iterator[dict[str, Any]]:
    """Yield requests until the parent has gone, and see to it that this process then ends too."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            waiting.put(line)
        waiting.put(None)
        threading.Event().wait(GRACE_SECONDS)
        end()

    threading.Thread(target=read, name="requests", daemon=True).start()
    while (line := waiting.get()) is not None:
        yield json.loads(line)


def end() -> NoReturn:
    """End this process and all that the plugin started; threads it left behind do not keep us."""
    if os.getpgrp() == os.getpid():  # as it is where `HostProcess` has started us
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def main() -> None:
    """Serve one plugin until the parent says close, or is gone."""
    requests, answers = private_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICENESS)
    host, ours = Host(), os.getpid()
    for request in requests_from(requests):
        answer = host.answer(request) | {"number": request.get("number")}
        if os.getpid() != ours:  # a child that the plugin forked: it has nothing to say here
            os._exit(0)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the plugin may have replaced or closed it
                stream.flush()
        try:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
        except OSError:
            break
        if request.get("do") == "close":
            break
    end()


if __name__ == "__main__":
    main()
