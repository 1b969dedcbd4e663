"""Publish events to an MQTT broker, with sensors that Home Assistant finds by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from genretagd.api import (
    DeliveryError,
    PluginError,
    Secret,
    TrackEvent,
    TrackTagged,
    event_to_json,
    event_to_text,
)


class _Message(NamedTuple):
    topic: str
    payload: str
    retain: bool = False


@dataclass(frozen=True)
class Mqtt:
    """Publish events to an MQTT broker, with sensors that Home Assistant finds by itself.

    An event goes to ``TOPIC/tagged``, ``TOPIC/unsure``, ``TOPIC/failed`` or ``TOPIC/moved`` as
    JSON; the last tagged track also stays at ``TOPIC/last``. Each event has a connection of its own,
    so the broker never holds one that is dead, and nothing waits here to be sent a second time.

    Attributes
    ----------
    host : str
        The broker.
    port : int
        Its port; 8883 is usual with `tls`.
    topic : str
        Where to publish.
    username : str or None
        Who publishes.
    password : Secret or None
        Their password.
    tls : bool
        Encrypt, and check the broker's certificate.
    discovery : str
        Home Assistant's discovery prefix; empty for no sensors.
    timeout_seconds : float
        The broker may take so long to connect, and to confirm.
    """

    api_version = "1.0"

    host: str = "localhost"
    port: int = 1883
    topic: str = "genretagd"
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    discovery: str = "homeassistant"
    timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not self.topic or any(character in self.topic for character in "+#\0"):
            raise PluginError("topic: must be a topic to publish to, without + and #")

    def check(self) -> None:
        """Connect, and tell Home Assistant what there is."""
        try:
            self._publish(
                _Message(f"{self.discovery}/sensor/genretagd/{name}/config", payload, retain=True)
                for name, payload in self._sensors().items()
            )
        except DeliveryError as exc:
            raise PluginError(str(exc)) from exc

    def on_tagged(self, event: TrackTagged) -> None:
        """Publish a tagged track, and keep it as the last one."""
        found = event_to_json(event)
        last = {"genre": "; ".join(event.after)[:255], "path": found["path"], "at": found["at"]}
        last |= {"confidence": event.confidence, "before": list(event.before)}
        kept = _Message(f"{self.topic}/last", json.dumps(last), retain=True)
        self._publish([self._message(event), kept])

    def on_unsure(self, event: TrackEvent) -> None:
        """Publish any other event."""
        self._publish([self._message(event)])

    on_failed = on_moved = on_unsure

    def _message(self, event: TrackEvent) -> _Message:
        return _Message(f"{self.topic}/{event.kind}", event_to_text(event))

    def _publish(self, messages: Iterable[_Message]) -> None:
        """Connect, publish, wait until the broker has confirmed, and disconnect."""
        client, refusals = self._client()
        try:
            client.connect(self.host, self.port)
        except OSError as exc:
            raise DeliveryError(f"{self.host}: the broker cannot be reached: {exc}") from exc
        deadline = time.monotonic() + self.timeout_seconds
        try:
            self._wait(client, client.is_connected, deadline, refusals)
            sent = [client.publish(topic, text, qos=1, retain=retain) for topic, text, retain in messages]
            self._wait(client, lambda: all(one.is_published() for one in sent), deadline, refusals)
        except (OSError, RuntimeError, ValueError) as exc:
            raise DeliveryError(f"{self.host}: cannot publish: {exc}") from exc
        finally:
            client.disconnect()

    def _wait(
        self, client: Any, condition: Callable[[], bool], deadline: float, refusals: Sequence[str]
    ) -> None:
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeliveryError(f"{self.host}: the broker does not confirm")
            failed = client.loop(left)
            if refusals:
                raise DeliveryError(f"{self.host}: the broker refuses: {refusals[0]}")
            if failed:
                raise DeliveryError(f"{self.host}: the broker broke off")

    def _client(self) -> tuple[Any, list[str]]:
        """Return a client that is not yet connected, and the list in which a refusal will be."""
        try:
            from paho.mqtt import client as paho  # noqa: PLC0415 - an optional part of the installation
        except ImportError as exc:
            raise PluginError('paho-mqtt: is missing, run `pip install "genretagd[plugins]"`') from exc

        refusals: list[str] = []

        def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                refusals.append(str(reason))

        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.connect_timeout = self.timeout_seconds
        client.on_connect = connected
        if self.username:
            client.username_pw_set(self.username, self.password.reveal() if self.password else None)
        if self.tls:
            client.tls_set()
        return client, refusals

    def _sensors(self) -> dict[str, str]:
        """Return Home Assistant's discovery payloads: the last genre, and the last track."""
        if not self.discovery:
            return {}
        device = {"identifiers": ["genretagd"], "name": "genretagd"}
        shared = {"device": device, "state_topic": f"{self.topic}/last"}
        genre = {"name": "Last genre", "unique_id": "genretagd_last_genre", "icon": "mdi:music-note"}
        genre |= {"value_template": "{{ value_json.genre }}", "json_attributes_topic": f"{self.topic}/last"}
        track = {"name": "Last track", "unique_id": "genretagd_last_track", "icon": "mdi:file-music"}
        track |= {"value_template": "{{ value_json.path[-255:] }}"}
        return {"last_genre": json.dumps(shared | genre), "last_track": json.dumps(shared | track)}
