"""The pictures of a corpus in one memory-mapped array, and what is known of each track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError
from genretagd.ml.bundle import ExcerptChoice
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import state
from genretagd.ml.training.pictures import BARE_SIZE, read_picture
from genretagd.ml.training.spectra import as_record


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures of tracks, excerpt by excerpt, on disk.

    Attributes
    ----------
    values : np.ndarray [shape=(rows, n_mels, columns), dtype=uint8]
        One row per excerpt, the lowest band first; memory-mapped.
    widths : np.ndarray [shape=(rows,), dtype=int32]
        Columns in use.
    track_of : np.ndarray [shape=(rows,), dtype=int32]
        The track each row belongs to, ascending.
    """

    values: NDArray[np.uint8]
    widths: NDArray[np.int32]
    track_of: NDArray[np.int32]

    def __reduce__(self) -> tuple[Any, ...]:
        """Send another process the place of the array, not the array."""
        values = self.values
        if not isinstance(values, np.memmap):
            return Pictures, (values, self.widths, self.track_of)
        return _opened, (str(values.filename), values.shape, self.widths, self.track_of)

    def row(self, index: int) -> NDArray[np.uint8]:
        """Return an excerpt's picture `[shape=(n_mels, its own columns)]`."""
        return self.values[index, :, : self.widths[index]]

    def rows_of(self, tracks: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the rows of tracks, ascending."""
        return np.flatnonzero(np.isin(self.track_of, tracks)).astype(np.int32)

    def excerpts(self, track: int) -> list[NDArray[np.uint8]]:
        """Return the excerpts of one track."""
        first, end = np.searchsorted(self.track_of, (track, track + 1))
        return [self.row(index) for index in range(first, end)]

    def strip(self, track: int) -> NDArray[np.uint8]:
        """Return the excerpts of one track side by side."""
        return np.concatenate(self.excerpts(track), axis=1)


def _opened(
    file: str,
    shape: tuple[int, ...],
    widths: NDArray[np.int32],
    track_of: NDArray[np.int32],
) -> Pictures:
    return Pictures(np.memmap(file, np.uint8, mode="r", shape=shape), widths, track_of)


class Rows(Sequence[NDArray[np.uint8]]):
    """Some rows of `Pictures` as a sequence, read when they are asked for."""

    def __init__(self, pictures: Pictures, rows: NDArray[np.int32]) -> None:
        self._pictures, self._rows = pictures, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        return self._pictures.row(self._rows[index])


def gather(
    paths: Sequence[Path], *, front_end: FrontEnd, excerpts: ExcerptChoice, file: Path
) -> tuple[Pictures, list[int], list[str]]:
    """Read pictures into one array on disk.

    Parameters
    ----------
    paths : sequence of Path
        One picture per track.
    front_end : FrontEnd
        They must have been made with it.
    excerpts : ExcerptChoice
        Gives the width of a row, which is at least that of a picture without a record.
    file : Path
        Where the array is kept.

    Returns
    -------
    pictures : Pictures
        Its tracks are numbered in the order of `kept`.
    kept : list of int
        The positions in `paths` of the pictures that could be read.
    problems : list of str
        Why the others could not.

    Raises
    ------
    CorpusError
        A picture was made with another front end: not one file's fault, so nothing goes on.
    OSError
        The array cannot be written.
    """
    columns = max(front_end.frames_in(round(excerpts.seconds * front_end.sr)), BARE_SIZE[0])
    record = as_record(front_end)
    kept: list[int] = []
    problems: list[str] = []
    widths: list[int] = []
    track_of: list[int] = []
    row_bytes = front_end.n_mels * columns
    raw = file.with_suffix(".u8")
    raw.parent.mkdir(parents=True, exist_ok=True)
    with state.named(raw), raw.open("wb") as stream:
        for index, path in enumerate(paths):
            try:
                values, made = read_picture(path, front_end=record)
            except CorpusError as exc:
                if "another front end" in str(exc):
                    raise
                problems.append(str(exc))
                continue
            parts = [values.shape[1]] if made is None else [part.columns for part in made.excerpts]
            start = 0
            for width in parts:
                row = np.zeros((front_end.n_mels, columns), np.uint8)
                part = values[:, start : start + min(width, columns)]
                row[:, : part.shape[1]] = part
                stream.write(row.tobytes())
                widths.append(part.shape[1])
                track_of.append(len(kept))
                start += width
            kept.append(index)
    rows = raw.stat().st_size // row_bytes
    values_on_disk: NDArray[np.uint8] = (
        np.memmap(raw, np.uint8, mode="r", shape=(rows, front_end.n_mels, columns))
        if rows
        else np.zeros((0, front_end.n_mels, columns), np.uint8)
    )
    pictures = Pictures(values_on_disk, np.asarray(widths, np.int32), np.asarray(track_of, np.int32))
    return pictures, kept, problems
