"""Let a beets library read the genres of the tracks that were tagged."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from genretagd.api import DeliveryError, Idle, PluginError, TrackMoved, TrackTagged, path_below

FIELDS = ("genre", "genres")
NONE_KNOWN = "No matching items"
"""What beets says, and fails, where it knows none of the tracks."""


@dataclass(frozen=True)
class BeetsSync:
    """Let a beets library read the genres of the tracks that were tagged.

    Runs ``beet update`` for these tracks and for the genre alone, as soon as there are
    `tracks_per_run` of them and once there is nothing more to tag; tracks that beets does not know
    stay unknown to it. Beets passes over files whose modification time is the same, so it learns
    nothing with ``mtime = "keep"``.

    Attributes
    ----------
    command : tuple of str
        How to run beets: ``["beet"]``, or with its whole path, or with options of its own.
    directory : Path or None
        What beets' own ``directory`` is; needed where that is a symbolic link.
    tracks_per_run : int
        So many tracks are named to beets at a time.
    timeout_seconds : float
        One run may take so long; less than the action's ``time_limit_seconds``.
    """

    api_version = "1.0"

    command: tuple[str, ...] = ("beet",)
    directory: Path | None = None
    tracks_per_run: int = 100
    timeout_seconds: float = 25.0
    _paths: dict[Path, None] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.tracks_per_run < 1:
            raise PluginError("tracks_per_run: must be at least 1")

    def check(self) -> None:
        """See that there is a beets."""
        if not self.command or shutil.which(self.command[0]) is None:
            raise PluginError('command: no such program, write command = ["/path/to/beet"]')
        self._run(["version"])

    def on_tagged(self, event: TrackTagged) -> None:
        """Remember a tagged track, and let beets read them when there are enough."""
        self._paths[event.path] = None
        if len(self._paths) >= self.tracks_per_run:
            self._update()

    def on_moved(self, event: TrackMoved) -> None:
        """Forget where the track was: beets moves its own files, and is told nothing of ours."""
        self._paths.pop(event.moved_from, None)

    def on_idle(self, event: Idle) -> None:  # noqa: ARG002 - every handler is told its event
        """Let beets read the tracks that are left."""
        while self._paths:
            self._update()

    def _update(self) -> None:
        """Let beets read as many tracks as one run takes, and forget those."""
        paths = list(self._paths)[: self.tracks_per_run]
        queries: list[str] = []
        for path in paths:
            if path.is_file() and _is_sayable(path):
                queries += [",", self._query(path)] if queries else [self._query(path)]
        if queries:
            fields = [part for name in FIELDS for part in ("-F", name)]
            self._run(["update", "-M", *fields, "--", *queries])
        for path in paths:
            del self._paths[path]

    def _query(self, path: Path) -> str:
        inside = path_below(path, self.directory) if self.directory else None
        return f"path:{os.fspath(self.directory / inside if self.directory and inside else path)}"

    def _run(self, arguments: list[str]) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - the user's own program, and no shell
                [*self.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self.timeout_seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise DeliveryError(f"beets: {exc}") from exc
        if done.returncode != 0:
            last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            if NONE_KNOWN in last:
                return
            raise DeliveryError(f"beets: exit status {done.returncode}: {last}")


def _is_sayable(path: Path) -> bool:
    r"""Return whether beets finds a file of this name.

    It takes a backslash for a slash, drops what is then not there, and reads a query up to a line break.
    """
    return not set("\\\n\r") & set(os.fspath(path))
