"""``/metrics`` for Prometheus and ``/healthz``, on a loopback port, where the user asks for it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from genretagd.errors import UsageError

REQUEST_SECONDS: Final = 5.0
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsServer:
    """Answers on 127.0.0.1 until closed.

    Parameters
    ----------
    port : int
        0 takes a free one; see `port`.
    status : callable
        Returns the status object of this moment.

    Raises
    ------
    UsageError
        The port is taken.
    """

    def __init__(self, port: int, status: Callable[[], Mapping[str, Any]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_SECONDS

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._reply(200, CONTENT_TYPE, "\n".join(exposition(status())) + "\n")
                elif self.path == "/healthz":
                    healthy, why = health(status())
                    self._reply(200 if healthy else 503, "application/json", json.dumps(why) + "\n")
                else:
                    self._reply(404, "text/plain", "not found: /metrics and /healthz are here\n")

            def _reply(self, code: int, kind: str, text: str) -> None:
                body = text.encode("utf-8", "replace")
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing: a scrape is no news."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_arguments: Any) -> None:
                """Say nothing: a client that went away is no news."""

        try:
            self._server = Server(("127.0.0.1", port), Handler)
        except OSError as exc:
            raise UsageError(f"metrics_port: {port} cannot be used ({exc.strerror}), choose another") from exc
        self.port = int(self._server.server_address[1])
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._closed = True
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()  # ends the wait in _serve
        self._thread.join(0.5)
        self._server.server_close()

    def _serve(self) -> None:
        while not self._closed:  # waits without polling, unlike serve_forever
            self._server.handle_request()


def health(status: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Return whether the daemon does its work, and what does not."""
    ill = [root for root in status["roots"] if not root["healthy"]]
    problems = [f"{root['path']}: {root['problem'] or root['state']}" for root in ill]
    if status["problem"]:
        problems.append(status["problem"])
    healthy = status["state"] == "running" and not problems
    return healthy, {"healthy": healthy, "state": status["state"], "problems": problems}


def exposition(status: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines of Prometheus' text format 0.0.4."""
    running = int(status["state"] == "running")
    yield from _family("up", "gauge", "Whether the daemon runs.", "", {"": running})
    started = round(status["started_at"])
    yield from _family("start_time_seconds", "gauge", "When it started.", "", {"": started})
    yield from _family("files_total", "counter", "Files dealt with.", "status", status["files"])
    yield from _family("failures_total", "counter", "Failures by reason.", "code", status["failures"])
    seconds = status["working_seconds"]
    yield from _family("working_seconds_total", "counter", "Time spent on files.", "", {"": seconds})
    yield from _family("queue_files", "gauge", "Files in the queue.", "state", status["queue"])
    for name, kind, meaning, key in (
        ("root_healthy", "gauge", "Whether the root is watched without problems.", "healthy"),
        ("root_files", "gauge", "Audio files seen by the last scan.", "files"),
        ("root_scan_seconds", "gauge", "Duration of the last scan.", "scan_seconds"),
        ("root_overflows_total", "counter", "Times that file system events were lost.", "overflows"),
        ("root_restarts_total", "counter", "Times that the observer was started again.", "restarts"),
    ):
        found = {root["path"]: root[key] + 0 for root in status["roots"]}
        yield from _family(name, kind, meaning, "root", found)


def _family(name: str, kind: str, meaning: str, label: str, samples: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP genretagd_{name} {meaning}"
    yield f"# TYPE genretagd_{name} {kind}"
    for key, value in samples.items():
        labels = f'{{{label}="{_escaped(key)}"}}' if label else ""
        yield f"genretagd_{name}{labels} {value}"


def _escaped(value: str) -> str:
    printable = value.encode("utf-8", "replace").decode()
    return printable.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
