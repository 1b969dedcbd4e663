"""Publish events to an MQTT broker, with sensors that Home Assistant finds by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from genretagd.api import (
    DeliveryError,
    PluginError,
    Secret,
    TrackEvent,
    TrackTagged,
    event_to_json,
    event_to_text,
)


@dataclass(frozen=True)
class Mqtt:
    """Publish events to an MQTT broker, with sensors that Home Assistant finds by itself.

    An event goes to ``TOPIC/tagged``, ``TOPIC/unsure``, ``TOPIC/failed`` or ``TOPIC/moved`` as
    JSON; the last tagged track also stays at ``TOPIC/last``, and ``TOPIC/availability`` says
    ``online`` or ``offline``.

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
            self._publish("availability", "online", retain=True)
            for name, payload in self._sensors().items():
                self._publish_to(f"{self.discovery}/sensor/genretagd/{name}/config", payload, retain=True)
        except DeliveryError as exc:
            raise PluginError(str(exc)) from exc

    def on_tagged(self, event: TrackTagged) -> None:
        """Publish a tagged track, and keep it as the last one."""
        self._tell(event)
        found = event_to_json(event)
        last = {"genre": "; ".join(event.after)[:255], "path": found["path"], "at": found["at"]}
        last |= {"confidence": event.confidence, "before": list(event.before)}
        self._publish("last", json.dumps(last), retain=True)

    def on_unsure(self, event: TrackEvent) -> None:
        """Publish any other event."""
        self._tell(event)

    on_failed = on_moved = on_unsure

    def close(self) -> None:
        """Say goodbye."""
        if "_client" in self.__dict__:
            self._publish("availability", "offline", retain=True)
            self._client.disconnect()
            self._client.loop_stop()

    def _tell(self, event: TrackEvent) -> None:
        self._publish(event.kind, event_to_text(event))

    def _publish(self, below: str, payload: str, *, retain: bool = False) -> None:
        self._publish_to(f"{self.topic}/{below}", payload, retain=retain)

    def _publish_to(self, topic: str, payload: str, *, retain: bool) -> None:
        try:
            sent = self._client.publish(topic, payload, qos=1, retain=retain)
            sent.wait_for_publish(self.timeout_seconds)
        except (OSError, RuntimeError, ValueError) as exc:
            raise DeliveryError(f"{self.host}: cannot publish: {exc}") from exc
        if not sent.is_published():
            raise DeliveryError(f"{self.host}: the broker does not confirm")

    @cached_property
    def _client(self) -> Any:
        """The connection, made at its first use; afterwards it comes back by itself."""
        try:
            from paho.mqtt import client as paho  # noqa: PLC0415 - an optional part of the installation
        except ImportError as exc:
            raise PluginError('paho-mqtt: is missing, run "pip install genretagd[plugins]"') from exc

        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.connect_timeout = self.timeout_seconds
        refusals: list[str] = []

        def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            if reason.is_failure:
                refusals.append(str(reason))

        client.on_connect = connected
        if self.username:
            client.username_pw_set(self.username, self.password.reveal() if self.password else None)
        if self.tls:
            client.tls_set()
        client.will_set(f"{self.topic}/availability", "offline", qos=1, retain=True)
        try:
            client.connect(self.host, self.port)
        except OSError as exc:
            raise DeliveryError(f"{self.host}: the broker cannot be reached: {exc}") from exc
        client.loop_start()
        return client

    def _sensors(self) -> dict[str, str]:
        """Return Home Assistant's discovery payloads: the last genre, and the last track."""
        if not self.discovery:
            return {}
        device = {"identifiers": ["genretagd"], "name": "genretagd"}
        shared = {
            "device": device,
            "state_topic": f"{self.topic}/last",
            "availability_topic": f"{self.topic}/availability",
        }
        genre = {"name": "Last genre", "unique_id": "genretagd_last_genre", "icon": "mdi:music-note"}
        genre |= {"value_template": "{{ value_json.genre }}", "json_attributes_topic": f"{self.topic}/last"}
        track = {"name": "Last track", "unique_id": "genretagd_last_track", "icon": "mdi:file-music"}
        track |= {"value_template": "{{ value_json.path[-255:] }}"}
        return {"last_genre": json.dumps(shared | genre), "last_track": json.dumps(shared | track)}
