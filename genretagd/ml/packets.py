"""The fingerprint of a file's encoded audio, which no change of its tags may alter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class AudioDigest:
    """What a file's audio is, without decoding it.

    Attributes
    ----------
    codec : str
        FFmpeg's name of the codec.
    sha256 : str
        Hash of the codec's parameters and of every audio packet, in order.
    packets : int
        How many packets there are.
    seconds : float
        Their total duration; 0 where the demuxer cannot tell.
    """

    codec: str
    sha256: str
    packets: int
    seconds: float


def audio_digest(path: Path) -> AudioDigest:
    """Hash the encoded audio of a file."""
    raise NotImplementedError
