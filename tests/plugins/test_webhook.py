"""webhook against a real HTTP server on the loopback interface that fails, stalls and truncates."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from plugins_support import Start, failed, file_name, tagged

from genretagd.actions.hosted import HostedPlugin
from genretagd.errors import DeliveryError
from genretagd.event_json import event_from_json

pytest.importorskip("httpx", reason="needs httpx, which the extra genretagd[plugins] installs")


class Server(ThreadingHTTPServer):
    """Remembers what it got, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.behave = "200"
        self.released = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:  # noqa: C901 - one case per way to misbehave
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        match self.server.behave:
            case "stall":
                self.server.released.wait(30)
            case "drop":
                self.connection.shutdown(socket.SHUT_RDWR)
            case "truncated-head":
                self.wfile.write(b"HTTP/1.1 200 O")
                self.connection.shutdown(socket.SHUT_RDWR)
            case "truncated-body":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
                self.connection.shutdown(socket.SHUT_RDWR)
            case "nonsense":
                self.wfile.write(b"\x00\xff hello\r\n\r\n")
                self.connection.shutdown(socket.SHUT_RDWR)
            case "endless":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                try:
                    while not self.server.released.is_set():
                        self.wfile.write(b"x" * 65536)
                except OSError:
                    pass
            case status:
                number, _, retry = status.partition("/")
                self.send_response(int(number))
                if retry:
                    self.send_header("Retry-After", retry)
                if number.startswith("3"):
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def server(running: Server) -> Server:
    running.got.clear()
    running.behave = "200"
    return running


@pytest.fixture(scope="module")
def plugin(running: Server, start_once: Start) -> HostedPlugin:
    return start_once("webhook", url=running.url, timeout_seconds=0.4)


def test_an_event_arrives_whole_and_signed(
    start: Start, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "between us")
    (tmp_path / "token").write_text("b34r3r\n")
    plugin = start(
        "webhook",
        url=server.url,
        secret="env:HOOK_SECRET",
        token=f"file:{tmp_path}/token",
        headers={"X-Extra": "1"},
    )
    event = tagged(tmp_path / "a.mp3", "Rock")
    plugin.tell(event)
    ((headers, body),) = server.got
    assert event_from_json(json.loads(body)) == event
    assert headers["idempotency-key"] == event.key
    assert headers["authorization"] == "Bearer b34r3r"
    assert headers["x-extra"] == "1"
    signed = headers["x-genretagd-timestamp"].encode() + b"." + body
    expected = hmac.new(b"between us", signed, hashlib.sha256).hexdigest()
    assert headers["x-genretagd-signature"] == f"sha256={expected}"


@pytest.mark.parametrize(
    ("behave", "message", "permanent"),
    [
        ("500", "HTTP status 500", False),
        ("503/7", "HTTP status 503", False),
        ("429", "HTTP status 429", False),
        ("404", "HTTP status 404", True),
        ("401", "HTTP status 401", True),
        ("302", "moved elsewhere", True),
        ("stall", "ReadTimeout", False),
        ("drop", "RemoteProtocolError", False),
        ("truncated-head", "RemoteProtocolError", False),
        ("truncated-body", "RemoteProtocolError", False),
        ("nonsense", "RemoteProtocolError", False),
    ],
)
def test_a_server_that_misbehaves_is_a_failure_to_try_again_or_not(
    plugin: HostedPlugin, server: Server, tmp_path: Path, behave: str, message: str, *, permanent: bool
) -> None:
    server.behave = behave
    with pytest.raises(DeliveryError, match=message) as caught:
        plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    assert caught.value.permanent is permanent
    assert caught.value.retry_after_seconds == (7 if behave == "503/7" else None)
    server.behave = "200"
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))


def test_an_endless_answer_is_not_read_to_its_end(
    plugin: HostedPlugin, server: Server, tmp_path: Path
) -> None:
    server.behave = "endless"
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    assert len(server.got) == 1


def test_no_server_is_a_failure_to_try_again(start: Start, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DeliveryError, match="ConnectError") as caught:
            start("webhook", url=url).tell(tagged(tmp_path / "a.mp3", "Rock"))
    assert not caught.value.permanent


def test_only_the_events_that_were_asked_for_are_sent(start: Start, server: Server, tmp_path: Path) -> None:
    plugin = start("webhook", url=server.url, events=["failed"])
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(failed(tmp_path / "a.mp3"))
    assert [json.loads(body)["kind"] for _, body in server.got] == ["failed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "write either url"),
        ({"url": "ftp://x"}, "must begin with https"),
        ({"url": "http://x", "secret": "hunter2"}, "never the secret itself"),
        ({"url": "http://x", "secret": "env:NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
        ({"url": "http://x", "events": ["tagd"]}, 'did you mean "tagged"'),
        ({"url": "http://x", "time_out": 3}, "unknown option"),
    ],
)
def test_a_wrong_option_is_told_with_the_plugin_and_a_hint(
    start: Start, options: dict[str, Any], message: str
) -> None:
    plugin = start("webhook", expect_ready=False, **options)
    assert plugin.status == "CONFIG_INVALID"
    (problem,) = plugin.record().problems
    assert problem.startswith("config.toml:1: actions.webhook")
    assert message in problem
    assert "hunter2" not in problem


def test_hostile_names_arrive_as_valid_json(
    plugin: HostedPlugin, server: Server, tmp_path: Path, hostile: str
) -> None:
    event = tagged(tmp_path / file_name(hostile), hostile)
    plugin.tell(event)
    ((_, body),) = server.got
    found = json.loads(body)
    assert event_from_json(found).path == event.path
    json.dumps(found, ensure_ascii=False).encode("utf-8")
