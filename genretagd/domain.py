"""The nouns of the project: frozen dataclasses, and the protocols the pipeline knows.

A *label* is what a model says ("Hip-Hop"); a *genre* is what a file's tag says ("Rap").
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, Protocol

MtimePolicy = Literal["update", "keep"]
HardlinkPolicy = Literal["skip", "break", "in-place"]
ExistingPolicy = Literal["keep", "append", "replace", "replace-ours"]
Id3v1Policy = Literal["sync", "leave"]

UNWRITABLE_DIRECTORY: Final = "read-only directory"
"""The code of a file that is skipped because no copy can be put beside it."""

LONGEST_GENRE: Final = 1000
_JOINERS: Final = "\u200c\u200d"  # Persian and other scripts, and emoji, need them within a word


def unfit_genre(name: str) -> str | None:
    """Return why nobody may call a genre that, or None; a genre that a file has already is not asked."""
    if not name:
        return "must not be empty"
    if name != name.strip():
        return "must not begin or end with a space"
    if len(name) > LONGEST_GENRE:
        return f"must not be longer than {LONGEST_GENRE:,} characters"
    if not all(c.isprintable() or c in _JOINERS or unicodedata.category(c) == "Zs" for c in name):
        return "must not hold control characters"
    return None


@dataclass(frozen=True, slots=True)
class FileVersion:
    """Which content of which file: changes whenever somebody writes or replaces it."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileVersion:
        """Return the version that a stat result describes.

        A time beyond the years 1677 to 2262, which 64 bits of nanoseconds cannot hold and no ledger
        can store, counts as the nearest one that they can.
        """
        mtime_ns = max(-(1 << 63), min(status.st_mtime_ns, (1 << 63) - 1))
        return cls(status.st_dev, status.st_ino, status.st_size, mtime_ns)


def written_at(path: Path) -> Path:
    """Return what a write of a track replaces: itself, or what it links to, since no link becomes a file."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


MOST_EXCERPTS: Final = 100
"""Of a track, that a bundle may ask for."""
SHORTEST_SECONDS: Final = 0.5
"""Shorter remains of an excerpt are dropped, unless the whole track is no longer."""
SILENCE_DBFS: Final = -90.0
"""Audio that stays below this peak holds nothing but the noise of its own conversion."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one track.

    Attributes
    ----------
    probabilities : mapping of str to float
        Calibrated probability in [0, 1] per label; they sum to 1. Empty where there was nothing to
        listen to: no excerpt of `SHORTEST_SECONDS` that is louder than `SILENCE_DBFS`.
    outside : float
        Probability in [0, 1] that the track is none of the labels.
    seconds : float
        Length of the track's audio in seconds, as far as the container or the decoder tells.
    peak_dbfs : float
        Highest sample magnitude of all excerpts in dB relative to full scale; ``-inf`` is silence.
    model : str
        Name and content hash of the bundle, such as ``"default-1@3f2a9c"``.
    min_confidence : float
        The threshold in [0, 1] that the bundle recommends.
    """

    probabilities: Mapping[str, float]
    outside: float
    seconds: float
    peak_dbfs: float
    model: str
    min_confidence: float

    def ranked(self) -> tuple[tuple[str, float], ...]:
        """Return (label, probability) pairs, the most probable first; ties in label order."""
        return tuple(sorted(self.probabilities.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True)
class Genres:
    """The decision to write: genre names, best first, and the confidence in the first one."""

    names: tuple[str, ...]
    confidence: float


class AbstentionReason(StrEnum):
    """Why nothing is decided about a track."""

    TOO_SHORT = "too short"
    SILENT = "silent"
    OUTSIDE = "outside the labels"
    BELOW_THRESHOLD = "below threshold"
    MARGIN = "margin too small"


@dataclass(frozen=True, slots=True)
class Abstention:
    """The decision to leave a track alone, with the reason in words a person understands.

    The confidence is that in the genre which was not decided on; None where the track was not judged.
    """

    reason: AbstentionReason
    detail: str
    confidence: float | None = None


Decision = Genres | Abstention


@dataclass(frozen=True, slots=True)
class GenreTag:
    """The genre fields of a file as they are.

    Attributes
    ----------
    genres : tuple of str
        The genres a player would show, in order.
    fields : mapping of str to tuple of str
        The raw values of every field that a write would touch, by the format's own field name
        (such as ``"TCON"``); what undo restores. A field that is absent is not in it. A field of a
        tag beside the format's own is named with the kind of tag before it (``"APEv2:Genre"``). A name
        such as ``"_APEv2"`` stands for what restoring that tag byte for byte needs.
    format : str
        Short name of the tag format, such as ``"ID3v2.3"`` or ``"Vorbis comment"``.
    version : FileVersion
        The file that was read.
    written_by_us : bool
        Whether the file carries our provenance fields.
    locked : bool
        Whether the file carries a field that asks us to keep our hands off.
    """

    genres: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]
    format: str
    version: FileVersion
    written_by_us: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a file is written; see config.example.toml for the meaning of each."""

    mtime: MtimePolicy = "update"
    hardlinks: HardlinkPolicy = "skip"
    id3v1: Id3v1Policy = "sync"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who decided: written into the file only where the user asks for it."""

    model: str
    confidence: float


@dataclass(frozen=True, slots=True)
class AudioDigest:
    """What a file's audio is, without decoding it; equal for equal audio.

    Attributes
    ----------
    audio : str
        SHA-256 of the encoded audio alone: the same whatever a program that saves the file anew does to its
        tags, and whatever version of a library finds it.
    form : str
        SHA-256 of the codec's parameters and of the packets' sizes, as the library in use tells them.
    """

    audio: str
    form: str


@dataclass(frozen=True, slots=True)
class TagChange:
    """A write that happened: the fields and file versions on both sides of it.

    `audio` is `AudioDigest.audio`, by which the track is known however often its tags are saved anew, and
    None where it is not known.
    """

    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    fields_before: Mapping[str, tuple[str, ...]]
    fields_after: Mapping[str, tuple[str, ...]]
    version_before: FileVersion
    version_after: FileVersion
    audio: str | None = None


class Status(StrEnum):
    """What became of one track in one run."""

    PREDICTED = "predicted"
    TAGGED = "tagged"
    WOULD_TAG = "would tag"
    KEPT = "kept"
    UNSURE = "unsure"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The full story of one track in one run, as printed, logged and recorded.

    `code` is the stable short word behind `reason` ("corrupt", "silent", "has genre"), `entry` the
    number of the journal's entry for `change`.
    """

    path: Path
    status: Status
    reason: str | None = None
    code: str | None = None
    transient: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    prediction: Prediction | None = None
    confidence: float | None = None
    change: TagChange | None = None
    entry: int | None = None
    seconds: float = field(default=0.0, compare=False)


class DigestAudio(Protocol):
    """`TagStore.digest_audio` by itself."""

    def __call__(self, path: Path, /, *, expected: FileVersion) -> str | None:
        """See `TagStore.digest_audio`."""


class Classifier(Protocol):
    """Says what a track sounds like."""

    def predict(self, path: Path, /) -> Prediction:
        """Listen to a track.

        Raises
        ------
        DecodeError
            The audio cannot be read.
        """


class TagStore(Protocol):
    """Reads and safely writes the genre fields of files."""

    def read_genres(self, path: Path, /) -> GenreTag:
        """Read the genre fields of a file.

        Raises
        ------
        TagError
            The file is no audio file we know, or its tags cannot be fully parsed.
        """

    def write_genres(
        self,
        path: Path,
        genres: Sequence[str],
        /,
        *,
        expected: FileVersion,
        options: WriteOptions,
        provenance: Provenance | None = None,
    ) -> TagChange:
        """Replace the genre fields of a file, all or nothing.

        Raises
        ------
        FileChangedError
            The file is no longer the `expected` one.
        WriteRefusedError
            A safety rule or the verification forbids it; the file is as it was.
        TagError
            The write failed; the file is as it was.
        """

    def digest_audio(self, path: Path, /, *, expected: FileVersion) -> str | None:
        """Return `TagChange.audio` of a version of a file; all of it is read.

        Raises
        ------
        FileChangedError
            The file is no longer the `expected` one.
        DecodeError
            The audio cannot be read.
        """

    def check_writable(self, path: Path, /, *, expected: FileVersion, options: WriteOptions) -> None:
        """Check what `write_genres` checks before it makes a copy, and write nothing.

        Raises
        ------
        FileChangedError
            The file is no longer the `expected` one.
        WriteRefusedError
            A safety rule forbids it.
        """


class Journal(Protocol):
    """Knows every change before it happens, so that it can be undone."""

    def intend(
        self,
        path: Path,
        tag: GenreTag,
        genres: Sequence[str],
        /,
        *,
        model: str,
        confidence: float,
    ) -> int:
        """Record durably that a file is about to be changed and return the entry's number."""

    def wrote(self, path: Path, tag: GenreTag, digest_audio: DigestAudio, /) -> bool | None:
        """Return whether the genres of a file are still what we wrote there; None where we never did."""

    def undone(self, path: Path, tag: GenreTag, digest_audio: DigestAudio, /) -> bool:
        """Return whether a file is as an undo left it."""

    def transaction(self) -> AbstractContextManager[object]:
        """Hold a transaction: all that is recorded within becomes durable together, or not at all."""

    def done(self, entry: int, change: TagChange, /) -> None:
        """Record that the change happened."""

    def failed(self, entry: int, reason: str, /) -> None:
        """Record that the change did not happen and the file is as it was."""
