"""How long a track is: what its container states, or what its packets add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from genretagd.ml.container import OpenedAudio, refuse_unreadable

MEASURED_BYTES: Final = 1 << 29
"""A length is measured by reading packets up to here and extrapolated beyond."""

BYTES_PER_SECOND: Final = (100.0, 30e6)
"""A length outside this for the file's size is not believed."""

LATE_SECONDS: Final = 2.0
"""A stream that begins later than this, as a recording of a broadcast does, states no length: some formats
count it from zero and others from where they begin.
"""

GUESSED_LENGTH: Final = frozenset({"mp3", "aac", "ac3", "eac3", "dts"})
"""Formats that need not state a length."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """How the chunks lie in a file, of which one holds the sound.

    Attributes
    ----------
    first : int
        Where the first begins.
    name_bytes, size_bytes : int
        What each begins with.
    order : str
        Byte order of the size.
    whole : bool
        Whether the size is that of the whole chunk, or of what follows it.
    alignment : int
        Chunks begin at multiples of so many bytes.
    sound : bytes
        Name of the one with the sound.
    """

    first: int
    name_bytes: int
    size_bytes: int
    order: Literal["little", "big"]
    whole: bool
    alignment: int
    sound: bytes


_W64_DATA: Final = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
_ASF_DATA: Final = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
CHUNKS: Final = {
    "wav": Chunks(12, 4, 4, "little", whole=False, alignment=2, sound=b"data"),
    "w64": Chunks(40, 16, 8, "little", whole=True, alignment=8, sound=_W64_DATA),
    "caf": Chunks(8, 4, 8, "big", whole=False, alignment=1, sound=b"data"),
    "asf": Chunks(0, 16, 8, "little", whole=True, alignment=1, sound=_ASF_DATA),
}
"""Formats of which FFmpeg takes what is there for what should be there."""

MAX_CHUNKS: Final = 1_000

UNKNOWN_SIZE_SLACK: Final = 1 << 16
"""A size this far from the largest signed number, or beyond it, stands for one that was not known."""

GUESS_SLACK: Final = 0.01
"""How far from FFmpeg's guess a length may be, in parts of it, and still be that guess."""


def stated_seconds(opened: OpenedAudio) -> float | None:
    """Return the length that a file states in seconds, or None where it states none that can be true."""
    if opened.seconds_of(opened.stream.start_time or 0) > LATE_SECONDS:
        return None
    seconds = 0.0
    if opened.container.duration:
        seconds = opened.container.duration / 1e6
    if opened.stream.duration and opened.format_name != "mpc8":  # whose stream counts in units of 1.7 s
        seconds = opened.seconds_of(opened.stream.duration)
    if seconds <= 0.0 or not BYTES_PER_SECOND[0] <= opened.size / seconds <= BYTES_PER_SECOND[1]:
        return None
    return seconds


@dataclass(frozen=True, slots=True)
class Measured:
    """What the packets of a track add up to.

    Attributes
    ----------
    seconds : float
        Their length.
    first_byte : int
        Where the first of them lies in the file.
    """

    seconds: float
    first_byte: int


def measure(opened: OpenedAudio) -> Measured:
    """Add up a file's packets, without decoding them."""
    stream = opened.stream
    total = seen = end = 0
    first_byte: int | None = None
    try:
        opened.container.seek(stream.start_time or 0, stream=stream)
        for packet in opened.container.demux(stream):
            if first_byte is None:
                first_byte = packet.pos
            total += packet.duration or 0
            seen += packet.size
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0) - (stream.start_time or 0))
            if seen > MEASURED_BYTES:
                seconds = float(opened.seconds_of(max(total, end)) * opened.size / seen)
                return Measured(seconds, first_byte or 0)
    except Exception:  # noqa: BLE001 - the decode door: damaged from here on, what came before counts
        refuse_unreadable(opened.path, opened.part)
    return Measured(opened.seconds_of(max(total, end)), first_byte or 0)


def is_own_length(opened: OpenedAudio, stated: float, *, first_byte: int) -> bool:
    """Say whether a stated length is the file's own word on its audio.

    A container's length is that of its pictures, if they go on for longer. Where it states none, or one that
    FFmpeg does not believe, FFmpeg divides what follows the headers by the bit rates that the codecs claim.
    """
    if opened.format_name in GUESSED_LENGTH:
        return False
    streams = opened.container.streams
    if not opened.stream.duration and any(video.average_rate for video in streams.video):  # not so of covers
        return False
    codecs = (stream.codec_context for stream in streams.audio)
    bit_rate = sum(codec.bit_rate or 0 for codec in codecs if codec is not None)
    return abs(8 * (opened.size - first_byte) - stated * bit_rate) > GUESS_SLACK * stated * bit_rate


def held_share(opened: OpenedAudio) -> float:
    """Return which share of the sound that a file's chunks declare is there, where FFmpeg does not tell."""
    chunks = CHUNKS.get(opened.format_name)
    if chunks is None:
        return 1.0
    at = chunks.first
    with opened.path.open("rb", buffering=0) as stream:
        for _ in range(MAX_CHUNKS):
            stream.seek(at)
            header = stream.read(chunks.name_bytes + chunks.size_bytes)
            size = int.from_bytes(header[chunks.name_bytes :], chunks.order)
            begin = at + len(header)
            end = at + size if chunks.whole else begin + size
            if header[: chunks.name_bytes] == chunks.sound:
                unknown = size >= (1 << 8 * chunks.size_bytes - 1) - UNKNOWN_SIZE_SLACK
                return 1.0 if unknown or end <= begin else min(1.0, (opened.size - begin) / (end - begin))
            at = end + -end % chunks.alignment
            if not begin <= at < opened.size:
                break
    return 1.0
