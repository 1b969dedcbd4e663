"""Let a Subsonic server (Navidrome and others) look at its library again."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from genretagd.api import DeliveryError, Idle, PluginError, Secret, TrackMoved, TrackTagged, http_error

PROTOCOL = "1.16.1"


@dataclass(frozen=True)
class SubsonicRescan:
    """Let a Subsonic server look at its library again, once there is nothing more to tag.

    Works with every server that has the Subsonic API's ``startScan``: Navidrome, Gonic, Airsonic.

    Attributes
    ----------
    url : str
        The server's address, without ``/rest``.
    username : str
        Who asks; some servers let only administrators start a scan.
    password : Secret
        Their password; what travels is a salted hash of it.
    send_password : bool
        Send the password itself, for servers that know no hashes (supysonic, or users of LDAP).
    timeout_seconds : float
        The server may take so long to answer.
    """

    api_version = "1.0"

    url: str
    username: str
    password: Secret
    send_password: bool = False
    timeout_seconds: float = 20.0

    def check(self) -> None:
        """See that the server answers, and knows us."""
        try:
            self._ask("ping")
        except DeliveryError as exc:
            raise PluginError(str(exc)) from exc

    def on_tagged(self, event: TrackTagged) -> None:
        """Wait until there is nothing more to tag."""

    def on_moved(self, event: TrackMoved) -> None:
        """Wait until there is nothing more to tag."""

    def on_idle(self, event: Idle) -> None:  # noqa: ARG002 - every handler is told its event
        """Start a scan."""
        self._ask("startScan")

    def _ask(self, method: str) -> dict[str, Any]:
        """Call a method of the Subsonic API."""
        try:
            import httpx  # noqa: PLC0415 - an optional part of the installation
        except ImportError as exc:
            raise PluginError('httpx: is missing, run `pip install "genretagd[plugins]"`') from exc

        parameters = {"u": self.username, "v": PROTOCOL, "c": "genretagd", "f": "json", **self._proof()}
        address = f"{self.url.rstrip('/')}/rest/{method}.view"
        try:
            answer = httpx.get(address, params=parameters, timeout=self.timeout_seconds)
            found = answer.json()["subsonic-response"] if answer.is_success else {}
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise DeliveryError(f"{self.url}: no answer: {exc or type(exc).__name__}") from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise DeliveryError(f"{method}: not an answer of a Subsonic server") from exc
        if error := http_error(answer.status_code, retry_after=answer.headers.get("retry-after")):
            # not for good: a setting is to be corrected, the request stays right
            raise DeliveryError(f"{method}: {error}", retry_after_seconds=error.retry_after_seconds)
        if found.get("status") != "ok":
            error = found.get("error", {})
            raise DeliveryError(f"{method}: refused: {error.get('message')} (code {error.get('code')})")
        return dict(found)

    def _proof(self) -> dict[str, str]:
        """Return what shows that we know the password: the token authentication of API version 1.13."""
        password = self.password.reveal().encode("utf-8")
        if self.send_password:
            return {"p": f"enc:{password.hex()}"}
        salt = secrets.token_hex(8)
        token = hashlib.md5(password + salt.encode("ascii"))  # noqa: S324 - the protocol's choice
        return {"t": token.hexdigest(), "s": salt}
