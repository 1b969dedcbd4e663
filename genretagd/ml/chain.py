"""Read a chained Ogg file: whole Ogg files one behind the other, as radio rips and `cat` leave them.

FFmpeg reads a chain through, but a seek leads it astray, and it takes the length of one link for that of the
file. By itself each link is an ordinary file, so each is opened by itself. Links that share one serial
number, which RFC 3533 forbids, are not told apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from genretagd.errors import DecodeError
from genretagd.ml.container import open_audio
from genretagd.ml.excerpts import ExcerptReader
from genretagd.ml.lengths import measure, stated_seconds
from genretagd.ml.samples import FloatArray

PAGE: Final = b"OggS\x00"
FIRST_PAGE: Final = re.compile(rb"OggS\x00[\x02\x06]")
"""The first page of a stream; those of streams that sound together follow one another."""

PAGE_BYTES: Final = 27 + 255 + 255 * 255
"""No page is longer: a header, a table of at most 255 lengths, and as many segments of at most 255 bytes."""

HEAD_BYTES: Final = 1 << 12
CHUNK_BYTES: Final = 1 << 20
MAX_FIRST_PAGES: Final = 1_000
"""What follows so many is taken for a part of the last link: opening a link takes half a millisecond."""


def find_links(path: Path) -> tuple[range, ...]:
    """Return the byte ranges of the links of a chained Ogg file, or none where it is not chained.

    An ordinary file costs three small reads: the pages in its middle and at its end belong to the streams
    that begin it. Only where one does not is the file searched.
    """
    with path.open("rb", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        begun = _begun_streams(_read_at(stream, 0, HEAD_BYTES))
        middle = _read_at(stream, size // 2, PAGE_BYTES)
        end = _read_at(stream, max(0, size - PAGE_BYTES), PAGE_BYTES)
        if _stream_at(middle, middle.find(PAGE)) in begun and _stream_at(end, end.rfind(PAGE)) in begun:
            return ()
        starts = _link_starts(stream, size)
    return tuple(range(*ends) for ends in pairwise((0, *starts[1:], size))) if len(starts) > 1 else ()


def _read_at(stream: BinaryIO, place: int, count: int) -> bytes:
    stream.seek(place)
    return stream.read(count)


def _begun_streams(head: bytes) -> set[bytes]:
    """Return the serial numbers of the streams that begin a file."""
    serials, at = set(), 0
    while FIRST_PAGE.match(head, at):
        serials.add(_stream_at(head, at))
        at += _page_size(head[at:])
    return serials


def _stream_at(data: bytes, page: int) -> bytes:
    """Return the serial number of the stream that a page belongs to; empty where there is no page."""
    return data[page + 14 : page + 18] if page >= 0 else b""


def _page_size(page: bytes) -> int:
    segments = page[26] if len(page) > 26 else 0
    return 27 + segments + sum(page[27 : 27 + segments])


def _link_starts(stream: BinaryIO, size: int) -> list[int]:
    """Return where each group of first pages begins."""
    starts, group_end = [], -1
    for place in islice(_first_pages(stream, size), MAX_FIRST_PAGES):
        if place != group_end:
            starts.append(place)
        group_end = place + _page_size(_read_at(stream, place, 27 + 255))
    return starts


def _first_pages(stream: BinaryIO, size: int) -> Iterator[int]:
    for place in range(0, size, CHUNK_BYTES):
        chunk = _read_at(stream, place, CHUNK_BYTES + 5)  # a pattern that begins in the chunk proper is whole
        yield from (place + found.start() for found in FIRST_PAGE.finditer(chunk))


class ChainReader:
    """Reads excerpts of a chain as `ExcerptReader` does of an ordinary file.

    Parameters
    ----------
    path : Path
        The file.
    links : tuple of range
        What `find_links` gave for it.
    sr : int
        Sample rate of the excerpts in Hz.
    """

    def __init__(self, path: Path, links: tuple[range, ...], *, sr: int) -> None:
        self._path = path
        self._sr = sr
        self._links = tuple((link, _seconds_of(path, link)) for link in links)
        self.seconds = sum(seconds for _, seconds in self._links)
        self.packets = 0
        self.damaged = 0

    def read(self, start: float, seconds: float) -> FloatArray:
        """Return the samples of an excerpt, out of as many links as it lies in."""
        pieces = [np.empty(0, np.float32)]
        begin = 0.0
        for link, length in self._links:
            first, last = max(0.0, start - begin), min(length, start + seconds - begin)
            if first < last:
                pieces.append(self._read_link(link, first, last - first))
            begin += length
        return np.concatenate(pieces)

    def _read_link(self, link: range, start: float, seconds: float) -> FloatArray:
        with open_audio(self._path, part=link) as opened:
            reader = ExcerptReader(opened, sr=self._sr)
            waveform = reader.read(start, seconds)
        self.packets += reader.packets
        self.damaged += reader.damaged
        return waveform


def _seconds_of(path: Path, link: range) -> float:
    """Return the length of a link; 0 where it cannot be opened, so that the others are heard."""
    try:
        with open_audio(path, part=link) as opened:
            return stated_seconds(opened) or measure(opened).seconds
    except DecodeError as exc:
        if exc.transient:
            raise
        return 0.0
