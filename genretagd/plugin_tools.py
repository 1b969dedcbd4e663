"""What most action plugins need and few get right: secrets, file names, whole rewrites, state."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import time
import unicodedata
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from genretagd.errors import DeliveryError, PluginError

STATE_VARIABLE: Final = "GENRETAGD_PLUGIN_STATE"
"""Names the directory in which a plugin may remember things; set by whoever runs the plugin."""

MAX_NAME_BYTES: Final = 255
"""Longest file name of the usual file systems, in bytes."""

_RESERVED: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL"} | {f"{port}{number}" for port in ("COM", "LPT") for number in range(10)}
)
"""Names that Windows and its network shares keep for devices, whatever follows the first dot."""

_FORBIDDEN: Final = '/\\<>:"|?*'
"""What one file system or another does not allow in a name; with control characters, all there is."""


class Secret:
    """A password or token that shows nowhere but where it is used.

    An option annotated with this type is written ``"env:NAME"`` (an environment variable) or
    ``"file:/path"`` (a file's first line) in the configuration, never as the secret itself.
    """

    __slots__ = ("_origin", "_value")

    def __init__(self, value: str, *, origin: str = "") -> None:
        self._value = value
        self._origin = origin

    def reveal(self) -> str:
        """Return the secret itself, for the moment of its use."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self._origin or '...'})"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not serialized")


def read_secret(text: str, environment: Mapping[str, str]) -> Secret:
    """Return the secret that ``env:NAME`` or ``file:PATH`` stands for, without white space around it.

    Raises
    ------
    ValueError
        The text is neither, or there is nothing at that place; the message never repeats a text
        that may be the secret itself.
    """
    scheme, _, place = text.partition(":")
    if scheme == "env" and place:
        value = environment.get(place, "").strip()
        if not value:
            raise ValueError(f"environment variable {place} is not set or empty")
        return Secret(value, origin=text)
    if scheme == "file" and place:
        try:
            path = Path(place).expanduser()
        except RuntimeError:
            raise ValueError(f"{place}: names the home of nobody") from None
        if not path.is_absolute():
            raise ValueError(f"{place}: must be a whole path, or begin with ~")
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()  # the mark that Windows' editors add
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
            raise ValueError(f"{path}: cannot be read: {reason}") from exc
        if not lines or not lines[0].strip():
            raise ValueError(f"{path}: is empty, its first line must be the secret")
        return Secret(lines[0].strip(), origin=text)
    raise ValueError('must be "env:NAME" or "file:/path", never the secret itself')


_EDGES: Final = re.compile(r"^[\s.]+|[\s.]+$")
"""White space and dots at the ends of a name."""


def safe_file_name(text: str, *, fallback: str = "Unknown", max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return text as the name of one file or directory, on any of the usual file systems.

    The name holds no separator, no control character and no lone surrogate, neither begins with a
    dot nor ends with a dot or a space, is no reserved name of Windows, and fits `max_bytes` bytes
    of UTF-8. Different texts may give the same name.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    kept = "".join(
        "_" if character in _FORBIDDEN or unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
        for character in unicodedata.normalize("NFC", text)
    )
    kept = _cut(_EDGES.sub("", kept), max_bytes)
    if kept.partition(".")[0].strip().upper() in _RESERVED:
        kept = _cut(f"_{kept}", max_bytes)
    return kept or fallback


def _cut(name: str, max_bytes: int) -> str:
    return _EDGES.sub("", name.encode("utf-8")[:max_bytes].decode("utf-8", "ignore"))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that readers and a power cut see the old content or the new one, whole.

    An existing file keeps its mode and group; a new one gets those of its directory, see `adopt_rights`.
    The directory must exist.

    Raises
    ------
    OSError
        The file cannot be written; the old one is as it was.
    """
    descriptor, name = tempfile.mkstemp(prefix=".genretagd-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            adopt_rights(file.fileno(), _model(path))
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    sync_directory(path.parent)


def _model(path: Path) -> os.stat_result:
    with contextlib.suppress(FileNotFoundError):
        return path.stat()
    return path.parent.stat()


def append_line(path: Path, line: bytes, *, header: bytes = b"", sync: bool = False) -> None:
    """Append a line to a file, whole or not at all.

    What a power cut has left unfinished at the end stays on a line of its own.

    Parameters
    ----------
    path : Path
        The file; made where it is missing. Its directory must exist.
    line : bytes
        The line, with its end.
    header : bytes, optional
        Is written before the line where the file is empty.
    sync : bool, optional
        Return only when the line would survive a power cut.

    Raises
    ------
    OSError
        It cannot be written, as on a full disk; the file is as long as it was.
    """
    with path.open("ab+", buffering=0) as file:
        with contextlib.suppress(ImportError, OSError):  # no POSIX, or a file system without locks
            import fcntl  # noqa: PLC0415 - POSIX only

            fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file.fileno()).st_size
        if not size:
            line = header + line
        elif os.pread(file.fileno(), 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            while line:
                line = line[file.write(line) :]
            if sync:
                os.fsync(file.fileno())
        except BaseException:
            file.truncate(size)
            raise


def make_directories(path: Path) -> None:
    """Make a directory and what is missing above it, each with the rights of the one above it.

    Raises
    ------
    OSError
        It cannot be made, or something else has its name.
    """
    if path.is_dir():
        return
    make_directories(path.parent)
    path.mkdir(mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        adopt_rights(descriptor, path.parent.stat())
    finally:
        os.close(descriptor)


def adopt_rights(descriptor: int, model: os.stat_result) -> None:
    """Give a new file or directory of ours the mode, group and owner of another, as far as we may.

    So whoever can read what was there can read what is new, whatever the umask of a service is. A
    file that is modelled on a directory is not executable. Where the group cannot be given, ours may
    do no more than everybody.
    """
    found = os.fstat(descriptor)
    mode = stat.S_IMODE(model.st_mode)
    if stat.S_ISDIR(model.st_mode):
        mode = mode | 0o700 if stat.S_ISDIR(found.st_mode) else mode & 0o666 | 0o600
    for owner in (model.st_uid, -1):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, model.st_gid)
            break
    else:
        if found.st_gid != model.st_gid:
            mode = mode & ~0o2070 | (mode & mode >> 3 & 0o007) << 3
    for allowed in (0o7777, 0o777):  # a service may not be allowed to set the group bit
        with contextlib.suppress(OSError):  # some file systems have no modes
            os.fchmod(descriptor, mode & allowed)
            break


def relative_path(path: Path, folder: Path) -> Path:
    """Return the way from a folder to a track, whatever the spelling of either is.

    ``..`` and the symbolic links that lead to both are resolved, so that one track has one way. A
    link stays in the way where it saves going up: inside a library it is a folder like any other,
    and whoever is told of the track may know nothing but the library.
    """
    here = os.path.realpath(folder)
    best = _way(path.parent, path.name, here)
    for above in path.parents:
        rest = path.relative_to(above)
        if ".." in rest.parts:
            break
        way = _way(above, rest, here)
        if way.parts.count("..") < best.parts.count(".."):
            best = way
    return best


def path_below(path: Path, folder: Path) -> Path | None:
    """Return where a track is below a folder, whatever the spelling of either is; None if it is not."""
    way = relative_path(path, folder)
    return None if ".." in way.parts else way


def _way(above: Path, rest: Path | str, here: str) -> Path:
    return Path(os.path.relpath(os.path.realpath(above), here), rest)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, where the system can."""
    with contextlib.suppress(OSError):  # some network file systems cannot sync a directory
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def http_error(status: int, *, retry_after: str | None = None) -> DeliveryError | None:
    """Return the error that an HTTP status means for a delivery, or None for success.

    Parameters
    ----------
    status : int
        The status of the response.
    retry_after : str, optional
        The ``Retry-After`` header: seconds, or a date (RFC 9110, section 10.2.3); passed over if neither.

    Returns
    -------
    DeliveryError or None
        Not permanent where the same request may succeed later: 408, 425, 429 and 5xx.
    """
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return DeliveryError(f"HTTP status {status}: moved elsewhere, correct the url", permanent=True)
    later = status in (408, 425, 429) or status >= 500
    seconds = _seconds_until(retry_after.strip()) if later and retry_after else None
    return DeliveryError(f"HTTP status {status}", permanent=not later, retry_after_seconds=seconds)


def _seconds_until(when: str) -> float | None:
    if when.isdecimal():
        return float(when)
    try:
        return max(0.0, parsedate_to_datetime(when).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def state_directory() -> Path:
    """Return the directory that belongs to the calling plugin alone, made where it is missing.

    Raises
    ------
    PluginError
        The plugin was not started by genretagd.
    """
    place = os.environ.get(STATE_VARIABLE)
    if not place:
        raise PluginError("state directory: not set, plugins are run by genretagd")
    path = Path(place)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
