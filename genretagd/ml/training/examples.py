"""What the numeric core of training is given: pictures, labels and teachers' opinions, as arrays.

One *row* is the picture of one excerpt; a track has one row or more. Pictures stay on disk
(memory-mapped), so a corpus may be larger than memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

TeacherKind = Literal["tags", "labels"]


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """A teacher's opinions on windows of excerpts, for distillation.

    Attributes
    ----------
    name : str
        Short name, the stem of its file.
    names : tuple of str [length=d]
        What each value is about: tags, or labels of the model.
    kind : {"tags", "labels"}
        ``"tags"`` are independent probabilities, ``"labels"`` a distribution over genre labels.
    values : np.ndarray [shape=(n, windows, d)]
        Opinions in [0, 1].
    starts : np.ndarray [shape=(windows,)]
        Start of each window within the excerpt in seconds.
    seconds : float
        Length of a window in seconds.
    rows : np.ndarray [shape=(rows,)]
        For each row of the pictures the index into `values`, -1 where there is no opinion.
    """

    name: str
    names: tuple[str, ...]
    kind: TeacherKind
    values: NDArray[np.floating[Any]]
    starts: NDArray[np.float32]
    seconds: float
    rows: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """All there is to learn from.

    Attributes
    ----------
    pictures : np.ndarray [shape=(rows, n_mels, columns), dtype=uint8]
        Scaled log-mel spectrograms, the lowest band first; columns beyond `widths` are zero.
    widths : np.ndarray [shape=(rows,)]
        Columns in use.
    track_of : np.ndarray [shape=(rows,)]
        The track each row belongs to.
    labels : np.ndarray [shape=(tracks,)]
        Index into ``label_names + outside_names``, -1 where no label is known.
    label_names, outside_names : tuple of str
        What the model can say, and what it can recognise as none of it.
    column_seconds : float
        Time from one column to the next in seconds.
    teachers : tuple of Teacher
        Opinions to distil; may be empty.
    """

    pictures: NDArray[np.uint8]
    widths: NDArray[np.int32]
    track_of: NDArray[np.int32]
    labels: NDArray[np.int32]
    label_names: tuple[str, ...]
    outside_names: tuple[str, ...]
    column_seconds: float
    teachers: tuple[Teacher, ...] = ()

    @property
    def logit_names(self) -> tuple[str, ...]:
        """The meaning of each logit."""
        return self.label_names + self.outside_names

    def rows_of(self, tracks: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the rows of the given tracks, in row order."""
        return np.flatnonzero(np.isin(self.track_of, tracks)).astype(np.int32)
