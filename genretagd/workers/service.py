"""What a worker does on request: the operations, composed of tagging and ml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from genretagd.domain import (
    AudioDigest,
    FileVersion,
    GenreTag,
    Prediction,
    Provenance,
    TagChange,
    WriteOptions,
)

if TYPE_CHECKING:
    from genretagd.ml.classifier import Classifier
    from genretagd.tagging.store import FileTagStore


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is started with.

    Attributes
    ----------
    bundle : str
        Directory of a model bundle, or ``"default"``.
    excerpts : int or None
        Excerpts per track; None for the bundle's own number.
    nice : int
        CPU niceness, 0 to 19.
    max_bytes : int
        Limit of the worker's address space in bytes; a decoder that wants more fails cleanly.
    """

    bundle: str = "default"
    excerpts: int | None = None
    nice: int = 0
    max_bytes: int = 4 * 1024**3


class Service:
    """The operations of a worker, also usable within the own process (tests, tools).

    It is a `Classifier` and a `TagStore`. The model and the decoder are imported and loaded at
    the first prediction, so that a file which has its genre costs neither.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings

    @cached_property
    def _classifier(self) -> Classifier:
        from genretagd.ml.classifier import load_classifier  # noqa: PLC0415 - heavy, see the class

        return load_classifier(self._settings.bundle, excerpts=self._settings.excerpts)

    @cached_property
    def _tags(self) -> FileTagStore:
        from genretagd.tagging.store import FileTagStore  # noqa: PLC0415 - mutagen, see the class

        return FileTagStore(audio_digest=_audio_digest)

    def warm(self) -> tuple[str, ...]:
        """Load the model now instead of at the first prediction, and return its labels."""
        return self._classifier.bundle.labels

    def predict(self, path: Path, /) -> Prediction:
        """See `Classifier.predict`."""
        return self._classifier.predict(path)

    def read_genres(self, path: Path, /) -> GenreTag:
        """See `TagStore.read_genres`."""
        return self._tags.read_genres(path)

    def digest_audio(self, path: Path, /, *, expected: FileVersion) -> str | None:
        """See `TagStore.digest_audio`."""
        return self._tags.digest_audio(path, expected=expected)

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
        """See `TagStore.write_genres`."""
        return self._tags.write_genres(
            path, genres, expected=expected, options=options, provenance=provenance
        )

    def check_writable(self, path: Path, /, *, expected: FileVersion, options: WriteOptions) -> None:
        """See `TagStore.check_writable`."""
        self._tags.check_writable(path, expected=expected, options=options)

    def restore_fields(
        self,
        path: Path,
        fields: Mapping[str, tuple[str, ...]],
        /,
        *,
        expected: FileVersion,
        options: WriteOptions,
    ) -> TagChange:
        """Put raw field values back, as `undo` does; see `FileTagStore.restore_fields`."""
        return self._tags.restore_fields(path, fields, expected=expected, options=options)


def _audio_digest(path: Path) -> AudioDigest:
    from genretagd.ml.packets import audio_digest  # noqa: PLC0415 - PyAV, only where a file is written

    return audio_digest(path)


OPERATIONS: Mapping[str, Callable[..., object]] = {
    "warm": Service.warm,
    "predict": Service.predict,
    "read_genres": Service.read_genres,
    "digest_audio": Service.digest_audio,
    "write_genres": Service.write_genres,
    "check_writable": Service.check_writable,
    "restore_fields": Service.restore_fields,
}
