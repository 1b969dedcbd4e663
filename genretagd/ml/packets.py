"""The fingerprint of a file's encoded audio, which no change of its tags may alter.

Formats with a container around their audio (MP4, Ogg, ASF, WAV, AIFF, DSF, Matroska) are demuxed and every
packet of the audio stream is hashed. In the others, whose demuxers read tags at the end of the file as audio,
the bytes between the tags are hashed (see `genretagd.ml.regions`). Nothing is decoded. The codec's own
parameters are part of the fingerprint; the comment header, which Vorbis counts among them, is not. The ledger
keeps the hash of the audio for years, so nothing goes into that but the file's own bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from genretagd.domain import AudioDigest
from genretagd.errors import DecodeError
from genretagd.ml.container import OpenedAudio, open_audio
from genretagd.ml.regions import EDGE_TAGGED, audio_regions

CHUNK_BYTES: Final = 1 << 20


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
        audio, form = hashlib.sha256(), hashlib.sha256(_parameters(opened.stream))
        if opened.format_name in EDGE_TAGGED:
            found = _hash_regions(opened, audio)
        else:
            found = _hash_packets(opened, audio, form)
        if not found:
            raise DecodeError(path, "damaged (no sound can be found in it), get another copy", code="corrupt")
        return AudioDigest(audio.hexdigest(), form.hexdigest())


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


def _hash_packets(opened: OpenedAudio, audio: Any, form: Any) -> bool:
    found = False
    for packet in opened.container.demux(opened.stream):
        if not packet.size:
            continue  # the empty packet that flushes a decoder
        form.update(packet.size.to_bytes(8, "little"))
        audio.update(packet)
        found = True
    return found


def _hash_regions(opened: OpenedAudio, audio: Any) -> bool:
    found = False
    with opened.path.open("rb") as stream:
        for start, end in audio_regions(stream):
            stream.seek(start)
            left = end - start
            while left > 0:
                chunk = stream.read(min(left, CHUNK_BYTES))
                if not chunk:
                    break
                audio.update(chunk)
                left -= len(chunk)
                found = True
    return found
