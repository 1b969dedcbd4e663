"""Append every event to a file, one JSON object per line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from genretagd.api import (
    PluginError,
    TrackEvent,
    TrackFailed,
    TrackMoved,
    TrackTagged,
    TrackUnsure,
    event_to_text,
)


@dataclass(frozen=True)
class JsonlLog:
    """Append every event to a file, one JSON object per line.

    An event that is delivered twice stands there twice, with the same ``key``.

    Attributes
    ----------
    path : Path
        The file; made where it is missing.
    """

    api_version = "1.0"

    path: Path

    def check(self) -> None:
        """See that the file can be appended to."""
        try:
            with self.path.open("ab"):
                pass
        except OSError as exc:
            raise PluginError(f"{self.path}: cannot be written: {exc.strerror}") from exc

    def on_tagged(self, event: TrackTagged) -> None:
        """Append a tagged track."""
        self._append(event)

    def on_unsure(self, event: TrackUnsure) -> None:
        """Append a track that was left alone."""
        self._append(event)

    def on_failed(self, event: TrackFailed) -> None:
        """Append a track that could not be processed."""
        self._append(event)

    def on_moved(self, event: TrackMoved) -> None:
        """Append a track that was moved."""
        self._append(event)

    def _append(self, event: TrackEvent) -> None:
        with self.path.open("ab+") as file:
            if file.tell() and _last_byte(file.fileno(), file.tell()) != b"\n":
                file.write(b"\n")  # a line that a power cut left unfinished stays alone
            file.write(event_to_text(event).encode("ascii") + b"\n")


def _last_byte(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, 1, size - 1)
