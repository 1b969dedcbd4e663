"""The tag store: reads and safely writes the genre fields of files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from genretagd.domain import (
    AudioDigest,
    FileVersion,
    GenreTag,
    Provenance,
    TagChange,
    WriteOptions,
    unfit_genre,
    written_at,
)
from genretagd.errors import FileChangedError, TagError, WriteRefusedError
from genretagd.tagging import detect, edit, safe, temps
from genretagd.tagging.elements import DamagedError, Document, ProtectedError, Tag, UnsupportedError
from genretagd.tagging.splice import Splice, Window, normalised
from genretagd.tagging.sweeping import being_written, directory_of, half_written, sweep
from genretagd.tagging.verify import Intention, check_audio, check_copy

Choose = Callable[[Document], Sequence[Tag]]
"""Says which tags a document should have."""


class FileTagStore:
    """Reads and safely writes the genre fields of files; a `TagStore`.

    Parameters
    ----------
    audio_digest : callable or None
        Digests the encoded audio of a file; each copy is compared with its original by it. None leaves
        that to the comparison of all bytes outside of the tags.
    """

    def __init__(self, *, audio_digest: Callable[[Path], AudioDigest] | None = None) -> None:
        self._audio_digest = audio_digest
        self._swept: set[Path] = set()
        self._writing: dict[Path, tuple[str, ...]] = {}

    def read_genres(self, path: Path, /) -> GenreTag:
        """Read the genre fields of a file.

        Raises
        ------
        TagError
            The file is no audio file we know, or its tags cannot be fully parsed.
        """
        self._sweep(path)
        with _readable(path) as fd, explained(path):
            version = FileVersion.of(os.fstat(fd))
            reading = edit.read(detect.parse(Window(fd)))
        return _tag(reading, version)

    def digest_audio(self, path: Path, /, *, expected: FileVersion) -> str | None:
        """See `TagStore.digest_audio`."""
        if self._audio_digest is None:
            return None
        audio = self._audio_digest(path).audio
        with _readable(path) as fd:
            if FileVersion.of(os.fstat(fd)) != expected:
                raise safe.changed_meanwhile(path)
        return audio

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
        """Replace the genre fields of a file, all or nothing; untouched if nothing would change.

        Genres that the file has already may be called anything; others must be fit for a name. None may mean
        another one in the file's kind of tag, as the number "17" does in ID3.

        Raises
        ------
        FileChangedError
            The file is no longer the `expected` one.
        WriteRefusedError
            A safety rule or the verification forbids it; the file is as it was.
        TagError
            The write failed; the file is as it was.
        """

        def choose(document: Document) -> Sequence[Tag]:
            own = edit.read(document).genres
            for genre in genres:
                if genre not in own and (problem := unfit_genre(genre)):
                    what = f"{genre[:60]!r} cannot be a genre (it {problem}), choose another name"
                    raise TagError(path, what, code="genre")
            tags = edit.wanted(document, genres, provenance=provenance, id3v1=options.id3v1)
            for genre, meant in edit.misread(tags, genres):
                what = f"{genre!r} means {', '.join(meant)} in its kind of tag, choose another name"
                raise TagError(path, what, code="genre")
            return tags

        return self._change(path, choose, expected=expected, options=options)

    def check_writable(self, path: Path, /, *, expected: FileVersion, options: WriteOptions) -> None:
        """Check whether a file may be written, as before a write, and write nothing.

        Raises
        ------
        FileChangedError
            The file is no longer the `expected` one.
        WriteRefusedError
            A safety rule forbids it.
        TagError
            The system failed.
        """
        with safe.explained(path), safe.opened(path, expected=expected) as target:
            safe.check_permitted(target, options=options)

    def restore_fields(
        self,
        path: Path,
        fields: Mapping[str, tuple[str, ...]],
        /,
        *,
        expected: FileVersion,
        options: WriteOptions,
    ) -> TagChange:
        """Put back the fields that `GenreTag.fields` or `TagChange.fields_before` held, byte for byte.

        Raises
        ------
        FileChangedError
            The file is no longer the `expected` one.
        WriteRefusedError
            A safety rule or the verification forbids it; the file is as it was.
        TagError
            The write failed; the file is as it was.
        """
        return self._change(
            path, lambda document: edit.restored(document, fields), expected=expected, options=options
        )

    def _sweep(self, path: Path) -> None:
        """Clear up a directory the first time a file in it is read, before its files are believed.

        What the worker of a killed run may still be writing then is not believed until that is dead. A file
        with several names may have been left half written since, by another worker.
        """
        directory = directory_of(path)
        if directory not in self._swept:
            writing = being_written(directory)
            if writing:
                self._writing[directory] = writing
        if directory in self._writing:
            self._check_written(path, directory)
        with suppress(OSError):  # whoever opens the file finds out why
            try:
                status = path.stat()
            except FileNotFoundError:
                sweep(directory)  # it may have been set aside
                return
            if directory in self._swept and status.st_nlink < 2:
                return
            self._swept.add(directory)
            sweep(directory)
            if status.st_nlink < 2:
                return
            backup = half_written(directory).get(status.st_ino)
            if backup is not None:
                problem = (
                    "it is being rewritten, or was left half written and its old content cannot be put back "
                    f"from {backup}; if you have repaired the file yourself, remove that"
                )
                raise TagError(path, problem, code="io", transient=True)

    def _check_written(self, path: Path, directory: Path) -> None:
        self._writing[directory] = tuple(set(self._writing[directory]) & set(being_written(directory)))
        name = written_at(path).name
        if any(temps.is_beside(temporary, name) for temporary in self._writing[directory]):
            raise TagError(path, "another genretagd is writing it", code="in use", transient=True)
        if not self._writing[directory]:
            del self._writing[directory]

    def _change(
        self, path: Path, choose: Choose, /, *, expected: FileVersion, options: WriteOptions
    ) -> TagChange:
        task = _Edit(path, choose, self._audio_digest)
        with explained(path):
            version = safe.replace(path, task, expected=expected, options=options)
        assert task.before is not None
        after = task.after or task.before
        return TagChange(
            path=path,
            before=task.before.genres,
            after=after.genres,
            fields_before=task.before.fields,
            fields_after=after.fields,
            version_before=expected,
            version_after=version,
            audio=task.audio,
        )


class _Edit:
    """One edit of one file: what is planned is remembered for the verification."""

    def __init__(
        self, path: Path, choose: Choose, audio_digest: Callable[[Path], AudioDigest] | None
    ) -> None:
        self._path = path
        self._choose = choose
        self._audio_digest = audio_digest
        self._intention: Intention | None = None
        self.before: edit.Reading | None = None
        self.after: edit.Reading | None = None
        self.audio: str | None = None

    def plan(self, source_fd: int, /) -> Sequence[Splice]:
        """See `safe.Edit`."""
        window = Window(source_fd)
        document = detect.parse(window)
        self.before = edit.read(document)
        tags = tuple(self._choose(document))
        splices = tuple(normalised(document.splices(tags), window))
        self._intention = Intention(self._path, document, tags, splices)
        return splices

    def verify(self, source_fd: int, copy_fd: int, copy_path: Path, /) -> None:
        """See `safe.Edit`."""
        assert self._intention is not None
        self.after = check_copy(self._intention, source_fd, copy_fd)
        if self._audio_digest is not None:
            self.audio = check_audio(self._intention, copy_path, self._audio_digest).audio


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the parsers say into our errors."""
    try:
        yield
    except ProtectedError as exc:
        raise WriteRefusedError(path, f"{exc}, it is left alone", code="protected") from exc
    except UnsupportedError as exc:
        raise TagError(path, f"{exc}, it cannot be tagged", code="unsupported") from exc
    except DamagedError as exc:
        raise TagError(path, f"{exc}, it is left alone", code="corrupt") from exc


@contextmanager
def _readable(path: Path) -> Iterator[int]:
    """Open a regular file; a FIFO, socket or device is refused before it is opened."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise TagError(path, "not a regular file", code="not a file")
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise FileChangedError(path, "the file is gone", code="gone") from exc
    except PermissionError as exc:
        raise TagError(path, "no permission to read it", code="unreadable") from exc
    except OSError as exc:
        raise TagError(path, f"it cannot be opened ({exc.strerror})", code="io", transient=True) from exc
    try:
        yield fd
    except OSError as exc:
        raise TagError(path, f"it cannot be read ({exc.strerror})", code="io", transient=True) from exc
    finally:
        os.close(fd)


def _tag(reading: edit.Reading, version: FileVersion) -> GenreTag:
    return GenreTag(
        genres=reading.genres,
        fields=reading.fields,
        format=reading.kind,
        version=version,
        written_by_us=reading.written_by_us,
        locked=reading.locked,
    )
