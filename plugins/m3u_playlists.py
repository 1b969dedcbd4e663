"""Keep one playlist per genre, of the tracks that were tagged."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from genretagd.api import (
    Idle,
    PluginError,
    TrackMoved,
    TrackTagged,
    make_directories,
    relative_path,
    replace_file,
    safe_file_name,
)

MARK = b"#GENRETAGD keeps this playlist; without this line it is left alone"
TITLE = b"#PLAYLIST:"


@dataclass
class _Playlist:
    """One of our playlists: its title, and its lines as an ordered set."""

    title: bytes
    lines: dict[bytes, None]
    changed: bool = False

    def add(self, line: bytes) -> None:
        """Add a line at the end, where it is not in the list already."""
        self.changed |= line not in self.lines
        self.lines[line] = None

    def remove(self, line: bytes) -> None:
        """Remove a line, where it is in the list."""
        self.changed |= line in self.lines
        self.lines.pop(line, None)

    def content(self) -> bytes:
        """Return the file's content."""
        return b"\n".join([b"#EXTM3U", MARK, TITLE + self.title, *self.lines, b""])


@dataclass(frozen=True)
class M3uPlaylists:
    """Keep one playlist per genre, of the tracks that were tagged.

    A track that is tagged again, or moved, changes its place; no playlist holds it twice. Files
    in the directory that this plugin did not make are never touched.

    Attributes
    ----------
    directory : Path
        Where the playlists are; made where it is missing.
    relative : bool
        Write paths relative to the directory, so that the library may be mounted elsewhere.
    """

    api_version = "1.0"

    directory: Path
    relative: bool = True
    _genres: dict[bytes, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False)
    _gone: dict[bytes, bytes] = field(default_factory=dict, init=False, repr=False)

    def check(self) -> None:
        """Make the directory."""
        try:
            make_directories(self.directory)
        except OSError as exc:
            raise PluginError(f"{self.directory}: cannot be made: {exc.strerror}") from exc

    def on_tagged(self, event: TrackTagged) -> None:
        """Remember the track until there is time to write."""
        line = self._line(event.path)
        self._genres[line] = event.after
        self._gone.pop(line, None)

    def on_moved(self, event: TrackMoved) -> None:
        """Remember where the track went."""
        old, new = self._line(event.moved_from), self._line(event.path)
        if old in self._genres:
            self._genres[new] = self._genres.pop(old)
        self._gone[old] = new

    def on_idle(self, event: Idle) -> None:  # noqa: ARG002 - every handler is told its event
        """Rewrite the playlists that change."""
        playlists = dict(self._read())
        for old, new in self._gone.items():
            self._follow(playlists, old, new)
        for line, genres in self._genres.items():
            self._place(playlists, line, {_title(genre) for genre in genres})
        for file, playlist in playlists.items():
            if playlist.changed and playlist.lines:
                replace_file(file, playlist.content())
            elif playlist.changed:
                file.unlink(missing_ok=True)
        self._genres.clear()
        self._gone.clear()

    def _follow(self, playlists: dict[Path, _Playlist], old: bytes, new: bytes) -> None:
        for playlist in playlists.values():
            if old in playlist.lines:
                playlist.remove(old)
                if new not in self._genres:
                    _add(playlist, new)

    def _place(self, playlists: dict[Path, _Playlist], line: bytes, titles: set[bytes]) -> None:
        for playlist in playlists.values():
            if playlist.title not in titles:
                playlist.remove(line)
        for title in sorted(titles):
            _add(_titled(playlists, title, self.directory), line)

    def _line(self, path: Path) -> bytes:
        """Return a track's line, the same for all spellings of its path."""
        way = relative_path(path, self.directory)
        if not self.relative:
            way = Path(os.path.normpath(self.directory.resolve() / way))
        line = os.fsencode(way)
        return b"./" + line if line.startswith((b"#", b" ")) else line

    def _read(self) -> Iterable[tuple[Path, _Playlist]]:
        for file in sorted(self.directory.glob("*.m3u8")):
            if playlist := _ours(file):
                yield file, playlist


def _add(playlist: _Playlist, line: bytes) -> None:
    if b"\n" in line or b"\r" in line:
        print(f"{os.fsdecode(line)!r}: has a line break in its name, which no playlist can hold")
    else:
        playlist.add(line)


def _ours(file: Path) -> _Playlist | None:
    if file.is_symlink() or not file.is_file():
        return None
    lines = file.read_bytes().splitlines() if file.stat().st_size else []
    if MARK not in lines[:3]:
        return None
    title = next((line.removeprefix(TITLE) for line in lines if line.startswith(TITLE)), b"")
    return _Playlist(title, dict.fromkeys(line for line in lines if line and not line.startswith(b"#")))


def _title(genre: str) -> bytes:
    return " ".join(genre.split()).encode("utf-8", "replace")


def _titled(playlists: dict[Path, _Playlist], title: bytes, directory: Path) -> _Playlist:
    for playlist in playlists.values():
        if playlist.title == title:
            return playlist
    text = title.decode("utf-8")
    file = directory / (safe_file_name(text, max_bytes=200) + ".m3u8")
    if file in playlists or os.path.lexists(file):  # another genre's playlist, or a file of somebody else's
        digest = hashlib.sha256(title).hexdigest()[:8]
        file = directory / f"{safe_file_name(text, max_bytes=200)} {digest}.m3u8"
        if os.path.lexists(file) and _ours(file) is None:
            raise PluginError(f"{file}: in the way, move it elsewhere")
    return playlists.setdefault(file, _Playlist(title, {}))
