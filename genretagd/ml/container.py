"""Open an audio file with PyAV, find its audio stream, and put every failure into our words.

Nothing outside `genretagd.ml` imports PyAV, and inside it files are opened here only. Which
demuxers may answer is a closed list: FFmpeg would otherwise take a text file for a playlist or an
animation and follow the addresses in it. No decoder but those of audio sees what is in a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from genretagd.errors import DecodeError
from genretagd.ml.regions import skip_id3v2

DEMUXERS: Final = (
    "aac", "ac3", "aiff", "ape", "asf", "au", "caf", "dsf", "dts", "eac3", "flac", "iff", "m4a",
    "matroska", "mov", "mp3", "mp4", "mpc", "mpc8", "ogg", "tak", "tta", "w64", "wav", "webm", "wv",
)  # fmt: skip
MAX_CHANNELS: Final = 64
MIN_RATE: Final = 1_000
MAX_RATE: Final = 3_072_000
"""Hz; DSD512 leaves its decoder at 2.8 MHz."""

PROBE_BYTES: Final = 4_000_000
"""How much of a file the search for streams may read; cover art of more than this comes first in some files,
but the demuxers skip it by its declared size."""

QUICK_BYTES: Final = 1 << 12
"""An ID3v2 tag in front of so much or less costs the search for the format nothing."""

TAG_BLIND: Final = (b"MAC ", b"MPCK", b"MP+", b"wvpk")
"""First bytes of the formats that carry ID3v2 tags in front, but that FFmpeg does not open behind them."""

PCM_PROBE_PACKETS: Final = "8"
"""So many packets of a WAV or W64 file, about a second, are searched for a DTS stream that poses as PCM. By
itself FFmpeg searches thirty, which takes as long as the rest of a prediction: that is left to files that
begin in silence, as some DTS discs do.
"""
PCM_MAGIC: Final = (b"RIFF", b"RF64", b"riff")
PCM_HEADER_BYTES: Final = 1 << 12
HEAD_BYTES: Final = 1 << 13

LARGE_BYTES: Final = 1 << 26
"""From this size on MP3 files are sought by bit rate and not by reading them up to the place."""

MAGIC: Final = (
    (0, b"fLaC"), (0, b"ID3"), (0, b"OggS"), (0, b"RIFF"), (0, b"FORM"), (4, b"ftyp"), (0, b"MAC "),
    (0, b"wvpk"), (0, b"MPCK"), (0, b"MP+"), (0, b"TTA1"), (0, b"DSD "), (0, b"FRM8"), (0, b"tBaK"),
    (0, b"\x30\x26\xb2\x75"), (0, b"\x1a\x45\xdf\xa3"), (0, b"caff"), (0, b"\xff\xfb"), (0, b"\xff\xfa"),
    (0, b"\xff\xf3"), (0, b"\xff\xf2"), (0, b"\xff\xf1"), (0, b"\xff\xf9"),
)  # fmt: skip
"""First bytes of the formats we read: a file that has them and does not open is damaged, not foreign."""

PROTECTED_TAGS: Final = frozenset({"drms", "enca", "p608"})
PROTECTION: Final = b"sinf\x00\x00\x00\x0cfrma"
"""Stands in an MP4 file before what an encrypted track was, which FFmpeg then calls it."""

BLAMES_FILE: Final = frozenset({"corrupt", "truncated"})
"""Codes of errors that call a file bad, which a failing disk looks like."""

CHECKED_BYTES: Final = 1 << 29
"""How much of a file that seems bad is read once more; a share takes seconds for it."""

CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class OpenedAudio:
    """A file that is open at its audio stream.

    Attributes
    ----------
    path : Path
        The file.
    part : range of bytes
        What of it is open.
    container, stream : PyAV objects
        The open container and its chosen audio stream.
    """

    path: Path
    part: range
    container: Any
    stream: Any

    @property
    def size(self) -> int:
        """Return how many bytes are open."""
        return len(self.part)

    @property
    def format_name(self) -> str:
        """Return FFmpeg's name of the demuxer, such as ``"mp3"``."""
        return str(self.container.format.name)

    def seconds_of(self, ticks: int) -> float:
        """Return a time of the stream in seconds."""
        return float(ticks * self.stream.time_base)


@contextmanager
def open_audio(path: Path, *, part: range | None = None) -> Iterator[OpenedAudio]:
    """Open a file at its audio stream; whatever fails inside the block becomes a `DecodeError`.

    Parameters
    ----------
    path : Path
        A regular file; anything else is refused without waiting for it.
    part : range of bytes, optional
        What to open instead of the whole file; the rest is as if it were not there.

    Yields
    ------
    OpenedAudio
        Closed when the block ends.

    Raises
    ------
    DecodeError
        With code ``"unreadable"``, ``"empty"``, ``"not audio"``, ``"no audio stream"``,
        ``"encrypted"``, ``"unsupported"`` or ``"corrupt"``.
    """
    head, size = _read_head(path)
    import av  # noqa: PLC0415 - 90 ms that only a decoded file should cost

    av.logging.set_level(None)
    options = {"probesize": str(PROBE_BYTES)}
    if head.startswith(PCM_MAGIC) and any(head[PCM_HEADER_BYTES:]):
        options["max_probe_packets"] = PCM_PROBE_PACKETS
    format_name = None
    try:
        if part is None and head.startswith(b"ID3"):
            part, format_name = _behind_tags(path, size)
        seen = part or range(size)
        if len(seen) > LARGE_BYTES:
            options["fflags"] = "fastseek"
        with _open(path, part, format_name=format_name, options=options) as container:
            yield OpenedAudio(path, seen, container, _choose_stream(path, container, head))
    except Exception as exc:  # the decode door: PyAV raises FFmpeg's errors as many built-in kinds
        error = exc if isinstance(exc, DecodeError) else explained(path, exc, known_magic=_has_magic(head))
        if error.code in BLAMES_FILE:
            refuse_unreadable(path, part or range(size))
        if error is exc:
            raise
        raise error from exc


def refuse_unreadable(path: Path, part: range) -> None:
    """Refuse a file of which the disk does not give a part: demuxers take that for damage, or for the end.

    Raises
    ------
    DecodeError
        With code ``"unreadable"``.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            stream.seek(part.start)
            left = min(len(part), CHECKED_BYTES)  # in steps that are shorter before a bad sector
            while left and (chunk := stream.read(min(left, CHUNK_BYTES))):
                left -= len(chunk)
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _open(path: Path, part: range | None, *, format_name: str | None, options: dict[str, str]) -> Any:
    """Return an open PyAV container that may read nothing but this file, as formats of the list."""
    import av  # noqa: PLC0415

    address, protocols = f"file:{os.path.abspath(path)}", "file"  # noqa: PTH100 - resolves no links
    if part is not None:
        address, protocols = f"subfile,,start,{part.start},end,{part.stop},,:{address}", "subfile,file"
    # From version 19 on, PyAV reads tags that are no UTF-8 by itself, and cannot be asked to.
    leniently = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
    return av.open(
        address,
        format=format_name,
        options={
            "protocol_whitelist": protocols,
            "format_whitelist": ",".join(DEMUXERS),
            "codec_whitelist": _audio_decoders(),
            **options,
        },
        **leniently,
    )


def _behind_tags(path: Path, size: int) -> tuple[range | None, str | None]:
    """Return which part of a file that begins with ID3v2 tags to open, None for all, and as what.

    FFmpeg searches a tag for all formats there are, twice as far each time: a cover of a megabyte costs half
    as much as all else that a prediction does. What follows the tag it knows at once.
    """
    with path.open("rb", buffering=0) as stream:
        start = skip_id3v2(stream, size)
        stream.seek(start)
        part = range(start, size)
        if stream.read(4).startswith(TAG_BLIND):
            return part, None
    if QUICK_BYTES < start < size:
        with suppress(Exception), _open(path, part, format_name=None, options={}) as container:
            return None, str(container.format.name).split(",")[0]
    return None, None  # looked at from its start, it may still open


@cache
def _audio_decoders() -> str:
    """Return the names of all audio decoders there are, comma-separated.

    The search for streams would otherwise decode cover art and keep it: an album's booklet as PNG pictures
    takes seconds, and gigabytes.
    """
    import av  # noqa: PLC0415

    names = []
    for name in sorted(av.codecs_available):
        with suppress(av.codec.codec.UnknownCodecError):  # some only encode
            if av.Codec(name, "r").type == "audio":
                names.append(name)
    return ",".join(names)


def protected(path: Path) -> DecodeError:
    """Return the error that says that a file is encrypted."""
    return DecodeError(path, "copy-protected, only its shop can decode it", code="encrypted")


def says_protected(opened: OpenedAudio) -> bool:
    """Say whether an MP4 file has an encrypted track; reads it up to where it says so, or to its end."""
    if not opened.format_name.startswith("mov"):
        return False
    tail = b""
    with opened.path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            if PROTECTION in tail + chunk:
                return True
            tail = chunk[-len(PROTECTION) :]
    return False


def explained(path: Path, exc: Exception, *, known_magic: bool) -> DecodeError:
    """Return a `DecodeError` that says what PyAV's exception means for this file."""
    import av  # noqa: PLC0415

    if isinstance(exc, MemoryError):
        return DecodeError(
            path, "decoding it asks for more memory than there is, leave it out", code="corrupt"
        )
    if isinstance(exc, av.error.DecoderNotFoundError):
        return DecodeError(path, "no decoder for its codec, convert it to another format", code="unsupported")
    if isinstance(exc, av.error.InvalidDataError | av.error.DemuxerNotFoundError | EOFError | ValueError):
        if known_magic:
            return DecodeError(path, f"damaged ({_words(exc)}), get another copy", code="corrupt")
        return DecodeError(path, "not an audio file that we know, leave it out", code="not audio")
    if isinstance(exc, OSError) and not isinstance(exc, av.FFmpegError):
        return _unreadable(path, exc)
    return DecodeError(path, f"cannot be decoded ({_words(exc)}), get another copy", code="corrupt")


def _words(exc: Exception) -> str:
    text = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return str(text).strip().lower()


def _read_head(path: Path) -> tuple[bytes, int]:
    """Return the first bytes and the size of a regular file, never waiting for a pipe's other end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise DecodeError(path, "not a regular file, leave it out", code="unreadable")
            head = os.read(descriptor, HEAD_BYTES)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if not head:
        raise DecodeError(path, "the file is empty, get another copy", code="empty")
    return head, status.st_size


def _unreadable(path: Path, exc: OSError) -> DecodeError:
    transient = not isinstance(exc, FileNotFoundError | PermissionError)
    what = "the disk or share that it is on" if transient else "the file and its permissions"
    return DecodeError(
        path, f"cannot be read ({_words(exc)}), check {what}", code="unreadable", transient=transient
    )


def _has_magic(head: bytes) -> bool:
    return any(head[at : at + len(magic)] == magic for at, magic in MAGIC)


def _choose_stream(path: Path, container: Any, head: bytes) -> Any:
    """Return the audio stream, which cover art and video never are, ready to decode."""
    stream = container.streams.best("audio")
    if stream is None:
        if container.streams.video:
            raise DecodeError(path, "pictures or video without sound, leave it out", code="no audio stream")
        raise DecodeError(path, "no audio in it, leave it out", code="no audio stream")
    codec = stream.codec_context
    if codec is None:
        raise DecodeError(path, "no decoder for its codec, convert it to another format", code="unsupported")
    with suppress(UnicodeDecodeError):  # a number, as WAV has them
        if codec.codec_tag in PROTECTED_TAGS:
            raise protected(path)
    rate, channels = int(codec.sample_rate or 0), _forget_layout(codec)
    if not rate or not channels:
        if _has_magic(head):
            raise DecodeError(path, "damaged (no sound can be found in it), get another copy", code="corrupt")
        raise DecodeError(path, "not an audio file that we know, leave it out", code="not audio")
    if not MIN_RATE <= rate <= MAX_RATE or channels > MAX_CHANNELS:
        problem = f"claims {rate} Hz and {channels} channels, which no music has; get another copy"
        raise DecodeError(path, problem, code="unsupported")
    codec.thread_count = 1  # workers are processes; more threads only cost memory
    return stream


def _forget_layout(codec: Any) -> int:
    """Return how many channels a codec has, and leave it knowing nothing else of them.

    A layout in an order of its own (AIFF, CAF, MOV) is a list, which PyAV frees with every object that stands
    for the layout, and each frame has one: the second time ends the process. We take the mean, in any order.
    """
    layout = codec.layout  # frees the list when it goes: the codec must have let go of it by then
    channels = int(layout.nb_channels)
    if channels:
        codec.layout = f"{channels} channels"
    return channels
