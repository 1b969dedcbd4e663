"""What an action plugin may import: the events, the errors, the protocol, and a few safe tools.

A plugin is a frozen dataclass whose fields are its options::

    from dataclasses import dataclass

    from genretagd.api import TrackTagged


    @dataclass(frozen=True)
    class Shout:
        api_version = "1.0"
        word: str = "tagged"

        def on_tagged(self, event: TrackTagged) -> None:
            print(self.word, event.path, event.after)

`API_VERSION` follows semantic versioning: a plugin of another major version, or of a newer minor
one, is refused. docs/plugins.md tells the whole story.
"""

from __future__ import annotations

from typing import ClassVar, Final, Protocol

from genretagd.domain import Prediction
from genretagd.errors import DeliveryError, PluginError
from genretagd.event_json import event_from_text, event_to_json, event_to_text
from genretagd.events import Event, Idle, Moved, TrackEvent, TrackFailed, TrackMoved, TrackTagged, TrackUnsure
from genretagd.plugin_tools import (
    Secret,
    adopt_rights,
    append_line,
    http_error,
    make_directories,
    path_below,
    relative_path,
    replace_file,
    safe_file_name,
    state_directory,
    sync_directory,
)

__all__ = [
    "API_VERSION",
    "DeliveryError",
    "Event",
    "Idle",
    "Moved",
    "Plugin",
    "PluginError",
    "Prediction",
    "Secret",
    "TrackEvent",
    "TrackFailed",
    "TrackMoved",
    "TrackTagged",
    "TrackUnsure",
    "adopt_rights",
    "append_line",
    "event_from_text",
    "event_to_json",
    "event_to_text",
    "http_error",
    "make_directories",
    "path_below",
    "relative_path",
    "replace_file",
    "safe_file_name",
    "state_directory",
    "sync_directory",
]

API_VERSION: Final = "1.0"


class Plugin(Protocol):
    """An action plugin: a class whose fields are its options and whose methods are told events.

    A plugin SHALL be a dataclass, SHALL name the `api_version` it was written for and SHALL have
    `on_tagged`. It MAY also have

    - ``on_unsure(event: TrackUnsure)``, ``on_failed(event: TrackFailed)``, ``on_moved(event: TrackMoved)``;
    - ``on_idle(event: Idle)``: what was told before it counts as delivered when it returns;
    - ``check()``: called before the first event; raises `PluginError` where it cannot work;
    - ``close()``: called at the end.

    Handlers are called one at a time, in a process of the plugin's own; where that has to be started
    anew, the plugin is made and checked anew. An exception means "try
    again later"; `DeliveryError` says more precisely. An event may be told more than once, always
    with the same ``event.key``.
    """

    api_version: ClassVar[str]

    def on_tagged(self, event: TrackTagged, /) -> Moved | None:
        """Act on a track that was tagged; return `Moved` if the track is elsewhere now."""
