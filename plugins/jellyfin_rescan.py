"""Tell a Jellyfin server (or Emby) which tracks have changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genretagd.api import (
    DeliveryError,
    Idle,
    PluginError,
    Secret,
    TrackMoved,
    TrackTagged,
    http_error,
    path_below,
)


@dataclass(frozen=True)
class JellyfinRescan:
    """Tell a Jellyfin server which tracks have changed, once there is nothing more to tag.

    Attributes
    ----------
    url : str
        The server's address.
    api_key : Secret
        A key made in its dashboard.
    paths : mapping of str to str
        Where the server sees our folders, if elsewhere: ``{"/srv/music" = "/media/music"}``. Also
        needed where its library is a symbolic link: ``{"~/Music" = "/home/me/Music"}``.
    max_tracks : int
        With more tracks than this, the whole library is looked at instead.
    timeout_seconds : float
        The server may take so long to answer.
    """

    api_version = "1.0"

    url: str
    api_key: Secret
    paths: Mapping[str, str] = field(default_factory=dict)
    max_tracks: int = 200
    timeout_seconds: float = 20.0
    _changed: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for ours in self.paths:
            if not Path(ours).expanduser().is_absolute():
                raise PluginError(f'paths: must be whole paths, or begin with ~, not "{ours}"')

    def check(self) -> None:
        """See that the server answers, and knows the key."""
        try:
            self._ask("GET", "/System/Info")
        except DeliveryError as exc:
            raise PluginError(str(exc)) from exc

    def on_tagged(self, event: TrackTagged) -> None:
        """Remember a tagged track."""
        self._changed[self._theirs(event.path)] = "Modified"

    def on_moved(self, event: TrackMoved) -> None:
        """Remember both sides of a move."""
        self._changed[self._theirs(event.moved_from)] = "Deleted"
        self._changed[self._theirs(event.path)] = "Created"

    def on_idle(self, event: Idle) -> None:  # noqa: ARG002 - every handler is told its event
        """Tell the server."""
        if len(self._changed) > self.max_tracks:
            self._ask("POST", "/Library/Refresh")
        elif self._changed:
            updates = [{"Path": path, "UpdateType": kind} for path, kind in self._changed.items()]
            self._ask("POST", "/Library/Media/Updated", {"Updates": updates})
        self._changed.clear()

    def _theirs(self, path: Path) -> str:
        for ours, theirs in self.paths.items():
            if inside := path_below(path, Path(ours).expanduser()):
                path = Path(theirs) / inside
                break
        return os.fsencode(path).decode("utf-8", "replace")

    def _ask(self, method: str, place: str, content: object = None) -> None:
        try:
            import httpx  # noqa: PLC0415 - an optional part of the installation
        except ImportError as exc:
            raise PluginError('httpx: is missing, run `pip install "genretagd[plugins]"`') from exc

        key = self.api_key.reveal()
        try:
            answer = httpx.request(
                method,
                self.url.rstrip("/") + place,
                json=content,
                headers={"Authorization": f'MediaBrowser Client="genretagd", Token="{key}"'},
                timeout=self.timeout_seconds,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise DeliveryError(f"{self.url}: no answer: {exc or type(exc).__name__}") from exc
        if error := http_error(answer.status_code, retry_after=answer.headers.get("retry-after")):
            # not for good: a setting is to be corrected, the request stays right
            raise DeliveryError(f"{place}: {error}", retry_after_seconds=error.retry_after_seconds)
