"""The journal: every change of a tag, recorded durably before it happens, so that it can be undone."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

from genretagd.domain import DigestAudio, GenreTag, TagChange
from genretagd.errors import TrackError
from genretagd.ledger.change import Change, change_of, dump
from genretagd.ledger.database import Database, storable
from genretagd.ledger.presence import device_above
from genretagd.ledger.schema import span_below, stored_path

DAY_SECONDS: Final = 86_400.0

UNDER_WAY_SECONDS: Final = 3600.0
"""So long a change may be under way in a run that is alive: a large file on a slow share takes a while."""


def _tell_nobody(_change: Change) -> None:
    """Leave it at the record."""


class Journal:
    """Records changes of one run and answers questions about all; the `Journal` of the pipeline.

    Parameters
    ----------
    database : Database
        The ledger.
    command : str
        What this run is, such as ``"tag"``.
    any_audio : bool
        Take whatever recording lies at a path for the one that was changed there.
    clock : callable
        The time in seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        *,
        command: str,
        any_audio: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._command = command
        self._any_audio = any_audio
        self._clock = clock
        moment = dt.datetime.fromtimestamp(clock(), tz=dt.UTC).astimezone()
        self.run = f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

    def intend(
        self,
        path: Path,
        tag: GenreTag,
        genres: Sequence[str],
        /,
        *,
        model: str,
        confidence: float,
        undoes: int | None = None,
    ) -> int:
        """Record durably that a file is about to be changed and return the entry's number.

        Raises
        ------
        LedgerError
            It cannot be recorded; the file must not be changed then.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO runs (id, command, started_at, model) VALUES (?, ?, ?, ?)",
                (self.run, self._command, self._clock(), model),
            )
            cursor = connection.execute(
                "INSERT INTO changes (run_id, path, state, at, genres_before, genres_after,"
                " fields_before, version_before, model, confidence, undoes)"
                " VALUES (?, ?, 'intended', ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self.run,
                    stored_path(path),
                    self._clock(),
                    dump(tag.genres),
                    dump(tuple(genres)),
                    dump(tag.fields),
                    dump(tag.version),
                    model,
                    confidence,
                    undoes,
                ),
            )
            number = cursor.lastrowid
        assert number is not None
        return number

    def transaction(self) -> AbstractContextManager[object]:
        """Hold a transaction of the ledger: see `Database.transaction`."""
        return self._database.transaction()

    def done(self, entry: int, change: TagChange, /) -> None:
        """Record that the change happened."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE changes SET state = 'done', reason = NULL, genres_after = ?,"
                " fields_after = ?, version_after = ?, audio = ? WHERE id = ?",
                (
                    dump(change.after),
                    dump(change.fields_after),
                    dump(change.version_after),
                    change.audio,
                    entry,
                ),
            )

    def failed(self, entry: int, reason: str, /) -> None:
        """Record that the change did not happen and the file is as it was."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE changes SET state = 'failed', reason = ? WHERE id = ?", (storable(reason), entry)
            )

    def wrote(self, path: Path, tag: GenreTag, digest_audio: DigestAudio, /) -> bool | None:
        """Return whether the genres of a file are still what we wrote there; None where we never did.

        Genres that an undo brought back are ours only if they were so before. A file that took the place of
        one that we wrote to is another, whatever its genre.
        """
        standing = self.standing(path)
        if not standing:
            return None
        if standing[-1].undoes is not None or standing[0].genres_after != tag.genres:
            return False
        return True if standing[0].is_about(tag, digest_audio) else None

    def undone(self, path: Path, tag: GenreTag, digest_audio: DigestAudio, /) -> bool:
        """Return whether a file is as an undo left it; one that was undone in turn counts no more."""
        last = "state != 'failed' AND path = ? ORDER BY changes.id DESC LIMIT 1"
        found = self._select(last, (stored_path(path),))
        if not found or found[0].genres_after != tag.genres:
            return False
        entry: Change | None = found[0]
        while entry is not None and entry.undoes is not None:
            (undone,) = self._select("changes.id = ?", (entry.undoes,))  # kept as long as what undoes it
            if undone.undoes is None:
                return found[0].is_about(tag, digest_audio)
            entry = self.latest(path, before=undone.id)
        return False

    def standing(self, path: Path, /, *, before: int | None = None) -> list[Change]:
        """Return the changes that a file is as left by, the latest first; none where we never changed it.

        After an undo a file is also as the change left it which came before what was undone, unless
        somebody else has changed its genres in between, or put another recording in its place.

        Parameters
        ----------
        path : Path
            The track.
        before : int or None
            As of before this entry.
        """
        standing: list[Change] = []
        entry = self.latest(path, before=before)
        while entry is not None and (not standing or _leaves_what(entry, standing[0])):
            standing.append(entry)
            entry = None if entry.undoes is None else self.latest(path, before=entry.undoes)
        return standing

    def latest(self, path: Path, /, *, before: int | None = None) -> Change | None:
        """Return the last change of a path that happened, or the last one before an entry."""
        found = self._select(
            "state = 'done' AND path = ? AND changes.id < ? ORDER BY changes.id DESC LIMIT 1",
            (stored_path(path), before if before is not None else 1 << 62),
        )
        return found[0] if found else None

    def history(self, path: Path, /) -> list[Change]:
        """Return every entry about a path, named with links or without, the oldest first."""
        return self._select("path IN (?, ?) ORDER BY changes.id", _names(path))

    def changes(
        self, *, run: str | None = None, since: float | None = None, below: Iterable[Path] = ()
    ) -> list[Change]:
        """Return the changes that happened, the oldest first.

        Parameters
        ----------
        run : str or None
            Only those of this run.
        since : float or None
            Only those from this instant on, in seconds since the epoch.
        below : iterable of Path
            Only those of these files, or of files below these directories, named with links or
            without.
        """
        query = "state = 'done'"
        parameters: list[object] = []
        if run is not None:
            query += " AND run_id = ?"
            parameters.append(run)
        if since is not None:
            query += " AND at >= ?"
            parameters.append(since)
        places = {name for path in below for name in _names(path)}
        if not places:
            return self._select(f"{query} ORDER BY changes.id", tuple(parameters))
        query = query.replace("run_id", "+run_id")  # else all of a run is looked through for each place
        query += " AND (path = ? OR path > ? AND path < ?)"
        found = {
            change.id: change
            for place in places
            for change in self._select(query, (*parameters, place, *span_below(place)))
        }
        return [found[number] for number in sorted(found)]

    def last_run(self) -> str | None:
        """Return the last run that changed something, this one aside."""
        found = self._database.rows(
            "SELECT run_id FROM changes WHERE state = 'done' AND run_id != ? ORDER BY id DESC LIMIT 1",
            (self.run,),
        )
        return str(found[0]["run_id"]) if found else None

    def has_run(self, run: str, /) -> bool:
        """Return whether a run of this name is recorded."""
        return bool(self._database.rows("SELECT 1 FROM runs WHERE id = ?", (run,)))

    def recover(
        self, read: Callable[[Path], GenreTag], /, *, tell: Callable[[Change], None] = _tell_nobody
    ) -> list[Change]:
        """Settle the entries that a crash left open, by looking at their files.

        A file that carries the intended genres was changed; one that does not was not. An entry
        whose file cannot be looked at now stays open, and so does one that may still be under way.

        Parameters
        ----------
        read : callable
            `TagStore.read_genres`.
        tell : callable
            Told of each change that had happened, inside the transaction that records it.

        Returns
        -------
        list of Change
            The entries that were open, as they are now.
        """
        found = self._select("state = 'intended' AND run_id != ? ORDER BY changes.id", (self.run,))
        return [self._settle(entry, read, tell) for entry in found]

    def _settle(
        self, entry: Change, read: Callable[[Path], GenreTag], tell: Callable[[Change], None]
    ) -> Change:
        settled = self._as_found(entry, read)
        with self._database.transaction():
            (known,) = self._select("changes.id = ?", (entry.id,))
            if known.state != "intended":  # its run is alive, and has settled it meanwhile
                return known
            if settled.state == "failed":
                self.failed(entry.id, settled.reason or "")
            elif change := settled.tag_change():
                self.done(entry.id, change)
                tell(settled)
        return settled

    def _as_found(self, entry: Change, read: Callable[[Path], GenreTag]) -> Change:
        unchanged = replace(entry, state="failed", reason="interrupted before the file was changed")
        if self._was_overtaken(entry):
            return unchanged
        try:
            tag = read(entry.path)
        except TrackError as exc:
            if exc.transient or exc.worker_ended or (exc.code == "gone" and _is_away(entry)):
                return entry
            return replace(unchanged, reason=f"interrupted, and then: {exc.problem}")
        changed = tag.genres != entry.genres_before or tag.version != entry.version_before
        if tag.genres == entry.genres_after and changed:
            return replace(entry, state="done", fields_after=tag.fields, version_after=tag.version)
        # Were it called failed, what its run does next could not be undone if that was killed right after it.
        return entry if abs(self._clock() - entry.at) < UNDER_WAY_SECONDS else unchanged

    def _was_overtaken(self, entry: Change) -> bool:
        """Return whether a later change found the file as this one did: a killed worker's, tried again."""
        query = "state = 'done' AND path = ? AND changes.id > ? ORDER BY changes.id LIMIT 1"
        later = self._select(query, (stored_path(entry.path), entry.id))
        before = (entry.version_before, entry.genres_before)
        return [(change.version_before, change.genres_before) for change in later] == [before]

    def forget(self, *, days: int) -> int:
        """Delete what happened more than so many days ago and return how many entries that were; 0 keeps all.

        What a later entry takes back stays as long as that one does.
        """
        if not days:
            return 0
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "DELETE FROM changes WHERE at < ? AND state != 'intended' AND id NOT IN"
                " (SELECT undoes FROM changes WHERE undoes IS NOT NULL)",
                (self._clock() - days * DAY_SECONDS,),
            )
            connection.execute("DELETE FROM runs WHERE id NOT IN (SELECT run_id FROM changes)")
        return cursor.rowcount

    def _select(self, where: str, values: tuple[object, ...]) -> list[Change]:
        # Conditions are written above, in this module; values are bound.
        query = f"SELECT changes.*, runs.command FROM changes JOIN runs ON runs.id = run_id WHERE {where}"  # noqa: S608
        found = [change_of(row) for row in self._database.rows(query, values)]
        return [replace(change, audio=None) for change in found] if self._any_audio else found


def _leaves_what(one: Change, other: Change) -> bool:
    """Return whether two changes leave a file with the same genres, and are of the same recording."""
    return one.genres_after == other.genres_after and one.same_audio(other)


def _is_away(entry: Change) -> bool:
    """Return whether the file of an entry is missing because what it lies on is."""
    return device_above(stored_path(entry.path)) != entry.version_before.device


def _names(path: Path) -> tuple[bytes, bytes]:
    """Return a path as it was named, and without the links in it: its track may be recorded under either."""
    return stored_path(path), os.path.realpath(os.fsencode(path))
