"""Spectrogram pictures made here: two genres that differ in where their sound lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genretagd.ml.bundle import ExcerptChoice
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training.pictures import Excerpt, Record, write_picture
from genretagd.ml.training.spectra import as_record

GENRES = ("High", "Low")


def picture(genre: str, *, seed: int, columns: int = 387) -> np.ndarray:
    """Return noise that is louder in the upper or the lower bands `[shape=(128, columns)]`, lowest first."""
    rng = np.random.default_rng(seed)
    beats = 40 * (rng.random((1, columns)) < 0.2)
    values = rng.integers(0, 90, (128, columns)) + beats * rng.random((128, 1))
    values[64 * (genre == "High") :][:64] += 120
    values[0, 0], values[-1, -1] = 0, 255
    return np.clip(values, 0, 255).astype(np.uint8)


def record(**changes: object) -> Record:
    fields: dict[str, object] = {
        "front_end": as_record(FrontEnd()),
        "source": "song.flac",
        "size": 1000,
        "mtime_ns": 1,
        "excerpts": (Excerpt(0.0, 387),),
        "wanted": {"count": 3, "seconds": 30.0},
    }
    return Record(**(fields | changes))  # type: ignore[arg-type]


def make_corpus(root: Path, *, tracks: int = 12, genres: tuple[str, ...] = GENRES, artists: int = 6) -> Path:
    """Write a corpus of pictures, two tracks an artist."""
    for number, genre in enumerate(genres):
        for track in range(tracks):
            artist = f"{genre} artist {track % artists}"
            write_picture(
                root / genre / f"{genre.lower()}.{track:03}.png",
                picture(genre, seed=1000 * number + track),
                record(source=f"{track}.flac", artist=artist),
            )
    return root


EXCERPTS = ExcerptChoice()
