"""An entry of the journal, and its form in the ledger."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from genretagd.domain import DigestAudio, FileVersion, GenreTag, TagChange
from genretagd.serial import from_json, to_json

State = Literal["intended", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the journal.

    Attributes
    ----------
    id : int
        Entries are numbered in the order in which they were intended; no number comes twice.
    run : str
        The run it belongs to.
    command : str
        What that run was: ``"tag"``, ``"watch"``, ``"undo"``.
    path : Path
        The track, absolute.
    state : str
        ``"intended"`` until it is known to have happened (``"done"``) or not (``"failed"``).
    at : float
        When it was intended, in seconds since the epoch.
    genres_before, genres_after : tuple of str
        What a player shows on both sides of it.
    fields_before, fields_after : mapping of str to tuple of str
        The raw fields on both sides of it; see `GenreTag.fields`.
    version_before, version_after : FileVersion
        The files on both sides of it; None after a change that did not happen.
    model : str
        Who decided.
    confidence : float
        In [0, 1].
    undoes : int or None
        The entry that this one takes back.
    reason : str or None
        Why it failed.
    audio : str or None
        See `TagChange`; also None in what older ledgers recorded, and after a crash.
    """

    id: int
    run: str
    command: str
    path: Path
    state: State
    at: float
    genres_before: tuple[str, ...]
    genres_after: tuple[str, ...]
    fields_before: Mapping[str, tuple[str, ...]]
    fields_after: Mapping[str, tuple[str, ...]] | None
    version_before: FileVersion
    version_after: FileVersion | None
    model: str
    confidence: float
    undoes: int | None
    reason: str | None
    audio: str | None

    def tag_change(self) -> TagChange | None:
        """Return what happened to the file, or None where nothing did or it is not known."""
        if self.state != "done" or self.fields_after is None or self.version_after is None:
            return None
        return TagChange(
            path=self.path,
            before=self.genres_before,
            after=self.genres_after,
            fields_before=self.fields_before,
            fields_after=self.fields_after,
            version_before=self.version_before,
            version_after=self.version_after,
            audio=self.audio,
        )

    def is_about(self, tag: GenreTag, digest_audio: DigestAudio) -> bool:
        """Return whether a file is the recording that was changed: another may have taken its place.

        Only a file that was saved anew since, which has another size or time, is digested.
        """
        left, found = self.version_after, tag.version
        if self.audio is None or left is None or (left.size, left.mtime_ns) == (found.size, found.mtime_ns):
            return True
        return digest_audio(self.path, expected=found) in {None, self.audio}

    def same_audio(self, other: Change) -> bool:
        """Return whether two changes of a path are of one recording, as far as that is known."""
        return self.audio is None or other.audio is None or self.audio == other.audio

    @property
    def kept_mtime(self) -> bool:
        """Return whether the change left the file's modification time as it was."""
        return self.version_after is not None and self.version_after.mtime_ns == self.version_before.mtime_ns


def dump(value: object) -> str:
    """Return a value of an entry as it is stored."""
    return json.dumps(to_json(value))


def _load(kind: Any, text: str | None) -> Any:
    return None if text is None else from_json(kind, json.loads(text))


def change_of(row: sqlite3.Row) -> Change:
    """Return the entry that a row of the ledger holds."""
    fields = Mapping[str, tuple[str, ...]]
    return Change(
        id=row["id"],
        run=row["run_id"],
        command=row["command"],
        path=Path(os.fsdecode(row["path"])),
        state=row["state"],
        at=row["at"],
        genres_before=_load(tuple[str, ...], row["genres_before"]),
        genres_after=_load(tuple[str, ...], row["genres_after"]),
        fields_before=_load(fields, row["fields_before"]),
        fields_after=_load(fields, row["fields_after"]),
        version_before=_load(FileVersion, row["version_before"]),
        version_after=_load(FileVersion, row["version_after"]),
        model=row["model"],
        confidence=row["confidence"],
        undoes=row["undoes"],
        reason=row["reason"],
        audio=row["audio"],
    )
