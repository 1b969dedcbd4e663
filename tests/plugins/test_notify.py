"""notify: Apprise itself, and its own JSON service on the loopback interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from plugins_support import HOSTILE, Start, failed, file_name, idle, tagged, undone

from genretagd.actions.hosted import HostedPlugin
from genretagd.errors import DeliveryError

pytest.importorskip("apprise", reason="needs apprise, which the extra genretagd[notify] installs")

WAY = "/private-path-in-the-url"


class Service(HTTPServer):
    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        assert self.path.startswith(WAY)
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path.startswith(f"{WAY}/broken") else self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        service.shutdown()
        thread.join()


@pytest.fixture
def service(running: Service) -> Service:
    running.got.clear()
    running.status = 200
    return running


@pytest.fixture(scope="module")
def plugin(running: Service, start_once: Start, tmp_path_factory: pytest.TempPathFactory) -> HostedPlugin:
    address = tmp_path_factory.mktemp("secrets") / "address"
    address.write_text(f"json://127.0.0.1:{running.server_port}{WAY}\n")
    return start_once("notify", urls=[f"file:{address}"], lines=3)


def test_one_message_tells_of_all_tracks(plugin: HostedPlugin, service: Service, tmp_path: Path) -> None:
    for number in range(5):
        plugin.tell(tagged(tmp_path / f"{number}.mp3", "Rock", "Pop"))
    plugin.tell(failed(tmp_path / "broken.mp3"))
    assert service.got == []
    plugin.tell(idle())
    plugin.tell(idle())
    (message,) = service.got
    assert message["title"] == "genretagd: 5 tagged, 1 failed"
    assert message["message"].split("\n") == [
        "0.mp3: Rock, Pop",
        "1.mp3: Rock, Pop",
        "2.mp3: Rock, Pop",
        "and 2 more",
        "broken.mp3: not an audio file",
    ]


def test_what_was_undone_is_told_apart(plugin: HostedPlugin, service: Service, tmp_path: Path) -> None:
    plugin.tell(undone(tmp_path / "a.mp3", before=("Rock",)))
    plugin.tell(undone(tmp_path / "b.mp3", "Jazz", before=("Rock",)))
    plugin.tell(idle())
    (message,) = service.got
    assert message["title"] == "genretagd: 0 tagged, 2 undone"
    assert message["message"].split("\n") == ["a.mp3: no genre again", "b.mp3: Jazz"]


def test_a_service_that_refuses_is_asked_again(
    plugin: HostedPlugin, service: Service, tmp_path: Path
) -> None:
    service.status = 500
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    with pytest.raises(DeliveryError, match="did not take the message"):
        plugin.tell(idle())
    service.status = 200
    plugin.tell(idle())
    assert len(service.got) == 2


def test_a_message_that_one_service_took_is_not_sent_to_it_again(
    service: Service, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    urls = []
    for name in ("broken", "phone"):
        (tmp_path / name).write_text(f"json://127.0.0.1:{service.server_port}{WAY}/{name}\n")
        urls.append(f"file:{tmp_path}/{name}")
    plugin = start("notify", urls=urls)
    for number in range(2):
        plugin.tell(tagged(tmp_path / f"{number}.mp3", "Rock"))
        plugin.tell(idle())
    assert [message["message"] for message in service.got] == ["0.mp3: Rock"] * 2 + ["1.mp3: Rock"] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "notify: printed: urls: number 1 did not take the message"
    ] * 2
    assert WAY not in caplog.text


def test_hostile_names_stay_on_their_line(plugin: HostedPlugin, service: Service, tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE.values(), start=1):
        plugin.tell(tagged(tmp_path / file_name(text), text))
        plugin.tell(idle())
        assert len(service.got) == number
        assert "\n" not in service.got[-1]["message"].strip()
        assert len(service.got[-1]["message"]) < 300


def test_no_address_fails_the_check(start: Start) -> None:
    assert start("notify", expect_ready=False, urls=[]).status == "CHECK_FAILED"


def test_an_address_that_apprise_does_not_know_fails_the_check_unseen(start: Start, tmp_path: Path) -> None:
    (tmp_path / "address").write_text("nosuch://user:hunter2@example\n")
    plugin = start("notify", expect_ready=False, urls=[f"file:{tmp_path}/address"])
    assert plugin.record().problems == ("urls: Apprise does not understand number 1",)
    assert "hunter2" not in repr(plugin.record())
