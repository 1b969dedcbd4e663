"""Read one excerpt of an open file by seeking, to the sample where the container knows its positions.

Matroska and ASF count in milliseconds. After a seek FFmpeg places WMA up to 0.1 s and short Musepack SV8
files up to one packet (1.7 s) beside where they are; the same file still gives the same samples every time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import numpy as np

from genretagd.ml.container import OpenedAudio
from genretagd.ml.samples import FloatArray, Waveform

PREROLL_SECONDS: Final = 0.5
"""Decoded and thrown away after a seek: decoders that build on earlier packets settle meanwhile."""

OGG_FLAC_PREROLL_SECONDS: Final = 2.0
"""Only the second page after a seek says where it is."""

EARLIER_SECONDS: Final = 20.0
"""Where to try again when a seek landed behind the excerpt's start."""

TOO_EARLY_SECONDS: Final = 60.0
"""A seek that lands this far before its target went wrong: key points are 27 s apart at most (APE)."""

FROM_START_SECONDS: Final = 1200.0
"""Where seeking fails a track is decoded from its start up to an excerpt this far in; an excerpt beyond is
taken from the start itself.
"""

MAX_PACKETS: Final = 200_000
"""Per excerpt; 30 s of the shortest packets there are (2.5 ms) are 12,000."""

MAX_DAMAGED: Final = 2_000
"""So many damaged packets in a row, and the rest is given up."""

GAP_SECONDS: Final = 0.2
"""Positions this far from the expected one mean that packets are missing."""


class ExcerptReader:
    """Reads excerpts of one open file; counts the packets, and those that could not be decoded.

    Parameters
    ----------
    opened : OpenedAudio
        The file.
    sr : int
        Sample rate of the excerpts in Hz.
    """

    def __init__(self, opened: OpenedAudio, *, sr: int) -> None:
        self._opened = opened
        self._sr = sr
        self._first_tick = opened.stream.start_time or 0
        self._tick_seconds = float(opened.stream.time_base)
        self.packets = 0
        self.damaged = 0

    def read(self, start: float, seconds: float) -> FloatArray:
        """Return the samples of an excerpt.

        Parameters
        ----------
        start, seconds : float
            Where it begins in the track, and its length, in seconds.

        Returns
        -------
        np.ndarray [shape=(n,)]
            Fewer at the track's end; none where nothing decodes.
        """
        positions = [0.0]
        if start > 0.0:
            is_ogg_flac = (
                self._opened.format_name == "ogg" and self._opened.stream.codec_context.name == "flac"
            )
            preroll = OGG_FLAC_PREROLL_SECONDS if is_ogg_flac else PREROLL_SECONDS
            positions = [max(0.0, start - preroll), max(0.0, start - EARLIER_SECONDS), 0.0]
        for position in positions[:-1]:
            waveform = self._read_from(position, start, seconds, strict=True)
            if waveform is not None:
                return waveform
        waveform = self._read_from(positions[-1], start, seconds, strict=False)
        return np.empty(0, np.float32) if waveform is None else waveform

    def _read_from(self, position: float, start: float, seconds: float, *, strict: bool) -> FloatArray | None:
        """Seek to a position and read on to the excerpt.

        Returns None where the seek failed or, if `strict`, landed behind the excerpt's start.
        """
        if not self._seek(position) and strict:
            return None
        window: _Window | None = None
        for frame in self._frames():
            rate, stated = int(frame.sample_rate), self._stated(frame)
            if window is None:
                if strict and (stated is None or not start - TOO_EARLY_SECONDS <= stated <= start):
                    return None
                window = _Window(rate, start, seconds, sr=self._sr, position=stated or 0.0)
            elif rate != window.rate and window.frames <= 1:
                # The first frame after a seek may have the rate of what was decoded before it.
                position = window.position if stated is None else stated
                window = _Window(rate, start, seconds, sr=self._sr, position=position)
            if rate != window.rate or not window.take(frame, stated):
                break
        return None if window is None else window.waveform.finish()

    def _seek(self, position: float) -> bool:
        ticks = math.floor(position / self._tick_seconds)
        try:
            self._opened.container.seek(self._first_tick + ticks, stream=self._opened.stream)
        except Exception:  # noqa: BLE001 - the decode door: some demuxers cannot seek, reading on is what is left
            return False
        return True

    def _stated(self, frame: Any) -> float | None:
        """Return the position in seconds that a frame states, counted from the stream's first sample."""
        pts = frame.pts
        return None if pts is None else float((pts - self._first_tick) * self._tick_seconds)

    def _frames(self) -> Iterator[Any]:
        """Decode packets from where the container stands, stepping over damaged ones."""
        in_a_row = 0
        # Closed and not only dropped: PyAV frees what a generator of packets holds at its end alone.
        with closing(self._opened.container.demux(self._opened.stream)) as demuxed:
            for _ in range(MAX_PACKETS):
                self.packets += 1
                try:
                    frames = next(demuxed).decode()
                except (StopIteration, EOFError):
                    return
                except Exception:  # noqa: BLE001 - the decode door: this packet is damaged, the next may be whole
                    self.damaged += 1
                    in_a_row += 1
                    if in_a_row > MAX_DAMAGED:
                        return
                    continue
                in_a_row = 0
                yield from frames


class _Window:
    """The part of a stream of frames that is the excerpt, counted in samples of the source.

    A stream that begins behind the excerpt, or far before it, moves it to where it begins. `frames` is how
    many the excerpt has.
    """

    def __init__(self, rate: int, start: float, seconds: float, *, sr: int, position: float) -> None:
        self.rate = rate
        self.frames = 0
        self.waveform = Waveform(rate=rate, sr=sr)
        self._begin = round(start * rate)
        self._end = round((start + seconds) * rate)
        self._at = round(position * rate)
        if not self._begin - FROM_START_SECONDS * rate <= self._at <= self._begin:
            self._begin, self._end = self._at, self._end - self._begin + self._at

    @property
    def position(self) -> float:
        """Where the next frame lies, in seconds."""
        return self._at / self.rate

    def take(self, frame: Any, stated: float | None) -> bool:
        """Take what belongs to the excerpt, and say whether more is wanted.

        Before the excerpt every stated position is believed; within it only one that shows a gap, because
        containers that count in milliseconds would otherwise tear the waveform.
        """
        if stated is not None:
            position = round(stated * self.rate)
            if self._at <= self._begin or position - self._at > GAP_SECONDS * self.rate:
                self._at = position
        samples = int(frame.samples)
        first, last = max(0, self._begin - self._at), min(samples, self._end - self._at)
        if first < last:
            self.waveform.add(frame, first, last)
            self.frames += 1
        self._at += samples
        return self._at < self._end
