"""Spectrograms as pictures: 8-bit grey PNGs that say in their own metadata how they were made.

A picture shows one track: time from left to right, one pixel row per mel band with the highest
band on top, black at the floor and white at the loudest. The excerpts of a long track stand side
by side. Every value is ``round(255 * s)`` of a scaled log-mel spectrogram `s` in [0, 1].

A text chunk named ``genretagd`` holds the record as JSON: the front end, the source file's path,
size and time of change, the start and columns of each excerpt, and the artist where known.

A picture *without* a record is accepted only where it is grey, 8-bit and exactly 387 x 128: it is then
taken to be made with the default front end, one excerpt of 30 s (the layout of the labelled
corpus this project's default model learned from).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd import __version__
from genretagd.errors import CorpusError, MissingExtraError

CHUNK: Final = "genretagd"
RECORD_VERSION: Final = 1
BARE_SIZE: Final = (387, 128)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One excerpt within a picture: its start in the track in seconds, its width in columns."""

    start: float
    columns: int


@dataclass(frozen=True, slots=True)
class Record:
    """How a picture was made.

    Attributes
    ----------
    front_end : mapping
        The front end as it stands in a bundle, scaling included.
    source : str
        Path of the audio file as it was given; bytes that are no text are escaped.
    size : int
        Size of the audio file in bytes.
    mtime_ns : int
        Time of its last change in nanoseconds since the epoch.
    excerpts : tuple of Excerpt
        What stands side by side, left to right.
    wanted : mapping
        How excerpts were to be chosen: ``count`` and ``seconds``.
    artist : str
        The artist in the file's tags; empty where there is none.
    """

    front_end: Mapping[str, Any]
    source: str
    size: int
    mtime_ns: int
    excerpts: tuple[Excerpt, ...]
    wanted: Mapping[str, Any] = field(default_factory=dict)
    artist: str = ""

    def made_like(self, other: Record) -> bool:
        """Whether the same file would give the same picture as `other` records."""
        return (self.front_end, self.wanted, self.source, self.size, self.mtime_ns) == (
            other.front_end,
            other.wanted,
            other.source,
            other.size,
            other.mtime_ns,
        )


def write_picture(path: Path, values: NDArray[np.uint8], record: Record) -> None:
    """Write a picture, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to; its directory is made where it is missing.
    values : np.ndarray [shape=(n_mels, columns), dtype=uint8]
        The scaled spectrograms side by side, the lowest band first.
    record : Record
        How it was made.
    """
    image_module, png = _pillow()
    info = png.PngInfo()
    info.add_itxt("Title", f"Log-mel spectrogram of {Path(record.source).name}")
    info.add_itxt("Description", _description(values.shape[0], record))
    info.add_itxt("Software", f"genretagd {__version__}")
    info.add_itxt(CHUNK, json.dumps({"version": RECORD_VERSION} | asdict(record), ensure_ascii=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".picture-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            image_module.fromarray(np.ascontiguousarray(values[::-1])).save(file, "PNG", pnginfo=info)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_record(path: Path) -> Record | None:
    """Read how a picture was made; None where it does not say.

    Raises
    ------
    CorpusError
        It is no picture, or its record cannot be understood.
    """
    with _opened(path) as image:
        return _record(path, image)


def bears_record(path: Path) -> bool:
    """Whether a file is a picture that says how it was made, be it understood here or not."""
    try:
        with _opened(path) as image:
            return CHUNK in image.info
    except (CorpusError, OSError):
        return False


def may_be_spectrogram(path: Path) -> bool:
    """Whether a picture can be meant as a spectrogram: by its record, by its size, or for all one can see."""
    try:
        size, made = header(path)
    except CorpusError:
        return bears_record(path)
    return made is not None or size == BARE_SIZE


def header(path: Path) -> tuple[tuple[int, int], Record | None]:
    """Read a picture's width and height, and how it was made, without its pixels.

    Raises
    ------
    CorpusError
        It is no picture, or its record cannot be understood.
    """
    with _opened(path) as image:
        return image.size, _record(path, image)


def read_picture(path: Path, *, front_end: Mapping[str, Any]) -> tuple[NDArray[np.uint8], Record | None]:
    """Read a picture made with a front end.

    Parameters
    ----------
    path : Path
        The picture.
    front_end : mapping
        The front end it must have been made with.

    Returns
    -------
    values : np.ndarray [shape=(n_mels, columns), dtype=uint8]
        The lowest band first.
    record : Record or None
        None where the picture has none and was accepted by its size.

    Raises
    ------
    CorpusError
        It is damaged, no spectrogram, or made with another front end.
    """
    with _opened(path) as image:
        record = _record(path, image)
        check_front_end(path, record, image.size, front_end=front_end)
        if image.mode != "L":
            raise CorpusError(f"{printable(path)}: {image.mode} picture, a spectrogram is 8-bit grey")
        try:
            values = np.asarray(image, dtype=np.uint8)[::-1]
        except (OSError, ValueError, SyntaxError) as exc:
            problem = f"damaged picture ({exc}), write it anew or remove it"
            raise CorpusError(f"{printable(path)}: {problem}") from exc
    return values, record


def check_front_end(
    path: Path, record: Record | None, size: tuple[int, int], *, front_end: Mapping[str, Any]
) -> None:
    """Refuse a picture that was made with another front end.

    Raises
    ------
    CorpusError
        With every setting that differs.
    """
    if record is None:
        if size != BARE_SIZE or size[1] != front_end.get("n_mels"):
            raise CorpusError(
                f"{printable(path)}: {size[0]} x {size[1]} picture without a word on how it was made; only "
                f"pictures of {BARE_SIZE[0]} x {BARE_SIZE[1]} are accepted without a record, "
                "write it anew with `genretagd spectrogram`"
            )
        return
    differences = [
        f"{key} {record.front_end.get(key)!r} instead of {front_end.get(key)!r}"
        for key in sorted({*record.front_end, *front_end})
        if record.front_end.get(key) != front_end.get(key)
    ]
    if differences:
        raise CorpusError(
            f"{printable(path)}: spectrogram from another front end ({', '.join(differences)}), "
            "write it anew with `genretagd spectrogram`"
        )
    if size[1] != front_end.get("n_mels"):
        rows = front_end.get("n_mels")
        raise CorpusError(f"{printable(path)}: {size[1]} rows instead of {rows}, write it anew")


def printable(path: Path | str) -> str:
    """Return a path, or what else the system said in bytes, as text, with bytes that are no UTF-8 escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _description(n_mels: int, record: Record) -> str:
    front_end = record.front_end
    rate, hop = front_end.get("sr"), front_end.get("hop_length")
    pace = f"one column every {1000 * hop / rate:.1f} ms" if rate and hop else "time from left to right"
    shown = ", ".join(f"{e.start:.1f} s ({e.columns} columns)" for e in record.excerpts)
    return f"{n_mels} mel bands, the lowest at the bottom; {pace}; excerpts from {shown}"


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, PngImagePlugin
    except ImportError as exc:
        raise MissingExtraError(
            "spectrogram pictures: Pillow is not installed, run `pip install 'genretagd[train]'`"
        ) from exc
    return Image, PngImagePlugin


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    image_module, _ = _pillow()
    try:
        image = image_module.open(path)
    except (OSError, ValueError, SyntaxError, image_module.DecompressionBombError) as exc:
        raise CorpusError(f"{printable(path)}: not a readable picture ({type(exc).__name__})") from exc
    with image:
        if image.format != "PNG":
            raise CorpusError(f"{printable(path)}: {image.format} picture, a spectrogram is a PNG")
        yield image


def _record(path: Path, image: Any) -> Record | None:
    text = image.info.get(CHUNK)
    if text is None:
        return None
    try:
        fields = json.loads(text)
        if fields["version"] != RECORD_VERSION:
            raise CorpusError(
                f"{printable(path)}: record of version {fields['version']}, "
                f"this genretagd knows {RECORD_VERSION}"
            )
        record = Record(
            front_end=dict(fields["front_end"]),
            source=str(fields["source"]),
            size=int(fields["size"]),
            mtime_ns=int(fields["mtime_ns"]),
            excerpts=tuple(Excerpt(float(e["start"]), int(e["columns"])) for e in fields["excerpts"]),
            wanted=dict(fields["wanted"]),
            artist=str(fields["artist"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
        raise CorpusError(f"{printable(path)}: its record cannot be understood, write it anew") from exc
    widths = [excerpt.columns for excerpt in record.excerpts]
    if min(widths, default=0) < 1 or sum(widths) != image.width:
        raise CorpusError(f"{printable(path)}: its record is of another picture, write it anew")
    return record
