"""Events that action plugins have still to be told, kept until they are: through crashes and restarts.

A row waits, is told (handed to a plugin that confirms when it is idle), and is deleted once
delivered; one that was given up on is dead until somebody asks to try again. The path stands in
its own column, so that a moved track is followed by one statement.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from genretagd.delivery import Backlog, DeadLetter, Delivery
from genretagd.event_json import event_from_text, event_to_text
from genretagd.events import TrackEvent, TrackMoved, relocated
from genretagd.ledger.database import Database, storable
from genretagd.ledger.following import follow, version_at

MAX_ERROR_CHARACTERS: Final = 500

_INSERT: Final = """
INSERT OR IGNORE INTO outbox (key, action, kind, path, event, state, due_at)
VALUES (?, ?, ?, ?, ?, 'waiting', ?)
"""

# One event per track, the oldest first, keeps the order per track without holding up other tracks.
_DUE: Final = """
SELECT id, event, path, attempts FROM outbox AS row
WHERE action = ? AND state = 'waiting' AND due_at <= ?
  AND NOT EXISTS (
    SELECT 1 FROM outbox AS earlier
    WHERE earlier.path = row.path AND earlier.action = row.action
      AND earlier.state = 'waiting' AND earlier.id < row.id
  )
ORDER BY due_at, id LIMIT ?
"""


# A genre that was written is out of date once another one was told of, a track that was left alone or
# failed once anything was but a move. An older event that waits had been given up on a moment ago.
_OUTDATED: Final = """
DELETE FROM outbox
WHERE path = (SELECT path FROM outbox WHERE id = :id)
  AND action = (SELECT action FROM outbox WHERE id = :id)
  AND state IN ('waiting', 'dead') AND id < :id AND kind <> 'moved'
  AND (SELECT kind FROM outbox WHERE id = :id) <> 'moved'
  AND (kind <> 'tagged' OR (SELECT kind FROM outbox WHERE id = :id) = 'tagged')
"""


class Outbox:
    """The outbox of one ledger.

    Parameters
    ----------
    database : Database
        The ledger. Where events are added it must be durable; where they are only delivered it
        need not be, since what a power cut takes back is delivered twice, never lost.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: TrackEvent, /, *, actions: Collection[str], now: float) -> None:
        """Keep an event for each of the actions; one it already has is not added again.

        Raises
        ------
        LedgerError
            The ledger cannot be written.
        """
        if not actions:
            return
        text, path = event_to_text(event), os.fsencode(event.path)
        with self._database.transaction() as connection:
            connection.executemany(
                _INSERT, [(event.key, action, event.kind, path, text, now) for action in actions]
            )

    def due(self, action: str, /, *, now: float, limit: int) -> list[Delivery]:
        """Return events to deliver now, at most one per track: the oldest that waits."""
        rows = self._database.rows(_DUE, (action, now, limit))
        return [Delivery(row["id"], _event(row), row["attempts"]) for row in rows]

    def next_due(self, action: str, /, *, now: float) -> float | None:
        """Return when the next event that is not yet due will be, or None."""
        query = "SELECT MIN(due_at) FROM outbox WHERE action = ? AND state = 'waiting' AND due_at > ?"
        found = self._database.rows(query, (action, now))[0][0]
        return None if found is None else float(found)

    def told(self, ids: Sequence[int], /) -> int:
        """Mark events as handed to a plugin that has yet to confirm them when it is idle.

        Older events of their tracks that are out of date with that, because they had been given up
        on, are forgotten; returns their number.
        """
        with self._database.transaction() as connection:
            connection.executemany("UPDATE outbox SET state = 'told' WHERE id = ?", [(i,) for i in ids])
            return connection.executemany(_OUTDATED, [{"id": i} for i in ids]).rowcount

    def delivered(self, ids: Sequence[int], /) -> int:
        """Forget events that were delivered, and older ones as in `told`; returns the number of those."""
        with self._database.transaction() as connection:
            outdated = connection.executemany(_OUTDATED, [{"id": i} for i in ids]).rowcount
            self.unwanted(ids)
        return outdated

    def unwanted(self, ids: Sequence[int], /) -> None:
        """Forget events that the plugin is not to be told."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(i,) for i in ids])

    def confirmed(self, action: str, /) -> None:
        """Forget the events of an action that were marked as told."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE action = ? AND state = 'told'", (action,))

    def recover(self, action: str, /, *, latest: float) -> int:
        """Put told events back in line after a crash and return their number.

        A due time after `latest`, left by a clock that was wrong, becomes `latest`.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE outbox SET due_at = ? WHERE action = ? AND state = 'waiting' AND due_at > ?",
                (latest, action, latest),
            )
            query = "UPDATE outbox SET state = 'waiting' WHERE action = ? AND state = 'told'"
            return connection.execute(query, (action,)).rowcount

    def unconfirmed(
        self, action: str, /, *, error: str, due_at: float, max_attempts: int, permanent: bool
    ) -> None:
        """Record that confirming the told events failed: all are told again later, or given up on."""
        query = """
        UPDATE outbox SET attempts = attempts + 1, due_at = ?, last_error = ?,
            state = CASE WHEN ? OR attempts + 1 >= ? THEN 'dead' ELSE 'waiting' END
        WHERE action = ? AND state = 'told'
        """
        values = (due_at, storable(error[:MAX_ERROR_CHARACTERS]), permanent, max_attempts, action)
        with self._database.transaction() as connection:
            connection.execute(query, values)

    def failed(self, delivery: int, /, *, error: str, due_at: float | None) -> None:
        """Record a failed attempt: the event is due again at `due_at`, or never if None."""
        query = """
        UPDATE outbox SET attempts = attempts + 1, last_error = ?, due_at = coalesce(?, due_at),
            state = CASE WHEN ? THEN 'dead' ELSE 'waiting' END
        WHERE id = ?
        """
        values = (storable(error[:MAX_ERROR_CHARACTERS]), due_at, due_at is None, delivery)
        with self._database.transaction() as connection:
            connection.execute(query, values)

    def moved(self, delivery: int, event: TrackMoved, /, *, actions: Collection[str], now: float) -> None:
        """Let the ledger follow a moved track, and keep the event of the move.

        The delivery that led to the move counts as delivered in the same transaction: a crash
        leaves either none of this or all of it.
        """
        version = version_at(event.path)
        with self._database.transaction() as connection:
            self.delivered([delivery])
            follow(connection, event.moved_from, event.path, version)
            self.add(event, actions=actions, now=now)

    def backlog(self) -> Mapping[str, Backlog]:
        """Return how much every action has still to be told; an action with nothing is not in it."""
        query = """
        SELECT action, sum(state <> 'dead') AS waiting, sum(state = 'dead') AS dead,
            (SELECT last_error FROM outbox AS row WHERE row.action = outbox.action
                AND last_error IS NOT NULL ORDER BY id DESC LIMIT 1) AS last_error
        FROM outbox GROUP BY action
        """
        return {
            row["action"]: Backlog(row["waiting"], row["dead"], row["last_error"])
            for row in self._database.rows(query)
        }

    def dead_letters(self, action: str | None = None, /, *, limit: int = 1000) -> list[DeadLetter]:
        """Return events that were given up on, the oldest first; of one action, or of all."""
        query = "SELECT * FROM outbox WHERE state = 'dead' AND (? IS NULL OR action = ?) ORDER BY id LIMIT ?"
        return [
            DeadLetter(row["id"], row["action"], _event(row), row["attempts"], row["last_error"] or "")
            for row in self._database.rows(query, (action, action, limit))
        ]

    def retry(self, action: str, /, *, now: float) -> int:
        """Let all that an action is yet to be told be due, and return the number of events.

        Dead letters are put back in line, as if never tried.
        """
        query = """
        UPDATE outbox SET state = 'waiting', attempts = iif(state = 'dead', 0, attempts), due_at = ?
        WHERE state IN ('waiting', 'dead') AND action = ?
        """
        with self._database.transaction() as connection:
            return connection.execute(query, (now, action)).rowcount

    def forget(self, action: str, /) -> int:
        """Drop everything an action has still to be told, and return the number of events."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM outbox WHERE action = ?", (action,)).rowcount

    def changes(self) -> int:
        """Return a number that differs after another connection has written."""
        return int(self._database.rows("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Close the ledger's connection."""
        self._database.close()


def _event(row: sqlite3.Row) -> TrackEvent:
    event = relocated(event_from_text(row["event"]), Path(os.fsdecode(row["path"])))
    return cast("TrackEvent", event)
