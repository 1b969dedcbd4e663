"""The fingerprint of a file's encoded audio, which no change of its tags may alter.

Formats with a container around their audio (MP4, Ogg, ASF, WAV, AIFF, DSF, Matroska) are demuxed and every
packet of the audio stream is hashed. In the others, whose demuxers read tags at the end of the file as audio,
the bytes between the tags are hashed (see `genretagd.ml.regions`). Nothing is decoded. The codec's own
parameters are part of the fingerprint; the comment header, which Vorbis counts among them, is not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from genretagd.errors import DecodeError
from genretagd.ml.container import OpenedAudio, open_audio
from genretagd.ml.regions import EDGE_TAGGED, audio_regions

CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class AudioDigest:
    """What a file's audio is, without decoding it; equal for equal audio.

    Attributes
    ----------
    codec : str
        FFmpeg's name of the codec.
    sha256 : str
        Hash of the codec's parameters and of the encoded audio.
    size : int
        Bytes of encoded audio.
    packets : int
        How many packets they are; 0 where the bytes between the tags were taken.
    """

    codec: str
    sha256: str
    size: int
    packets: int


def audio_digest(path: Path) -> AudioDigest:
    """Hash the encoded audio of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    AudioDigest
        The same for the same audio, whatever the tags around it.

    Raises
    ------
    DecodeError
        The file is no audio file, or so damaged that its audio cannot be told from the rest.
    """
    with open_audio(path) as opened:
        digest = hashlib.sha256(_parameters(opened.stream))
        if opened.format_name in EDGE_TAGGED:
            size, packets = _hash_regions(opened, digest), 0
        else:
            size, packets = _hash_packets(opened, digest)
        if not size:
            raise DecodeError(path, "damaged (no sound can be found in it), get another copy", code="corrupt")
        return AudioDigest(str(opened.stream.codec_context.name), digest.hexdigest(), size, packets)


def _parameters(stream: Any) -> bytes:
    codec = stream.codec_context
    stated = f"{codec.name} {codec.sample_rate} {codec.channels} {stream.time_base}\n".encode()
    return stated + _without_comments(codec.name, bytes(codec.extradata or b""))


def _without_comments(codec: str, extradata: bytes) -> bytes:
    """Return a codec's parameters; of Vorbis's three headers the second holds the tags."""
    if codec != "vorbis":
        return extradata
    headers = _vorbis_headers(extradata)
    return extradata if headers is None else headers[0] + headers[2]


def _vorbis_headers(extradata: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Split extradata as FFmpeg holds it: two lengths of two bytes before each header, or Xiph lacing."""
    if extradata[:2] == b"\x00\x1e":
        parts, position = [], 0
        for _ in range(3):
            length = int.from_bytes(extradata[position : position + 2], "big")
            parts.append(extradata[position + 2 : position + 2 + length])
            position += 2 + length
        return (parts[0], parts[1], parts[2])
    if extradata[:1] != b"\x02":
        return None
    lengths, position = [], 1
    for _ in range(2):
        length = 0
        while position < len(extradata) and extradata[position] == 255:
            length += 255
            position += 1
        length += extradata[position] if position < len(extradata) else 0
        position += 1
        lengths.append(length)
    first, second = position + lengths[0], position + lengths[0] + lengths[1]
    return (extradata[position:first], extradata[first:second], extradata[second:])


def _hash_packets(opened: OpenedAudio, digest: Any) -> tuple[int, int]:
    size = packets = 0
    for packet in opened.container.demux(opened.stream):
        if not packet.size:
            continue  # the empty packet that flushes a decoder
        digest.update(packet.size.to_bytes(8, "little"))
        digest.update(packet)
        size += packet.size
        packets += 1
    return size, packets


def _hash_regions(opened: OpenedAudio, digest: Any) -> int:
    size = 0
    with opened.path.open("rb") as stream:
        for start, end in audio_regions(stream):
            stream.seek(start)
            left = end - start
            while left > 0:
                chunk = stream.read(min(left, CHUNK_BYTES))
                if not chunk:
                    break
                digest.update(chunk)
                left -= len(chunk)
                size += len(chunk)
    return size
