"""What most action plugins need and few get right: secrets, file names, whole rewrites, state."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Mapping
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
    """Return the secret that ``env:NAME`` or ``file:PATH`` stands for.

    Raises
    ------
    ValueError
        The text is neither, or there is nothing at that place; the message never repeats a text
        that may be the secret itself.
    """
    scheme, _, place = text.partition(":")
    if scheme == "env" and place:
        value = environment.get(place, "")
        if not value:
            raise ValueError(f"environment variable {place} is not set or empty")
        return Secret(value, origin=text)
    if scheme == "file" and place:
        path = Path(place).expanduser()
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
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

    An existing file keeps its mode. The directory must exist.

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
            os.fchmod(file.fileno(), _mode_of(path))
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    sync_directory(path.parent)


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
        The ``Retry-After`` header, if it came as seconds (RFC 9110, section 10.2.3).

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
    seconds = float(retry_after) if later and retry_after and retry_after.strip().isdecimal() else None
    return DeliveryError(f"HTTP status {status}", permanent=not later, retry_after_seconds=seconds)


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


def _mode_of(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o7777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
