"""Move, or link, every tagged track into folders of its genre, artist and album."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from genretagd.api import (
    DeliveryError,
    Moved,
    PluginError,
    TrackTagged,
    safe_file_name,
    state_directory,
    sync_directory,
)

ARTIST = (
    *("albumartist", "album_artist", "TPE2", "aART", "WM/AlbumArtist", "Album Artist"),
    *("artist", "TPE1", "\xa9ART", "Author", "Artist"),
)
ALBUM = ("album", "TALB", "\xa9alb", "WM/AlbumTitle", "Album")
"""Where the formats keep these, by mutagen's names; the album's artist comes first."""

AT_FDCWD = -100
RENAME_NOREPLACE = 1


@dataclass(frozen=True)
class Organize:
    """Move, or link, every tagged track into folders of its genre, artist and album.

    Nothing is ever overwritten, and nothing leaves the library: names are made harmless, and no
    symbolic link below the root is followed. A track that an undo left without a genre stays where it
    is, and loses its link. Every move is noted in ``moves.jsonl`` in the
    plugin's state directory before it is made.

    Attributes
    ----------
    root : Path
        The library; tracks outside of it are left alone.
    how : str
        ``"move"``, or ``"hardlink"`` or ``"symlink"`` to leave the track where it is.
    folder : str
        Where below the root the genre folders are; the root itself if empty.
    remove_empty : bool
        Remove the folders that a move leaves empty.
    """

    api_version = "1.0"

    root: Path
    how: Literal["move", "hardlink", "symlink"] = "move"
    folder: str = ""
    remove_empty: bool = True

    def check(self) -> None:
        """See that the library is there."""
        if not self.root.is_absolute() or not self.root.is_dir():
            raise PluginError(
                f"{self.root}: no such directory, root must be the absolute path of the library"
            )

    def on_tagged(self, event: TrackTagged) -> Moved | None:
        """Bring one track into its folder."""
        if target := self._moved_before(event):
            return Moved(to=target)
        if not _is_below(event.path, self.root):
            return None
        if not event.path.is_file() or event.path.is_symlink():
            raise DeliveryError(f"{event.path}: no longer there, or no regular file", permanent=True)
        folders = self._folders(event)
        if self.how != "move":
            self._remove_old_link(event, folders)
        return self._bring(event, folders) if event.after else None

    def _bring(self, event: TrackTagged, folders: list[str]) -> Moved | None:
        with _folder(self.root, folders) as descriptor:
            if os.path.samestat(os.fstat(descriptor), event.path.parent.stat()):
                return None  # already there, perhaps by another spelling
            name = self._free_name(event.path, descriptor)
            if name is None:
                return None
            target = self.root.joinpath(*folders, name)
            if self.how == "symlink":
                os.symlink(os.path.relpath(event.path, target.parent), name, dir_fd=descriptor)
                return None
            if self.how == "hardlink":
                os.link(event.path, name, dst_dir_fd=descriptor, follow_symlinks=False)
                return None
            self._note(event, target)
            _move(event.path, name, descriptor)
        sync_directory(target.parent)
        if self.remove_empty:
            _remove_empty(event.path.parent, self.root)
        return Moved(to=target)

    def _folders(self, event: TrackTagged) -> list[str]:
        artist, album = _artist_and_album(event.path)
        return [
            *filter(None, (safe_file_name(part, fallback="") for part in self.folder.split("/"))),
            safe_file_name("".join(event.after[:1]), fallback="Unknown Genre"),
            safe_file_name(artist, fallback="Unknown Artist"),
            safe_file_name(album, fallback="Unknown Album"),
        ]

    def _free_name(self, path: Path, folder: int) -> str | None:
        """Return a name that is not taken, or None where the track is already there."""
        for number in range(1, 1000):
            name = path.name if number == 1 else _numbered(path, number)
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=self.how == "symlink")
            except FileNotFoundError:
                if _exists(name, folder):
                    continue  # a link that leads nowhere
                return name
            if os.path.samestat(found, path.stat()):
                return name if self.how == "move" else None
        raise DeliveryError(f"{path.name}: a thousand files of this name, tidy up", permanent=True)

    def _remove_old_link(self, event: TrackTagged, folders: list[str]) -> None:
        """Remove the link that an earlier genre led to."""
        for genre in event.before:
            old = [*folders[:-3], safe_file_name(genre, fallback="Unknown Genre"), *folders[-2:]]
            parent = self.root.joinpath(*old)
            if old == folders or not parent.is_dir():
                continue
            with suppress(DeliveryError), _folder(self.root, old) as descriptor:
                for name in os.listdir(descriptor):  # noqa: PTH208 - a descriptor, not a path
                    linked = parent / name
                    if linked != event.path and linked.exists() and linked.samefile(event.path):
                        os.unlink(name, dir_fd=descriptor)

    def _note(self, event: TrackTagged, target: Path) -> None:
        line = json.dumps({"key": event.key, "from": os.fspath(event.path), "to": os.fspath(target)})
        with (state_directory() / "moves.jsonl").open("a", encoding="ascii") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _moved_before(self, event: TrackTagged) -> Path | None:
        """Return where this event moved the track to, if we were ended before we could say so."""
        notes = state_directory() / "moves.jsonl"
        if event.path.exists() or not notes.is_file():
            return None
        with notes.open(encoding="ascii") as file:
            found = [json.loads(line) for line in file if event.key in line]
        targets = [Path(note["to"]) for note in found if note["key"] == event.key]
        return next((target for target in reversed(targets) if target.is_file()), None)


def _is_below(path: Path, root: Path) -> bool:
    """Return whether a path is in the library, and not only by a link that leads out of it."""
    return path.parent.resolve().is_relative_to(root.resolve())


def _numbered(path: Path, number: int) -> str:
    """Return a file's name with a number, of at most 255 bytes."""
    stem, ending = path.stem, f" ({number}){path.suffix}"
    while len(os.fsencode(stem + ending)) > 255:
        stem = stem[:-1]
    return stem + ending


@contextmanager
def _folder(root: Path, parts: list[str]) -> Iterator[int]:
    """Make folders below the root and yield the last one's descriptor; no symbolic link is followed."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=descriptor)
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as exc:
                raise DeliveryError(f"{part}: in the way, no folder: {exc.strerror}", permanent=True) from exc
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _move(path: Path, name: str, folder: int) -> None:
    """Move a file without overwriting: in one step where the system can."""
    try:
        _rename(path, name, folder)
    except OSError as exc:
        if exc.errno == errno.EEXIST:
            if os.path.samestat(path.stat(), os.stat(name, dir_fd=folder)):
                path.unlink()  # both names are this file: an earlier attempt came so far
                return
            raise DeliveryError(f"{name}: appeared meanwhile, tried again") from exc
        if exc.errno != errno.EXDEV:
            raise
        _copy(path, name, folder)


def _rename(path: Path, name: str, folder: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        old, new = os.fsencode(path), os.fsencode(name)
        if library.renameat2(AT_FDCWD, old, folder, new, RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(path))
    try:
        os.link(path, name, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder))
        os.rename(path, name, dst_dir_fd=folder)  # over the empty file that we just made
        return
    if not os.path.samestat(path.stat(), os.stat(name, dir_fd=folder)):
        os.unlink(name, dir_fd=folder)
        raise DeliveryError(f"{path}: replaced meanwhile, tried again")
    path.unlink()


def _copy(path: Path, name: str, folder: int) -> None:
    """Move a file to another file system below the same library: copy, verify, then remove."""
    before = path.stat()
    part = f".genretagd-{os.getpid()}.part"
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "w+b") as copy, path.open("rb") as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            _copy_status(path, before, descriptor)
            os.fsync(descriptor)
            source.seek(0)
            copy.seek(0)
            same = _same_content(source, copy) and _version(path.stat()) == _version(before)
        if not same:
            raise DeliveryError(f"{path}: changed while it was copied, tried again")
        os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
        path.unlink()
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)


def _copy_status(path: Path, status: os.stat_result, descriptor: int) -> None:
    """Give a copy the mode, owner, extended attributes and times of its original, as far as we may."""
    os.fchmod(descriptor, status.st_mode & 0o7777)
    with suppress(PermissionError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    if hasattr(os, "listxattr"):
        for name in os.listxattr(path):
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(path, name))
    os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))


def _same_content(one: IO[bytes], other: IO[bytes]) -> bool:
    while True:
        left, right = one.read(1 << 20), other.read(1 << 20)
        if left != right:
            return False
        if not left:
            return True


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _artist_and_album(path: Path) -> tuple[str, str]:
    import mutagen  # noqa: PLC0415 - only where there is something to organize

    try:
        found = mutagen.File(path)
    except (mutagen.MutagenError, OSError) as exc:
        raise DeliveryError(f"{path}: its tags cannot be read: {exc}") from exc
    tags = getattr(found, "tags", None) or {}
    return _first(tags, ARTIST), _first(tags, ALBUM)


def _first(tags: Any, names: tuple[str, ...]) -> str:
    for name in names:
        try:
            values = tags[name]
        except (KeyError, ValueError):  # a name that this tag format cannot have
            continue
        values = getattr(values, "text", values)
        text = str(values[0] if isinstance(values, list) and values else values).strip()
        if text:
            return text
    return ""
