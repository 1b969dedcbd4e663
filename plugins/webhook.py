"""Send every event to a web server, as an HTTP POST of JSON."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from genretagd.api import (
    DeliveryError,
    PluginError,
    Secret,
    TrackEvent,
    event_to_text,
    http_error,
)

MAX_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True)
class Webhook:
    """Send every event to a web server, as an HTTP POST of JSON.

    The header ``Idempotency-Key`` carries the event's key, the same at every attempt. With a
    secret, ``X-Genretagd-Signature`` is ``sha256=`` and the hexadecimal HMAC-SHA-256 of the
    header ``X-Genretagd-Timestamp``, a dot and the body. Any 2xx answer means that it arrived.

    Attributes
    ----------
    url : str
        Where to send events.
    secret_url : Secret or None
        The same for an address that is itself a secret, as chat services give out.
    secret : Secret or None
        Signs what is sent.
    token : Secret or None
        Is sent as ``Authorization: Bearer ...``.
    headers : mapping of str to str
        Further headers.
    events : tuple of str
        What to send.
    timeout_seconds : float
        The server may take so long to connect, and between any two pieces of its answer.
    """

    api_version = "1.0"

    url: str = ""
    secret_url: Secret | None = None
    secret: Secret | None = None
    token: Secret | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Literal["tagged", "unsure", "failed", "moved"], ...] = ("tagged",)
    timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        if bool(self.url) == (self.secret_url is not None):
            raise PluginError('url: write either url = "https://..." or secret_url = "env:NAME"')
        if not self._address().startswith(("http://", "https://")):
            raise PluginError("url: must begin with https:// or http://")

    def check(self) -> None:
        """See that there is an HTTP client."""
        try:
            import httpx  # noqa: F401, PLC0415 - an optional part of the installation
        except ImportError as exc:
            raise PluginError('httpx: is missing, run `pip install "genretagd[plugins]"`') from exc

    def on_tagged(self, event: TrackEvent) -> None:
        """Send an event."""
        if event.kind not in self.events:
            return
        import httpx  # noqa: PLC0415 - an optional part of the installation

        body = event_to_text(event).encode("ascii")
        try:
            with httpx.stream(
                "POST",
                self._address(),
                content=body,
                headers=self._headers(event.key, body),
                timeout=self.timeout_seconds,
                follow_redirects=False,
            ) as answer:
                received = 0
                for piece in answer.iter_raw():
                    received += len(piece)
                    if received > MAX_ANSWER_BYTES:
                        break
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise DeliveryError(f"no answer: {type(exc).__name__}: {exc}") from exc
        if error := http_error(answer.status_code, retry_after=answer.headers.get("retry-after")):
            raise error

    on_unsure = on_failed = on_moved = on_tagged

    def _address(self) -> str:
        return self.secret_url.reveal() if self.secret_url else self.url

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        found = {"Content-Type": "application/json", "User-Agent": "genretagd", **self.headers}
        found["Idempotency-Key"] = key
        if self.token:
            found["Authorization"] = f"Bearer {self.token.reveal()}"
        if self.secret:
            timestamp = str(int(time.time()))
            signed = timestamp.encode("ascii") + b"." + body
            digest = hmac.new(self.secret.reveal().encode("utf-8"), signed, hashlib.sha256).hexdigest()
            found["X-Genretagd-Timestamp"] = timestamp
            found["X-Genretagd-Signature"] = f"sha256={digest}"
        return found
