"""The parent's side of a plugin's process: start it, ask it, bound it, end it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import genretagd
from genretagd.errors import DeliveryError
from genretagd.plugin_tools import STATE_VARIABLE

MAX_ANSWER_BYTES: Final = 1 << 20
MAX_LINE_CHARACTERS: Final = 500
MAX_LINE_BYTES: Final = 1 << 16
"""Secrets are taken out before a line is cut, so it is not cut within one of the usual lengths."""
CLOSE_SECONDS: Final = 5.0


class HostDied(DeliveryError):  # noqa: N818 - what happened, not what is wrong
    """The plugin's process ended or was ended; the next request needs a new one."""


class Output:
    """Logs what a plugin prints, a bounded number of lines per minute.

    Parameters
    ----------
    log : logging.LoggerAdapter
        Where lines go, at level INFO.
    redact : callable
        Takes the secrets out of a line and makes it printable.
    clock : callable
        Seconds from anywhere.
    lines_per_minute : int
        Further lines are counted, not logged.
    """

    def __init__(
        self,
        log: logging.LoggerAdapter[logging.Logger],
        *,
        redact: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
        lines_per_minute: int = 30,
    ) -> None:
        self._log = log
        self._redact = redact
        self._clock = clock
        self._allowed = lines_per_minute
        self._minute_began = clock()
        self._lines = 0
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take what was printed, in pieces of any size."""
        *lines, rest = (self._partial + data).split(b"\n")
        self._partial = rest[:MAX_LINE_BYTES]
        for line in lines:
            if line.strip():
                self._line(line)

    def finish(self) -> None:
        """Log an unfinished last line, and how many lines were left out."""
        if self._partial.strip():
            self._line(self._partial)
        self._partial = b""
        self._tell_left_out()

    def _line(self, line: bytes) -> None:
        if self._clock() - self._minute_began >= 60.0:
            self._tell_left_out()
            self._minute_began, self._lines = self._clock(), 0
        self._lines += 1
        if self._lines <= self._allowed:
            text = self._redact(line[:MAX_LINE_BYTES].decode("utf-8", "replace").rstrip())
            self._log.info("printed: %s", text[:MAX_LINE_CHARACTERS])

    def _tell_left_out(self) -> None:
        if self._lines > self._allowed:
            self._log.warning("printed %d more lines, which are left out", self._lines - self._allowed)
            self._lines = self._allowed


class HostProcess:
    """One plugin's process. Requests are made by one thread; `kill` may come from any.

    Parameters
    ----------
    output : Output
        Takes what the plugin prints.
    state : Path
        Directory in which the plugin may remember things.
    """

    def __init__(self, *, output: Output, state: Path) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._answer = b""
        self._number = 0
        self._killed = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "genretagd.actions.host"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env=host_environment(os.environ, state=state),
                cwd="/",
            )
        except OSError as exc:
            raise HostDied(f"its process cannot be started: {exc.strerror}") from exc
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin, self._stdout, self._stderr = (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        )
        for stream in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(stream.fileno(), False)

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    def ask(self, request: Mapping[str, Any], *, limit_seconds: float) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises
        ------
        HostDied
            The process ended, spoke nonsense or took longer than the limit; it is killed then.
        """
        self._number += 1
        numbered = {**request, "number": self._number}
        try:
            line = self._exchange(json.dumps(numbered).encode("ascii") + b"\n", limit_seconds)
            answer = json.loads(line)
        except HostDied:
            self.kill()
            raise
        except (OSError, ValueError) as exc:
            self.kill()
            raise HostDied(f"its process broke off: {type(exc).__name__}") from exc
        if not isinstance(answer, dict) or answer.get("number") != self._number:
            self.kill()
            raise HostDied("its process spoke nonsense")
        return answer

    def _exchange(self, rest: bytes, limit_seconds: float) -> bytes:
        deadline = time.monotonic() + limit_seconds
        self._answer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            selector.register(self._stdin, selectors.EVENT_WRITE)
            while True:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise HostDied(f"took longer than {limit_seconds:g} s and was ended")
                for key, _ in selector.select(remaining):
                    if key.fileobj is self._stdin:
                        rest = rest[os.write(self._stdin.fileno(), rest) :]
                        if not rest:
                            selector.unregister(self._stdin)
                    elif key.fileobj is self._stderr:
                        if not self._drain():
                            selector.unregister(self._stderr)
                    elif self._read_answer():
                        self._drain()
                        return self._answer

    def _read_answer(self) -> bool:
        data = os.read(self._stdout.fileno(), 1 << 16)
        if not data:
            self._drain()
            raise HostDied(f"its process ended ({self._how_it_ended()})")
        self._answer += data
        if len(self._answer) > MAX_ANSWER_BYTES:
            raise HostDied("its process answered without end")
        return self._answer.endswith(b"\n")

    def _drain(self) -> bool:
        """Take what was printed; return False at the end of the stream."""
        for _ in range(64):  # a plugin that prints without end must not keep us here
            try:
                data = os.read(self._stderr.fileno(), 1 << 16)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._output.feed(data)
        return True

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "it closed its answers"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}"

    def close(self, *, limit_seconds: float = CLOSE_SECONDS) -> None:
        """Let the plugin close, then end the process."""
        with contextlib.suppress(HostDied):
            self.ask({"do": "close"}, limit_seconds=limit_seconds)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1.0)
        self.kill()

    def kill(self) -> None:
        """End the process and all it started, at once; safe from any thread, and twice.

        What it started is ended as well where it has ended by itself: as long as one of its group is
        left, nobody else gets its number.
        """
        with self._lock:
            if not self._killed:
                self._killed = True
                with contextlib.suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.kill()
                self._process.wait()

    def release(self) -> None:
        """Log its last words and give the pipes back; by the thread that asks, when it is done with it."""
        self.kill()
        self._output.finish()
        for stream in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()


def host_environment(environment: Mapping[str, str], *, state: Path) -> dict[str, str]:
    """Return the environment of a plugin's process: ours, and where it finds genretagd and its state."""
    found = {**environment, STATE_VARIABLE: os.fspath(state), "PYTHONUNBUFFERED": "1"}
    home = str(Path(genretagd.__file__).resolve().parent.parent)
    if home not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        found["PYTHONPATH"] = os.pathsep.join(filter(None, [home, environment.get("PYTHONPATH")]))
    return found
