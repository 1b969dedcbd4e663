"""Move, or link, every tagged track into folders of its genre, artist and album."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from genretagd.api import (
    DeliveryError,
    Moved,
    PluginError,
    TrackTagged,
    adopt_rights,
    append_line,
    relative_path,
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
    is, and loses its link. Every move is noted in ``moves.jsonl`` in the plugin's state directory
    before it is made.

    Attributes
    ----------
    root : Path
        The library; tracks outside of it are left alone.
    how : str
        ``"move"``, or ``"hardlink"`` or ``"symlink"`` to leave the track where it is.
    folder : str
        Where below the root the genre folders are; the root itself if empty.
    remove_empty : bool
        Remove the album, artist and genre folder of the former genre where a move leaves them empty.
    """

    api_version = "1.0"

    root: Path
    how: Literal["move", "hardlink", "symlink"] = "move"
    folder: str = ""
    remove_empty: bool = True

    def check(self) -> None:
        """See that the library is there."""
        if not self.root.is_dir():
            raise PluginError(f"{self.root}: no such directory, root must be that of the library")

    def on_tagged(self, event: TrackTagged) -> Moved | None:
        """Bring one track into its folder."""
        if target := self._moved_before(event):
            return Moved(to=target)
        root = _as_spelled(self.root, event.path)
        if root is None:
            return None
        if not event.path.is_file() or event.path.is_symlink():
            if not any(root.iterdir()):
                raise DeliveryError(f"{root}: is empty, as where its file system is not mounted")
            raise DeliveryError(f"{event.path}: no longer there, or no regular file", permanent=True)
        folders = self._folders(event)
        if self.how != "move":
            self._remove_old_link(event, root, folders)
        return self._bring(event, root, folders) if event.after else None

    def _bring(self, event: TrackTagged, root: Path, folders: list[str]) -> Moved | None:
        left = event.path.parent.stat()
        with _folder(root, folders) as (descriptor, parent):
            if os.path.samestat(os.fstat(descriptor), left):
                return None  # already there, perhaps by another spelling
            target = self._finished(event, parent, descriptor)
            if target is None:
                name = self._free_name(event.path, descriptor)
                if name is None:
                    return None
                target = parent / name
                if self.how == "symlink":
                    os.symlink(relative_path(event.path, parent), name, dir_fd=descriptor)
                    return None
                if self.how == "hardlink":
                    os.link(event.path, name, dst_dir_fd=descriptor, follow_symlinks=False)
                    return None
                self._note(event, target)
                _move(event.path, name, descriptor, part=_part(event))
        sync_directory(parent)
        if self.remove_empty:
            _remove_empty((root.joinpath(*old) for old in _former(event, folders)), left)
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
        track = path.stat()
        for number in range(1, 1000):
            name = path.name if number == 1 else _numbered(path, number)
            if not _exists(name, folder):
                return name
            if self._is_link(name, folder, track):
                return name if self.how == "move" else None
        raise DeliveryError(f"{path.name}: a thousand files of this name, tidy up", permanent=True)

    def _remove_old_link(self, event: TrackTagged, root: Path, folders: list[str]) -> None:
        """Remove the link that an earlier genre led to; it is never the last name of the track."""
        track, place = event.path.stat(), event.path.parent.stat()
        for old in _former(event, folders):
            with suppress(DeliveryError), _folder(root, old, make=False) as (descriptor, _):
                if os.path.samestat(os.fstat(descriptor), place):
                    continue  # the track's own folder, where no link of ours is
                for name in os.listdir(descriptor):  # noqa: PTH208 - a descriptor, not a path
                    if self._is_link(name, descriptor, track):
                        os.unlink(name, dir_fd=descriptor)

    def _is_link(self, name: str, folder: int, track: os.stat_result) -> bool:
        """Return whether a name is a link to the track, without which that still has a name."""
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if self.how != "symlink":
            return found.st_nlink > 1 and os.path.samestat(found, track)
        with suppress(OSError):  # a link that leads nowhere, or round in a circle
            return stat.S_ISLNK(found.st_mode) and os.path.samestat(os.stat(name, dir_fd=folder), track)
        return False

    def _note(self, event: TrackTagged, target: Path) -> None:
        note = json.dumps({"key": event.key, "from": os.fspath(event.path), "to": os.fspath(target)})
        append_line(state_directory() / "moves.jsonl", note.encode("ascii") + b"\n", sync=True)

    def _noted(self, event: TrackTagged) -> list[Path]:
        """Return where this event was to move the track to, the latest first."""
        notes = state_directory() / "moves.jsonl"
        found: list[Path] = []
        with suppress(FileNotFoundError), notes.open(encoding="ascii", errors="replace") as file:
            for line in file:
                with suppress(ValueError, KeyError):  # a line that a power cut left unfinished
                    if json.dumps(event.key) in line:
                        found.insert(0, Path(json.loads(line)["to"]))
        return found

    def _moved_before(self, event: TrackTagged) -> Path | None:
        """Return where this event moved the track to, if we were ended before we could say so."""
        if event.path.exists():
            return None
        return next((target for target in self._noted(event) if target.is_file()), None)

    def _finished(self, event: TrackTagged, parent: Path, folder: int) -> Path | None:
        """Remove the original that a copy to another file system left, if we were ended before we did."""
        if self.how != "move" or not _exists(event.path.name, folder):
            return None
        before = event.path.stat()
        for target in self._noted(event):
            if target.parent == parent and _is_copy(event.path, before, target.name, folder):
                with suppress(FileNotFoundError):
                    os.unlink(_part(event), dir_fd=folder)
                _remove_original(event.path, before, folder)
                return target
        return None


def _former(event: TrackTagged, folders: list[str]) -> list[list[str]]:
    """Return the folders of the genres that the track had before."""
    names = (safe_file_name(genre, fallback="Unknown Genre") for genre in event.before)
    return [old for name in names if (old := [*folders[:-3], name, *folders[-2:]]) != folders]


def _as_spelled(root: Path, path: Path) -> Path | None:
    """Return the library as a track's path spells it, which the ledger follows; None if that leads out."""
    real = os.path.realpath(root)
    if not Path(os.path.realpath(path.parent)).is_relative_to(real):
        return None
    return next((above for above in path.parents if os.path.realpath(above) == real), Path(real))


def _numbered(path: Path, number: int) -> str:
    """Return a file's name with a number, of at most 255 bytes."""
    stem, ending = path.stem, f" ({number}){path.suffix}"
    while len(os.fsencode(stem + ending)) > 255:
        stem = stem[:-1]
    return stem + ending


def _part(event: TrackTagged) -> str:
    """Return the name of a copy in the making: the same at every attempt, so that none is left."""
    return f".genretagd-{safe_file_name(event.key, max_bytes=100)}.part"


@contextmanager
def _folder(root: Path, parts: list[str], *, make: bool = True) -> Iterator[tuple[int, Path]]:
    """Make folders below the root and yield the last, open, and its path; no symbolic link is followed.

    The path is the one that is listed: where case does not count, it may be there in other letters.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    path = root
    try:
        for part in parts:
            name, made = part, False
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
                    made = True
                name = _listed(part, descriptor)
            try:
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as exc:
                raise DeliveryError(f"{part}: in the way, no folder: {exc.strerror}", permanent=True) from exc
            if made:
                adopt_rights(inner, os.fstat(descriptor))
            os.close(descriptor)
            descriptor, path = inner, path / name
        yield descriptor, path
    finally:
        os.close(descriptor)


def _listed(name: str, folder: int) -> str:
    """Return the name that a folder lists for what it finds by this one."""
    names = os.listdir(folder)
    if name in names:
        return name
    alike = {unicodedata.normalize("NFD", other).casefold(): other for other in names}
    return alike.get(unicodedata.normalize("NFD", name).casefold(), name)


def _move(path: Path, name: str, folder: int, *, part: str) -> None:
    """Move a file without overwriting: in one step where the system can."""
    try:
        _rename(path, name, folder)
    except FileExistsError:
        found = path.stat()
        if found.st_nlink < 2 or not os.path.samestat(found, os.stat(name, dir_fd=folder)):
            raise
        path.unlink()  # both names are this file: an earlier attempt came so far
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        _copy(path, name, folder, part=part)


def _rename(old: Path, name: str, folder: int, *, source: int | None = None) -> None:
    """Give a file, of the folder `source` or with its whole path, a name that is not taken in a folder."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        start = AT_FDCWD if source is None else source
        if library.renameat2(start, os.fsencode(old), folder, os.fsencode(name), RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(old))
    try:
        os.link(old, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
    else:
        if os.path.samestat(os.stat(old, dir_fd=source), os.stat(name, dir_fd=folder)):
            os.unlink(old, dir_fd=source)
            return
        os.unlink(name, dir_fd=folder)  # replaced meanwhile, or links have numbers of their own here
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder))
    try:
        os.rename(old, name, src_dir_fd=source, dst_dir_fd=folder)  # over the empty file that we just made
    except OSError:
        if os.stat(name, dir_fd=folder).st_size == 0:  # else it has come here, whatever a share says
            os.unlink(name, dir_fd=folder)
        raise


def _copy(path: Path, name: str, folder: int, *, part: str) -> None:
    """Move a file to another file system below the same library: copy, verify, then remove."""
    before = path.stat()
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "w+b") as copy, path.open("rb") as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            _copy_status(path, before, descriptor)
            copied = os.fstat(descriptor)
        if not _is_copy(path, before, part, folder):
            raise DeliveryError(f"{path}: changed while it was copied, tried again")
        _rename(Path(part), name, folder, source=folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
    try:
        _remove_original(path, before, folder)
    except BaseException:
        if os.path.samestat(os.stat(name, dir_fd=folder), copied):
            os.unlink(name, dir_fd=folder)
        raise


def _is_copy(path: Path, before: os.stat_result, name: str, folder: int) -> bool:
    """Return whether a name is that of a durable copy of a file, which is as it was before."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as copy, path.open("rb") as source:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or os.path.samestat(found, before):
            return False
        os.fsync(descriptor)
        same = hashlib.file_digest(source, "sha256").digest() == hashlib.file_digest(copy, "sha256").digest()
        return same and _version(path.stat()) == _version(before)


def _remove_original(path: Path, before: os.stat_result, folder: int) -> None:
    os.fsync(folder)
    if _version(path.stat()) != _version(before):
        raise DeliveryError(f"{path}: changed while it was copied, tried again")
    path.unlink()


def _copy_status(path: Path, status: os.stat_result, descriptor: int) -> None:
    """Give a copy the mode, owner, extended attributes and times of its original, as far as we may."""
    os.fchmod(descriptor, status.st_mode & 0o7777)
    with suppress(OSError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    with suppress(AttributeError, OSError):  # some systems, and some file systems, know of none
        for name in os.listxattr(path):
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(path, name))
    os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))


def _version(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _exists(name: str, folder: int) -> bool:
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def _remove_empty(former: Iterator[Path], left: os.stat_result) -> None:
    """Remove the folders of a former genre that a track has left, as far as they are empty."""
    for album in former:
        with suppress(OSError):  # another folder is another's, and one that is not empty is kept
            if os.path.samestat(album.stat(), left):
                for folder in (album, album.parent, album.parent.parent):
                    folder.rmdir()


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
        for value in values if isinstance(values, list) else [values]:
            for text in str(value).split("\0"):  # several in one APEv2 item
                if text.strip():
                    return text.strip()
    return ""
