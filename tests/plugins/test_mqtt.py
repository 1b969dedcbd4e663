"""mqtt against a loopback broker that can go away, refuse, break off and keep silent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from plugins_support import Start, failed, tagged

from genretagd.actions.hosted import HostedPlugin
from genretagd.errors import DeliveryError

pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt, which the extra genretagd[plugins] installs")

CONNECT, PUBLISH, DISCONNECT = 1, 3, 14


class Broker:
    """As much of MQTT 3.1.1 as publishers with QoS 1 need."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, bool]] = []
        self.goodbyes = self.connections = self.refusal = 0
        self.confirms = True
        self._links: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.start()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._accept, args=(self._listener,))
        self._thread.start()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def restart(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.start()

    def topics(self) -> list[str]:
        return [topic for topic, *_ in self.got]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            link.settimeout(20)
            with link, link.makefile("rwb") as stream, suppress(OSError):
                self._serve(stream)

    def _serve(self, stream: IO[bytes]) -> None:
        while first := stream.read(1):
            size = shift = 0
            while True:
                byte = stream.read(1)[0]
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            kind, flags, body = first[0] >> 4, first[0] & 15, stream.read(size)
            if kind == CONNECT:
                self.connections += 1
                stream.write(bytes([0x20, 2, 0, self.refusal]))
            elif kind == PUBLISH:
                end = 2 + int.from_bytes(body[:2], "big")
                self.got.append((body[2:end].decode(), body[end + 2 :].decode(), bool(flags & 1)))
                if self.confirms:
                    stream.write(b"\x40\x02" + body[end : end + 2])
            elif kind == DISCONNECT:
                self.goodbyes += 1
                return
            stream.flush()
            if self.refusal:
                return


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.stop()


@pytest.fixture
def plugin(broker: Broker, start: Start) -> HostedPlugin:
    plugin = start("mqtt", host="127.0.0.1", port=broker.port, timeout_seconds=2.0)
    broker.got.clear()
    return plugin


def test_home_assistant_is_told_of_sensors_that_hold_the_last_track(broker: Broker, start: Start) -> None:
    start("mqtt", host="127.0.0.1", port=broker.port, topic="music")
    assert broker.topics() == [
        f"homeassistant/sensor/genretagd/{name}/config" for name in ("last_genre", "last_track")
    ]
    assert all(retained for *_, retained in broker.got)
    assert {json.loads(payload)["state_topic"] for _, payload, _ in broker.got} == {"music/last"}


def test_every_event_is_published_and_every_connection_ends_with_a_goodbye(
    broker: Broker, plugin: HostedPlugin, tmp_path: Path
) -> None:
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock", "Pop"))
    plugin.tell(failed(tmp_path / "b.mp3"))
    plugin.close()
    assert [(topic, retained) for topic, _, retained in broker.got] == [
        ("genretagd/tagged", False),
        ("genretagd/last", True),
        ("genretagd/failed", False),
    ]
    assert json.loads(broker.got[1][1])["genre"] == "Rock; Pop"
    assert broker.goodbyes == broker.connections == 3


def test_an_event_told_while_the_broker_was_away_is_published_once(
    broker: Broker, plugin: HostedPlugin, tmp_path: Path
) -> None:
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    broker.got.clear()
    broker.stop()
    event = tagged(tmp_path / "b.mp3", "Jazz")
    for _ in range(3):
        with pytest.raises(DeliveryError, match="cannot be reached"):
            plugin.tell(event)
    broker.restart()
    plugin.tell(event)
    plugin.close()
    assert broker.topics() == ["genretagd/tagged", "genretagd/last"]


def test_a_broker_that_does_not_confirm_is_sent_the_event_at_the_next_attempt(
    broker: Broker, plugin: HostedPlugin, tmp_path: Path
) -> None:
    broker.confirms = False
    event = failed(tmp_path / "a.mp3")
    with pytest.raises(DeliveryError, match="does not confirm"):
        plugin.tell(event)
    broker.confirms = True
    plugin.tell(event)
    assert broker.topics() == ["genretagd/failed"] * 2


def test_a_refusal_is_told_in_the_brokers_words(
    broker: Broker, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.refusal = 5
    monkeypatch.setenv("MQTT_PASSWORD", "s3same")
    options = {"host": "127.0.0.1", "port": broker.port, "username": "me", "password": "env:MQTT_PASSWORD"}
    plugin = start("mqtt", expect_ready=False, **options)
    assert plugin.record().problems == ("127.0.0.1: the broker refuses: Not authorized",)
