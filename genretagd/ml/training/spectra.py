"""From audio to spectrogram pictures: in parallel, each made once, bad files told and passed over."""

from __future__ import annotations

import errno
import functools
import hashlib
import importlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from genretagd.domain import SHORTEST_SECONDS, SILENCE_DBFS
from genretagd.errors import DISK_TROUBLE, CorpusError, GenretagdError, MissingExtraError
from genretagd.ml.bundle import ExcerptChoice
from genretagd.ml.decode import read_excerpts
from genretagd.ml.frontend import FloatArray, FrontEnd, log_mel, scale, to_picture
from genretagd.ml.training.corpus import Source
from genretagd.ml.training.isolation import Failure, Isolated
from genretagd.ml.training.listener import Listener
from genretagd.ml.training.pictures import (
    Excerpt,
    Record,
    bears_record,
    printable,
    read_record,
    write_picture,
)

NO_PLACE: Final = DISK_TROUBLE - {errno.EIO}
"""What the system says of a disk that is written to; one that is read from may be damaged in one place."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One picture to be made: of which track, where to, and by which record."""

    path: Path
    target: Path
    record: Record


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of a corpus: the picture of each source, None where there is none, and why."""

    pictures: tuple[Path | None, ...]
    problems: tuple[str, ...]
    made: int


def mel_filter_bank(front_end: FrontEnd) -> FloatArray:
    """Return the mel filter bank as librosa computes it `[shape=(n_mels, 1 + n_fft // 2)]`.

    Raises
    ------
    MissingExtraError
        librosa is not installed.
    """
    try:
        filters: Any = importlib.import_module("librosa.filters")  # slow to import, and an extra
    except ImportError as exc:
        raise MissingExtraError(
            "training: librosa is not installed, run `pip install 'genretagd[train]'`"
        ) from exc
    basis = filters.mel(
        sr=front_end.sr,
        n_fft=front_end.n_fft,
        n_mels=front_end.n_mels,
        fmin=front_end.fmin,
        fmax=front_end.fmax,
    )
    return np.asarray(basis, dtype=np.float32)


def as_record(front_end: FrontEnd) -> dict[str, Any]:
    """Return a front end as it stands in JSON, without the name of the filter bank's file."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(front_end)))
    del content["filter_bank"]
    return content


def draw_all(
    sources: Sequence[Source],
    *,
    place: Callable[[Source, Record], Path],
    front_end: FrontEnd,
    excerpts: ExcerptChoice,
    mel_basis: Callable[[], FloatArray],
    jobs: int,
    listener: Listener,
) -> Drawn:
    """Make the pictures of all audio sources that have none yet; pictures stay what they are.

    Parameters
    ----------
    sources : sequence of Source
        Audio and pictures.
    place : callable
        Where the picture of an audio file goes, given its record; may raise CorpusError for that file.
    front_end : FrontEnd
        How spectrograms are made.
    excerpts : ExcerptChoice
        What of a track is shown.
    mel_basis : callable
        Gives the filter bank; called only where there is something to do.
    jobs : int
        Number of processes.
    listener : Listener
        Told about each file.

    Raises
    ------
    OSError
        The disk that pictures go to is full or write-protected: that is no fault of the track's.
    """
    pictures: list[Path | None] = [source.path if source.kind == "picture" else None for source in sources]
    problems: list[str] = []
    todo: list[tuple[int, Drawing]] = []
    for index, source in enumerate(sources):
        if source.kind == "picture":
            continue
        try:
            record = wanted_record(source, front_end=front_end, excerpts=excerpts)
            target = place(source, record)
        except (OSError, CorpusError) as exc:
            name = printable(source.path)
            problem = str(exc) if isinstance(exc, CorpusError) else f"{name}: cannot be read ({exc.strerror})"
            problems.append(problem)
            listener.note(problem)
            continue
        if is_made(target, record):
            pictures[index] = target
        else:
            todo.append((index, Drawing(source.path, target, record)))
    if not todo:
        return Drawn(tuple(pictures), tuple(problems), 0)
    listener.stage("spectrograms", len(todo))
    function = functools.partial(draw, front_end=front_end, excerpts=excerpts, mel_basis=mel_basis())
    made = 0
    for number, result in Isolated(function, jobs=jobs).run([drawing for _, drawing in todo]):
        index, drawing = todo[number]
        if isinstance(result, Failure):
            if result.errno is not None and result.errno in NO_PLACE:
                raise OSError(result.errno, os.strerror(result.errno), str(drawing.target))
            name = printable(drawing.path)
            problem = result.problem if result.problem.startswith(name) else f"{name}: {result.problem}"
            problems.append(problem)
            listener.step(problem)
        else:
            pictures[index] = drawing.target
            made += 1
            listener.step()
    return Drawn(tuple(pictures), tuple(sorted(problems)), made)


def draw(
    drawing: Drawing, *, front_end: FrontEnd, excerpts: ExcerptChoice, mel_basis: FloatArray
) -> tuple[Excerpt, ...]:
    """Make one picture, and return what it shows.

    Raises
    ------
    DecodeError
        The audio cannot be read.
    CorpusError
        There is nothing to hear.
    """
    found = read_excerpts(drawing.path, sr=front_end.sr, count=excerpts.count, seconds=excerpts.seconds)
    shown: list[Excerpt] = []
    parts = []
    for start, waveform in zip(found.starts, found.waveforms, strict=True):
        audible = float(np.abs(waveform).max()) > 10.0 ** (SILENCE_DBFS / 20.0)
        if not audible or waveform.size < SHORTEST_SECONDS * front_end.sr:
            continue
        part = to_picture(scale(log_mel(waveform, front_end=front_end, mel_basis=mel_basis)))[::-1]
        shown.append(Excerpt(round(start, 3), part.shape[1]))
        parts.append(part)
    if not parts:
        raise CorpusError(f"{printable(drawing.path)}: silent or shorter than {SHORTEST_SECONDS:g} s")
    wanted = drawing.record
    record = Record(
        wanted.front_end,
        wanted.source,
        wanted.size,
        wanted.mtime_ns,
        tuple(shown),
        wanted.wanted,
        wanted.artist,
    )
    write_picture(drawing.target, np.concatenate(parts, axis=1), record)
    return record.excerpts


def wanted_record(source: Source, *, front_end: FrontEnd, excerpts: ExcerptChoice) -> Record:
    """Return the record that a picture of this audio file would bear, but for what it shows."""
    status = source.path.stat()
    return Record(
        front_end=as_record(front_end),
        source=printable(source.path),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        excerpts=(),
        wanted=json.loads(json.dumps(asdict(excerpts))),
        artist=source.artist,
    )


def is_made(target: Path, record: Record) -> bool:
    """Whether a picture is there that was made of the same file in the same way."""
    if not target.is_file():
        return False
    try:
        found = read_record(target)
    except GenretagdError:
        return False
    return found is not None and found.made_like(record)


def cache_place(cache: Path) -> Callable[[Source, Record], Path]:
    """Return a `place` that names pictures after all that they depend on."""

    def place(source: Source, record: Record) -> Path:
        key: Mapping[str, Any] = {
            "path": os.fsencode(source.path.absolute()).hex(),
            "size": record.size,
            "mtime_ns": record.mtime_ns,
            "front_end": record.front_end,
            "wanted": record.wanted,
        }
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return cache / digest[:2] / f"{digest[2:34]}.png"

    return place


def folder_place(root: Path, sources: Sequence[Source]) -> Callable[[Source, Record], Path]:
    """Return a `place` under one folder per genre, in the sub-folders a track has there.

    Tracks that differ in their suffix only keep it, so that each has a picture of its own. It raises
    CorpusError where a file of another origin has the picture's name, such as a cover.
    """
    stems = Counter((source.genre, source.folder, source.track_id) for source in sources)

    def place(source: Source, _: Record) -> Path:
        twins = stems[source.genre, source.folder, source.track_id] > 1
        name = printable(Path(source.path.name)) if twins else source.track_id
        target = root / source.genre / source.folder / f"{name}.png"
        if target.exists() and not bears_record(target):
            raise CorpusError(
                f"{printable(source.path)}: {printable(target)} is there and no spectrogram of genretagd's, "
                "write into another folder"
            )
        return target

    return place
