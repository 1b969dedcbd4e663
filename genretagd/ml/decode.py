"""Read excerpts of a track as mono float32, by seeking: a ten-hour file costs what a song costs.

Where the excerpts lie
    `count` excerpts of `seconds` each, their centres at (i + 1/2) / count of the track, moved inwards where
    they would stick out: three cover start, middle and end and leave out the first and last seconds. A track
    too short for `count` excerpts that do not overlap gives fewer, one shorter than an excerpt is read whole.
What a sample is
    The mean of all channels, as `librosa.to_mono` has it (FFmpeg's own down-mix weighs integer and float
    formats differently), then resampled by swresample. Positions are counted in samples from the stream's start,
    so the same audio gives the same samples in every container.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from genretagd.errors import DecodeError
from genretagd.ml.container import OpenedAudio, open_audio

FloatArray = npt.NDArray[np.float32]

PREROLL_SECONDS: Final = 0.5
"""Decoded and thrown away after a seek: decoders that build on earlier packets settle meanwhile."""

EARLIER_SECONDS: Final = 20.0
"""Where to try again when a seek landed too late."""

FROM_START_SECONDS: Final = 1200.0
"""Up to this position a track whose seeking fails is decoded from its start."""

MAX_PACKETS: Final = 200_000
"""Per excerpt; 30 s of the shortest packets there are (2.5 ms) are 12,000."""

MEASURED_BYTES: Final = 1 << 29
"""A length is measured by reading packets up to here and extrapolated beyond."""

BYTES_PER_SECOND: Final = (100.0, 30e6)
"""Plausible; a length outside this for the file's size is not believed."""

GUESSED_LENGTH: Final = frozenset({"mp3", "aac", "ac3", "eac3", "dts"})
"""Formats without a length of their own: FFmpeg guesses it from the bit rate."""

BLOCK_SAMPLES: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Excerpts:
    """Excerpts of one track.

    Attributes
    ----------
    seconds : float
        Length of the whole track in seconds.
    starts : tuple of float
        Where each excerpt begins, in seconds.
    waveforms : tuple of np.ndarray [shape=(n,), dtype=float32]
        The samples of each, full scale at 1; shorter than asked for at the end of a track.
    damaged : int
        How many packets could not be decoded.
    """

    seconds: float
    starts: tuple[float, ...]
    waveforms: tuple[FloatArray, ...]
    damaged: int = 0


def plan_excerpts(length: float, *, count: int, seconds: float) -> tuple[float, ...]:
    """Return where the excerpts of a track begin, in seconds.

    Parameters
    ----------
    length : float
        Length of the track in seconds.
    count : int
        At most so many excerpts.
    seconds : float
        Length of an excerpt.

    Returns
    -------
    tuple of float
        At least one start, ascending.
    """
    if length <= seconds:
        return (0.0,)
    number = max(1, min(count, int(length / seconds)))
    latest = length - seconds
    centres = ((index + 0.5) / number * length for index in range(number))
    return tuple(min(max(0.0, centre - seconds / 2), latest) for centre in centres)


def read_excerpts(path: Path, *, sr: int, count: int, seconds: float) -> Excerpts:
    """Read excerpts spread over a track.

    Parameters
    ----------
    path : Path
        The track.
    sr : int
        Sample rate of the result in Hz.
    count : int
        At most so many excerpts.
    seconds : float
        Length of each.

    Returns
    -------
    Excerpts
        At least one, none of them empty.

    Raises
    ------
    DecodeError
        With a code of `open_audio`, or ``"truncated"`` where the audio ends long before its own header says.
    """
    with open_audio(path) as opened:
        declared = _declared_seconds(opened)
        length = _measured_seconds(opened) if declared is None else declared
        found = _read_all(opened, length, sr=sr, count=count, seconds=seconds)
        if declared is not None and not _complete(found, length, seconds=seconds, sr=sr):
            length = _measured_seconds(opened)
            if opened.format_name not in GUESSED_LENGTH and length < 0.9 * declared - 2.0:
                problem = f"the audio ends after {length:.0f} s of {declared:.0f} s, get a whole copy"
                raise DecodeError(path, problem, code="truncated")
            found = _read_all(opened, length, sr=sr, count=count, seconds=seconds)
        kept = [pair for pair in zip(found.starts, found.waveforms, strict=True) if pair[1].size]
        if not kept:
            raise DecodeError(path, "damaged (no sound could be decoded), get another copy", code="corrupt")
        return Excerpts(
            length, tuple(start for start, _ in kept), tuple(wave for _, wave in kept), found.damaged
        )


def _complete(found: Excerpts, length: float, *, seconds: float, sr: int) -> bool:
    wanted = min(seconds, length) * sr
    return all(waveform.size >= 0.5 * wanted for waveform in found.waveforms)


def _declared_seconds(opened: OpenedAudio) -> float | None:
    """Return the length that the file states, or None where it states none that can be true."""
    seconds = 0.0
    if opened.stream.duration:
        seconds = opened.seconds_of(opened.stream.duration)
    elif opened.container.duration:
        seconds = opened.container.duration / 1e6
    if opened.format_name == "mpc8" and opened.container.duration:
        seconds = opened.container.duration / 1e6  # its stream counts in packets of 1.7 s
    if seconds <= 0.0 or not BYTES_PER_SECOND[0] <= opened.size / seconds <= BYTES_PER_SECOND[1]:
        return None
    return seconds


def _measured_seconds(opened: OpenedAudio) -> float:
    """Return the length as the packets tell it, without decoding them."""
    stream = opened.stream
    _seek(opened, 0.0)
    total, bytes_seen, end = 0, 0, 0
    try:
        for packet in opened.container.demux(stream):
            total += packet.duration or 0
            bytes_seen += packet.size
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0) - (stream.start_time or 0))
            if bytes_seen > MEASURED_BYTES:
                return opened.seconds_of(max(total, end)) * opened.size / bytes_seen
    except Exception:  # noqa: BLE001, S110 - damaged from here on: what came before is the length
        pass
    return opened.seconds_of(max(total, end))


def _seek(opened: OpenedAudio, seconds: float) -> None:
    origin = opened.stream.start_time or 0
    ticks = max(0, math.floor(seconds / float(opened.stream.time_base)))
    opened.container.seek(origin + ticks, stream=opened.stream)


def _read_all(opened: OpenedAudio, length: float, *, sr: int, count: int, seconds: float) -> Excerpts:
    starts = plan_excerpts(length, count=count, seconds=seconds)
    waveforms, damaged = [], 0
    for start in starts:
        reader = _ExcerptReader(opened, sr=sr)
        waveforms.append(reader.read(start, seconds))
        damaged += reader.damaged
    return Excerpts(length, starts, tuple(waveforms), damaged)


class _ExcerptReader:
    """Reads one excerpt; counts the packets that could not be decoded."""

    def __init__(self, opened: OpenedAudio, *, sr: int) -> None:
        self.opened = opened
        self.sr = sr
        self.damaged = 0

    def read(self, start: float, seconds: float) -> FloatArray:
        """Return the samples from `start` on; fewer at the end, none where nothing decodes."""
        if start == 0.0:
            return self._read_after(0.0, start, seconds, late_is_fine=True)[0]
        attempts = [start - PREROLL_SECONDS, start - EARLIER_SECONDS]
        if start <= FROM_START_SECONDS:
            attempts.append(0.0)
        waveform = np.empty(0, np.float32)
        for number, position in enumerate(attempts):
            last = number == len(attempts) - 1
            waveform, late = self._read_after(max(0.0, position), start, seconds, late_is_fine=last)
            if not late:
                break
        return waveform

    def _read_after(
        self, position: float, start: float, seconds: float, *, late_is_fine: bool
    ) -> tuple[FloatArray, bool]:
        """Seek to a position and read on to the excerpt; also say whether the seek landed behind its start."""
        try:
            _seek(self.opened, position)
        except Exception:  # noqa: BLE001 - some demuxers cannot seek; reading on is all that is left
            if not late_is_fine:
                return np.empty(0, np.float32), True
        blocks = _Resampled(self.sr)
        at: int | None = None  # position of the next sample, counted at the source's rate
        rate = 0
        for frame in self._frames(position):
            if not rate:
                rate = int(frame.sample_rate)
                begin, end = round(start * rate), round((start + seconds) * rate)
                blocks.begin(rate)
            if int(frame.sample_rate) != rate:
                break  # a chained stream of another rate: the excerpt ends here
            stated = self._stated_position(frame, rate)
            if at is None:
                if stated is None and position > 0.0:
                    return np.empty(0, np.float32), True
                at = stated if stated is not None else 0
                if at > begin and not late_is_fine:
                    return np.empty(0, np.float32), True
                if late_is_fine and at > begin:
                    end += at - begin
            elif stated is not None and abs(stated - at) > rate // 5:
                at = stated  # damaged packets are missing between the last frame and this one
            first, last = max(0, begin - at), min(frame.samples, end - at)
            if first < last:
                blocks.push(_mono(frame)[first:last])
            at += frame.samples
            if at >= end:
                break
        return blocks.finish(), False

    def _stated_position(self, frame: Any, rate: int) -> int | None:
        if frame.pts is None or frame.time_base is None:
            return None
        origin = self.opened.stream.start_time or 0
        return round((frame.pts * frame.time_base - origin * self.opened.stream.time_base) * rate)

    def _frames(self, position: float) -> Iterator[Any]:
        """Decode packets from where the container stands, stepping over damaged ones."""
        packets = 0
        demuxed = self.opened.container.demux(self.opened.stream)
        while packets < MAX_PACKETS:
            packets += 1
            try:
                packet = next(demuxed)
            except StopIteration:
                return
            except Exception:  # noqa: BLE001 - the container is damaged from here on
                self.damaged += 1
                return
            try:
                yield from packet.decode()
            except Exception as exc:  # noqa: BLE001 - one damaged packet; the next may be whole
                if isinstance(exc, EOFError | MemoryError):
                    return
                self.damaged += 1


class _Resampled:
    """Mono samples brought to another rate, block by block, so that memory stays small."""

    def __init__(self, sr: int) -> None:
        self._sr = sr
        self._rate = 0
        self._resampler: Any = None
        self._waiting: list[FloatArray] = []
        self._waiting_samples = 0
        self._samples = 0
        self._done: list[FloatArray] = []

    def begin(self, rate: int) -> None:
        """Start with the source's sample rate in Hz."""
        import av  # noqa: PLC0415

        self._rate = rate
        if rate != self._sr:
            self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=self._sr)

    def push(self, samples: FloatArray) -> None:
        """Take the next samples."""
        self._waiting.append(samples)
        self._waiting_samples += samples.size
        self._samples += samples.size
        if self._waiting_samples >= BLOCK_SAMPLES:
            self._flush_waiting()

    def finish(self) -> FloatArray:
        """Return everything, exactly as long as it was."""
        if self._waiting:
            self._flush_waiting()
        if not self._samples:
            return np.empty(0, np.float32)
        if self._resampler is not None:
            self._take(self._resampler.resample(None))
        result = np.concatenate(self._done) if self._done else np.empty(0, np.float32)
        wanted = round(self._samples * self._sr / self._rate)
        if result.size < wanted:
            result = np.pad(result, (0, wanted - result.size))
        return result[:wanted]

    def _flush_waiting(self) -> None:
        import av  # noqa: PLC0415

        block = np.concatenate(self._waiting)
        self._waiting, self._waiting_samples = [], 0
        if self._resampler is None:
            self._done.append(block)
            return
        frame = av.AudioFrame.from_ndarray(block[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = self._rate
        self._take(self._resampler.resample(frame))

    def _take(self, frames: list[Any]) -> None:
        self._done.extend(frame.to_ndarray()[0] for frame in frames)


def _mono(frame: Any) -> FloatArray:
    """Return the mean of a frame's channels, full scale at 1, nothing but finite numbers."""
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, len(frame.layout.channels)).T
    samples = (
        data[0] if data.shape[0] == 1 else data.mean(axis=0, dtype=np.float32 if data.itemsize < 8 else None)
    )
    if data.dtype.kind == "u":
        return ((samples.astype(np.float32) - 128.0) / 128.0).astype(np.float32)
    if data.dtype.kind == "i":
        scale = np.float32(2.0 ** (1 - 8 * data.itemsize))
        return np.asarray(samples, dtype=np.float32) * scale
    result = np.asarray(samples, dtype=np.float32)
    if not np.isfinite(result).all():
        result = np.nan_to_num(result, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(result, -16.0, 16.0)
