"""Tell a Music Player Daemon which folders have changed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from genretagd.api import DeliveryError, Idle, PluginError, Secret, TrackMoved, TrackTagged, path_below

QUEUE = 32
"""So many folders wait at MPD to be updated (its MAX_UPDATE_QUEUE_SIZE)."""


class _Connection(Protocol):
    def readline(self, size: int, /) -> bytes: ...
    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...


@dataclass(frozen=True)
class MpdUpdate:
    """Tell a Music Player Daemon which folders have changed, once there is nothing more to tag.

    Attributes
    ----------
    music_directory : Path
        What MPD's own ``music_directory`` is, as seen from here.
    host : str
        Where MPD is: a name, an address, or the absolute path of its socket.
    port : int
        Its port.
    password : Secret or None
        Its password.
    rescan : bool
        Let MPD read the files again even if their modification time is the same, for
        ``mtime = "keep"``.
    max_folders : int
        With more folders than this, the nearest folder around them all is updated instead. MPD refuses
        what does not fit into its queue, of 32 folders.
    timeout_seconds : float
        MPD may take so long to answer.
    """

    api_version = "1.0"

    music_directory: Path
    host: str = "localhost"
    port: int = 6600
    password: Secret | None = None
    rescan: bool = False
    max_folders: int = 30
    timeout_seconds: float = 10.0
    _folders: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.max_folders > QUEUE:
            raise PluginError(f"max_folders: must be at most {QUEUE}, MPD queues no more")

    def check(self) -> None:
        """See that MPD's directory is there, and that MPD answers."""
        if not self.music_directory.is_dir():
            problem = "no such directory, music_directory must be MPD's own, as seen from here"
            raise PluginError(f"{self.music_directory}: {problem}")
        try:
            with self._connected() as connection:
                _ask(connection, "ping")
        except DeliveryError as exc:
            raise PluginError(str(exc)) from exc

    def on_tagged(self, event: TrackTagged) -> None:
        """Remember the folder of a tagged track."""
        self._remember(event.path)

    def on_moved(self, event: TrackMoved) -> None:
        """Remember the folders on both sides of a move."""
        self._remember(event.path)
        self._remember(event.moved_from)

    def on_idle(self, event: Idle) -> None:  # noqa: ARG002 - every handler is told its event
        """Tell MPD."""
        if not self._folders:
            return
        folders = sorted(self._folders)
        if len(folders) > self.max_folders:
            folders = [os.path.commonpath(["/" + folder for folder in folders]).lstrip("/")]
        command = "rescan" if self.rescan else "update"
        with self._connected() as connection:
            for folder in folders:
                _ask(connection, f"{command} {_quoted(folder)}" if folder else command)
        self._folders.clear()

    def _remember(self, path: Path) -> None:
        inside = path_below(path, self.music_directory)
        if inside is None:
            return
        folder = PurePosixPath(inside.parent)
        while not _sayable(str(folder)) or not self.music_directory.joinpath(folder).is_dir():
            if folder == folder.parent:
                break
            folder = folder.parent
        self._folders.add("" if folder == PurePosixPath() else str(folder))

    @contextmanager
    def _connected(self) -> Iterator[_Connection]:
        try:
            with self._socket() as link, link.makefile("rwb") as connection:
                greeting = connection.readline(1000)
                if not greeting.startswith(b"OK MPD "):
                    raise DeliveryError(f"{self.host}: does not greet like MPD")
                if self.password:
                    _ask(connection, f"password {_quoted(self.password.reveal())}")
                yield connection
        except OSError as exc:
            raise DeliveryError(f"{self.host}: MPD cannot be reached: {exc}") from exc

    def _socket(self) -> socket.socket:
        if not self.host.startswith("/"):
            return socket.create_connection((self.host, self.port), timeout=self.timeout_seconds)
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(self.timeout_seconds)
        try:
            link.connect(self.host)
        except BaseException:
            link.close()
            raise
        return link


def _sayable(folder: str) -> bool:
    """Return whether a folder's name can be said in MPD's protocol: UTF-8 on one line."""
    return "\n" not in folder and "\r" not in folder and folder.isprintable()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _ask(connection: _Connection, command: str) -> None:
    """Send a command and read its whole answer (MPD protocol: lines up to OK or ACK)."""
    connection.write(command.encode("utf-8") + b"\n")
    connection.flush()
    while True:
        line = connection.readline(10_000)
        if line.startswith(b"OK"):
            return
        if line.startswith(b"ACK"):
            raise DeliveryError(f"MPD refuses: {line.decode('utf-8', 'replace').strip()}")
        if not line:
            raise DeliveryError("MPD broke off")
