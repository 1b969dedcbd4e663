"""Find copies of one recording by how they sound, whatever their names, formats, levels or cuts.

After Haitsma & Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): the signs of
energy differences between neighbouring bands and between neighbouring times make a 20-bit word for each
column. Pictures that share words at one and the same lag are candidates; a candidate counts where
the differences themselves correlate over the time the two have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

BANDS: Final = 21
LOWEST, HIGHEST = 2, 107  # mel bands compared: hum lies below, what codecs cut off lies above
STEP: Final = 4  # columns between the times compared: a third of a second survives a shift by half a column
LEAST_HITS: Final = 4
LEAST_OVERLAP: Final = 48
LEAST_CORRELATION: Final = 0.4
NEIGHBOURS: Final = 24
WORDS_AT_ONCE: Final = 50_000


def find_copies(
    pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    widths: NDArray[np.int32],
    track_of: NDArray[np.int32],
) -> list[tuple[int, ...]]:
    """Find the tracks that are copies or near-copies of one recording.

    Parameters
    ----------
    pictures : sequence of np.ndarray [shape=(n_mels, columns), dtype=uint8]
        One per excerpt, the lowest band first.
    widths : np.ndarray [shape=(rows,)]
        Columns in use.
    track_of : np.ndarray [shape=(rows,)]
        The track of each excerpt; excerpts of one track are not compared.

    Returns
    -------
    list of tuple of int
        Sets of two or more tracks, sorted.
    """
    words, rows, times = _all_words(pictures, widths)
    parent = list(range(int(track_of.max()) + 1)) if len(track_of) else []
    for first, second, lag in _candidates(words, rows, times, track_of):
        one, other = _root(parent, int(track_of[first])), _root(parent, int(track_of[second]))
        if one == other:
            continue
        if _alike(pictures[first], pictures[second], widths[first], widths[second], lag):
            parent[max(one, other)] = min(one, other)
    sets: dict[int, list[int]] = {}
    for track in range(len(parent)):
        sets.setdefault(_root(parent, track), []).append(track)
    return [tuple(tracks) for tracks in sets.values() if len(tracks) > 1]


def differences(picture: NDArray[np.uint8], width: int) -> NDArray[np.float32]:
    """Return energy differences between bands and times [shape=(20, width - STEP)].

    A fixed equalisation or another level drops out of them.
    """
    height = (HIGHEST - LOWEST) // BANDS
    used = picture[LOWEST : LOWEST + height * BANDS, :width].astype(np.float32)
    bands = used.reshape(BANDS, height, -1).mean(axis=1)
    bands[:, 1:-1] = (bands[:, :-2] + 2 * bands[:, 1:-1] + bands[:, 2:]) / 4
    across = np.diff(bands, axis=0)
    return np.asarray(across[:, STEP:] - across[:, :-STEP], np.float32)


def _all_words(
    pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], widths: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    powers = (1 << np.arange(BANDS - 1)).astype(np.int32)
    words, rows, times = [], [], []
    for row, width in enumerate(widths):
        if width < LEAST_OVERLAP:
            continue
        change = differences(pictures[row], int(width))
        word = (change > 0).T.astype(np.int32) @ powers
        telling = np.flatnonzero((np.abs(change) > 1.0).mean(axis=0) > 0.8)  # not silence, not a held tone
        words.append(word[telling])
        rows.append(np.full(len(telling), row, np.int32))
        times.append(telling.astype(np.int32))
    if not words:
        nothing = np.empty(0, np.int32)
        return nothing, nothing, nothing
    return np.concatenate(words), np.concatenate(rows), np.concatenate(times)


def _candidates(
    words: NDArray[np.int32],
    rows: NDArray[np.int32],
    times: NDArray[np.int32],
    track_of: NDArray[np.int32],
) -> Iterator[tuple[int, int, int]]:
    """Yield (row, later row, lag) where enough words agree at one lag or its neighbours; `rows` ascend.

    Equal words stand together once they are sorted, and each is compared with its `NEIGHBOURS` on both sides.
    Rows are taken some at a time, each with all later ones: that bounds the memory.
    """
    order = np.argsort(words, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    words, rows_sorted, times = words[order], rows[order], times[order]
    tracks = track_of[rows_sorted]
    reach = int(times.max(initial=0)) + 2
    span = 2 * reach + 1
    count = int(rows.max(initial=0)) + 1
    begin = 0
    while begin < len(rows):
        end = int(np.searchsorted(rows, rows[min(begin + WORDS_AT_ONCE, len(rows) - 1)], side="right"))
        keys = []
        for shift in (*range(-NEIGHBOURS, 0), *range(1, NEIGHBOURS + 1)):
            here = place[begin:end]
            here = here[(here + shift >= 0) & (here + shift < len(words))]
            there = here + shift
            same = (
                (words[here] == words[there])
                & (tracks[here] != tracks[there])
                & (rows_sorted[here] < rows_sorted[there])
            )
            here, there = here[same], there[same]
            first, second = rows_sorted[here].astype(np.int64), rows_sorted[there].astype(np.int64)
            keys.append((first * count + second) * span + times[there] - times[here] + reach)
        yield from _frequent(np.concatenate(keys), count=count, span=span, reach=reach)
        begin = end


def _frequent(
    keys: NDArray[np.int64], *, count: int, span: int, reach: int
) -> Iterator[tuple[int, int, int]]:
    """Yield the pairs of rows and their lags that occur often enough."""
    found, hits = np.unique(keys, return_counts=True)
    together = hits.astype(np.int64)
    for step in (-1, 1):  # a cut between columns spreads the hits over two lags
        at = np.minimum(np.searchsorted(found, found + step), max(len(found) - 1, 0))
        if len(found):
            together += np.where(found[at] == found + step, hits[at], 0)
    chosen = found[together >= LEAST_HITS]
    pairs, lag = np.divmod(chosen, span)
    for first, second, shift in zip(pairs // count, pairs % count, lag - reach, strict=True):
        yield int(first), int(second), int(shift)


def _alike(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    first_width: int,
    second_width: int,
    lag: int,
) -> bool:
    """Whether `second`, read `lag` columns later, sounds like `first`."""
    one, other = differences(first, int(first_width)), differences(second, int(second_width))
    for shift in (lag, lag - 1, lag + 1):
        start = max(0, -shift)
        end = min(one.shape[1], other.shape[1] - shift)
        if end - start < LEAST_OVERLAP:
            continue
        a, b = one[:, start:end], other[:, start + shift : end + shift]
        scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
        if scale > 0 and float((a * b).sum()) / scale >= LEAST_CORRELATION:
            return True
    return False


def _root(parent: list[int], track: int) -> int:
    while parent[track] != track:
        parent[track] = parent[parent[track]]
        track = parent[track]
    return track
