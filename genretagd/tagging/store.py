"""The tag store: reads and safely writes the genre fields of files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mutagen
from mutagen.id3 import ID3, TCON

from genretagd.domain import FileVersion, GenreTag, Provenance, TagChange, WriteOptions
from genretagd.errors import TagError, WriteRefusedError
from genretagd.tagging import safe


class FileTagStore:
    """First cut."""

    def __init__(self, *, audio_digest: Callable[[Path], object] | None = None) -> None:
        self._audio_digest = audio_digest

    def read_genres(self, path: Path, /) -> GenreTag:
        with safe.explained(path):
            version = FileVersion.of(os.stat(path))
        try:
            file = mutagen.File(path)
        except Exception as exc:
            raise TagError(path, f"its tags cannot be parsed ({exc})", code="corrupt") from exc
        if file is None:
            raise TagError(path, "not an audio file we know", code="unsupported")
        name, genres = _genres(file)
        fields = {name: genres} if genres else {}
        return GenreTag(genres, fields, type(file).__name__, version)

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
        before = self.read_genres(path)

        def build(source_fd: int, temporary_fd: int) -> None:
            with open(os.dup(source_fd), "rb") as source, open(os.dup(temporary_fd), "r+b") as target:
                source.seek(0)
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                target.seek(0)
                file = mutagen.File(target)
                if file.tags is None:
                    file.add_tags()
                _set(file, genres)
                target.seek(0)
                if isinstance(file.tags, ID3):
                    version = 3 if file.tags.version[1] == 3 else 4
                    if version == 3:
                        file.tags.update_to_v23()
                    file.save(target, v2_version=version)
                else:
                    file.save(target)

        def verify(source_fd: int, temporary_fd: int) -> None:
            if self._audio_digest is None:
                return
            old = self._audio_digest(path)
            new = self._audio_digest(Path(f"/proc/self/fd/{temporary_fd}"))
            if old != new:
                raise WriteRefusedError(path, "the copy's audio differs, report this file", code="verification")

        version = safe.replace(path, expected=expected, options=options, build=build, verify=verify)
        after = self.read_genres(path)
        return TagChange(path, before.genres, after.genres, before.fields, after.fields, before.version, version)

    def restore_fields(
        self,
        path: Path,
        fields: Mapping[str, tuple[str, ...]],
        /,
        *,
        expected: FileVersion,
        options: WriteOptions,
    ) -> TagChange:
        genres = next(iter(fields.values()), ())
        return self.write_genres(path, genres, expected=expected, options=options)


def _genres(file: Any) -> tuple[str, tuple[str, ...]]:
    tags = file.tags
    if isinstance(tags, ID3):
        frame = tags.get("TCON")
        return "TCON", tuple(frame.genres) if frame else ()
    name = {"MP4": "\xa9gen", "ASF": "WM/Genre"}.get(type(file).__name__, "Genre")
    values = (tags.get(name) if tags is not None else None) or ()
    return name, tuple(str(value) for value in values)


def _set(file: Any, genres: Sequence[str]) -> None:
    if isinstance(file.tags, ID3):
        file.tags.setall("TCON", [TCON(encoding=3, text=list(genres))] if genres else [])
        return
    name = {"MP4": "\xa9gen", "ASF": "WM/Genre"}.get(type(file).__name__, "Genre")
    if genres:
        file.tags[name] = list(genres)
    elif name in file.tags:
        del file.tags[name]
