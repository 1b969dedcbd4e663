"""Append every event to a file, one JSON object per line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genretagd.api import PluginError, TrackEvent, append_line, event_to_text


@dataclass(frozen=True)
class JsonlLog:
    """Append every event to a file, one JSON object per line.

    An event that is delivered twice stands there twice, with the same ``key``. A line that a power
    cut has left unfinished stays alone.

    Attributes
    ----------
    path : Path
        The file; made where it is missing.
    """

    api_version = "1.0"

    path: Path

    def check(self) -> None:
        """See that the file can be appended to, and is empty or holds JSON objects."""
        try:
            with self.path.open("ab+") as file:
                file.seek(0)
                found = file.read(1)
        except OSError as exc:
            raise PluginError(f"{self.path}: cannot be written: {exc.strerror}") from exc
        if found not in (b"", b"{"):
            raise PluginError(f"{self.path}: holds something else than JSON lines, name another file")

    def on_tagged(self, event: TrackEvent) -> None:
        """Append an event."""
        append_line(self.path, event_to_text(event).encode("ascii") + b"\n")

    on_unsure = on_failed = on_moved = on_tagged
