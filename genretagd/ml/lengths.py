"""How long a track is: what its container states, or what its packets add up to."""

from __future__ import annotations

from typing import Final

from genretagd.ml.container import OpenedAudio

MEASURED_BYTES: Final = 1 << 29
"""A length is measured by reading packets up to here and extrapolated beyond."""

BYTES_PER_SECOND: Final = (100.0, 30e6)
"""A length outside this for the file's size is not believed."""


def stated_seconds(opened: OpenedAudio) -> float | None:
    """Return the length that a file states in seconds, or None where it states none that can be true."""
    seconds = 0.0
    if opened.container.duration:
        seconds = opened.container.duration / 1e6
    if opened.stream.duration and opened.format_name != "mpc8":  # whose stream counts in units of 1.7 s
        seconds = opened.seconds_of(opened.stream.duration)
    if seconds <= 0.0 or not BYTES_PER_SECOND[0] <= opened.size / seconds <= BYTES_PER_SECOND[1]:
        return None
    return seconds


def measured_seconds(opened: OpenedAudio) -> float:
    """Return the length in seconds that a file's packets add up to, without decoding them."""
    stream = opened.stream
    total = seen = end = 0
    try:
        opened.container.seek(stream.start_time or 0, stream=stream)
        for packet in opened.container.demux(stream):
            total += packet.duration or 0
            seen += packet.size
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0) - (stream.start_time or 0))
            if seen > MEASURED_BYTES:
                return float(opened.seconds_of(max(total, end)) * opened.size / seen)
    except Exception:  # noqa: BLE001, S110 - the decode door: damaged from here on, what came before counts
        pass
    return opened.seconds_of(max(total, end))
