"""Read excerpts of a track as mono float32, by seeking: a ten-hour file costs what a song costs.

Where the excerpts lie
    `count` excerpts of `seconds` each, their centres at (i + 1/2) / count of the track, moved inwards where
    they would stick out: three cover start, middle and end but not the first and last seconds. A track too
    short for `count` excerpts that do not overlap gives fewer, one shorter than an excerpt is read whole.
What a sample is
    The mean of all channels, resampled by swresample. Positions are counted in samples from the stream's
    start, so the same audio gives the same samples in every container.
    The links of a chained Ogg file are one track (see `genretagd.ml.chain`).
How long a track is
    What its container states, if that can be true for a file of its size and its time begins at zero;
    otherwise what its packets add up to. Where the audio ends earlier than stated, or a short track goes on
    for longer, the packets decide as well, and a file whose own header states much more than there is
    counts as truncated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from genretagd.domain import SHORTEST_SECONDS
from genretagd.errors import DecodeError
from genretagd.ml.chain import ChainReader, find_links
from genretagd.ml.container import OpenedAudio, open_audio, protected, says_protected
from genretagd.ml.excerpts import ExcerptReader
from genretagd.ml.lengths import Measured, held_share, is_own_length, measure, stated_seconds
from genretagd.ml.samples import FloatArray

DAMAGED_SHARE: Final = 0.1
"""With more than this share of its packets damaged a track is not judged."""

WHOLE_SHARE: Final = 0.9
"""An excerpt with less than this share of its samples calls for a look at the track's real length; so does a
track that is shorter than this share of what was read of it.
"""

TRUNCATED_SHARE: Final = 0.9
TRUNCATED_SECONDS: Final = 2.0
"""Less than this share of the stated length, and this much less at least, is truncated."""


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
    packets, damaged : int
        How many packets were read, and how many of them could not be decoded.
    """

    seconds: float
    starts: tuple[float, ...]
    waveforms: tuple[FloatArray, ...]
    packets: int = 0
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
        At least one start, ascending; excerpts do not overlap.
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
        links = find_links(path) if opened.format_name == "ogg" else ()
        if links:
            chain = ChainReader(path, links, sr=sr)
            found, _ = _read(chain, chain.seconds, sr=sr, count=count, seconds=seconds)
        else:
            found = _read_ordinary(opened, sr=sr, count=count, seconds=seconds)
        _refuse_damaged(opened, found)
        return found


def _read_ordinary(opened: OpenedAudio, *, sr: int, count: int, seconds: float) -> Excerpts:
    """Read the excerpts of a file that is one track; its length is measured where the stated one is wrong."""
    _refuse_cut(opened)
    stated = stated_seconds(opened)
    length = measure(opened).seconds if stated is None else stated
    found, fits = _read(ExcerptReader(opened, sr=sr), length, sr=sr, count=count, seconds=seconds)
    if stated is not None and not fits:
        measured = measure(opened)
        _refuse_broken(opened, measured, stated)
        found, _ = _read(ExcerptReader(opened, sr=sr), measured.seconds, sr=sr, count=count, seconds=seconds)
    return found


def _read(
    reader: ExcerptReader | ChainReader, length: float, *, sr: int, count: int, seconds: float
) -> tuple[Excerpts, bool]:
    """Read the excerpts of a track of a certain length; also say whether what there was fits that length."""
    planned = plan_excerpts(length, count=count, seconds=seconds)
    read = [(start, reader.read(start, seconds)) for start in planned]
    wanted = WHOLE_SHARE * min(seconds, length) * sr
    fits = all(waveform.size >= wanted for _, waveform in read)
    least = max(1, round(min(SHORTEST_SECONDS, WHOLE_SHARE * length) * sr))
    kept = [(start, waveform) for start, waveform in read if waveform.size >= least]
    if planned == (0.0,) and kept:
        heard = kept[0][1].size
        if heard < round(seconds * sr):
            length = heard / sr  # all of it was read, so its length is known
        fits = fits and WHOLE_SHARE * heard <= length * sr
    starts, waveforms = tuple(start for start, _ in kept), tuple(waveform for _, waveform in kept)
    return Excerpts(length, starts, waveforms, reader.packets, reader.damaged), fits


def _refuse_damaged(opened: OpenedAudio, found: Excerpts) -> None:
    if found.waveforms and found.damaged <= DAMAGED_SHARE * found.packets:
        return
    if says_protected(opened):
        raise protected(opened.path)
    what = f"{found.damaged} of {found.packets} packets" if found.waveforms else "no sound could be decoded"
    raise DecodeError(opened.path, f"damaged ({what}), get another copy", code="corrupt")


def _refuse_cut(opened: OpenedAudio) -> None:
    share = held_share(opened)
    if 0.0 < share < TRUNCATED_SHARE:
        measured = measure(opened).seconds
        _refuse_truncated(opened, measured, measured / share)


def _refuse_broken(opened: OpenedAudio, measured: Measured, stated: float) -> None:
    if measured.seconds <= 0.0:
        raise DecodeError(opened.path, "damaged (its audio breaks off), get another copy", code="corrupt")
    if is_own_length(opened, stated, first_byte=measured.first_byte):
        _refuse_truncated(opened, measured.seconds, stated)


def _refuse_truncated(opened: OpenedAudio, seconds: float, declared: float) -> None:
    if seconds < min(TRUNCATED_SHARE * declared, declared - TRUNCATED_SECONDS):
        problem = f"the audio ends after {seconds:.0f} s of {declared:.0f} s, get a whole copy"
        raise DecodeError(opened.path, problem, code="truncated")
