"""What became of which version of which file, under which bundle and policy: so that nothing is done twice.

A file is recognised by what it is (size and modification time, and under another path the inode), not by
when it was seen: our own write is known because the version it left behind was recorded.
"""

from __future__ import annotations

import functools
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from genretagd import __version__
from genretagd.domain import FileVersion, Outcome, Status
from genretagd.ledger.database import Database, storable
from genretagd.ledger.following import follow
from genretagd.ledger.presence import device_above, device_of, is_there
from genretagd.ledger.schema import span_below, stored_inode
from genretagd.settling import Look

MAX_ATTEMPTS: Final = 12
"""After so many attempts that failed for reasons that may heal a file is left until it changes."""

DEVICES_AT_ONCE: Final = 1000
"""Device numbers that a mount gave out anew are taken down so many at once."""

_UPSERT: Final = """
INSERT OR REPLACE INTO versions
    (path, device, inode, size, mtime_ns, bundle, policy, status, code, reason, attempts, at, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a file is judged by, besides itself: fingerprints of the model bundle and of the policy."""

    bundle: str
    policy: str

    @property
    def of_failure(self) -> Judgement:
        """What a failure is recorded under: another genretagd may read what this one could not."""
        return replace(self, bundle=f"{self.bundle} {__version__}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger holds about a path.

    Attributes
    ----------
    attempts : int
        Failed attempts that may heal by themselves; 0 for a final outcome.
    at : float
        When, in seconds since the epoch.
    changed_at : float or None
        See `Versions.record`.
    """

    path: str
    version: FileVersion
    judgement: Judgement
    status: Status
    code: str | None
    reason: str | None
    attempts: int
    at: float
    changed_at: float | None

    @property
    def final(self) -> bool:
        """Whether nothing more is to be done about this version."""
        return self.attempts == 0 or self.attempts >= MAX_ATTEMPTS

    def holds_for(self, version: FileVersion, changed_at: float | None) -> bool:
        """Whether this is about a file as it is now; of no file that is known is `changed_at` None."""
        same = (self.version.size, self.version.mtime_ns) == (version.size, version.mtime_ns)
        return same and (self.changed_at is None or changed_at in {None, self.changed_at})


class Versions:
    """The table of file versions.

    Parameters
    ----------
    database : Database
        The ledger.
    exists : callable
        Whether a path is still there; decides between a move and a further hard link.
    device_of : callable
        The device of a path, None where there is none.
    """

    def __init__(
        self,
        database: Database,
        *,
        exists: Callable[[bytes], bool] = is_there,
        device_of: Callable[[bytes], int | None] = device_of,
    ) -> None:
        self._database = database
        self._exists = exists
        self._device_of = device_of
        self._devices: list[tuple[int, bytes]] = []  # of paths whose device has another number now

    def find(self, path: str) -> Recorded | None:
        """Return what is recorded about a path, of whatever version."""
        rows = self._database.rows("SELECT * FROM versions WHERE path = ?", (os.fsencode(path),))
        return _recorded(rows[0]) if rows else None

    def done(
        self, path: str, version: FileVersion, judgement: Judgement, *, changed_at: float | None = None
    ) -> Recorded | None:
        """Return the record of this very version under this judgement, or None where there is none.

        `changed_at` (see `Look`) is compared where one was recorded. Device and inode are not compared for
        the same path: every mount gives out new device numbers, and sshfs and its like new inode numbers
        whenever the kernel has forgotten a file.
        A file that was dealt with under another path and is the same inode has the record of that. Where
        the old path is gone (a move), the whole ledger follows, so that what was done to the file can
        still be undone; where it is not (a further hard link), it keeps what it has.

        Raises
        ------
        LedgerError
            The ledger cannot be read or written.
        """
        found = self.find(path)
        if found is not None and found.holds_for(version, changed_at):
            return found if found.judgement in {judgement, judgement.of_failure} else None
        elsewhere = self._database.rows(
            "SELECT * FROM versions WHERE device = ? AND inode = ? AND size = ? AND mtime_ns = ?"
            " AND bundle IN (?, ?) AND policy = ?",
            (version.device, stored_inode(version.inode), version.size, version.mtime_ns,
             judgement.bundle, judgement.of_failure.bundle, judgement.policy),
        )  # fmt: skip
        for row in elsewhere:
            other = _recorded(row)
            if other.final and other.path != path and other.holds_for(version, changed_at):
                stays = self._exists(row["path"])  # may hang, which must not hold up the ledger
                with self._database.transaction(durable=False) as connection:  # of a whole library, perhaps
                    if stays:
                        connection.execute(_UPSERT, (os.fsencode(path), *tuple(row)[1:]))
                    else:
                        follow(connection, Path(other.path), Path(path), version)
                return other
        return None

    def open(
        self, files: Sequence[tuple[str, Look]], judgement: Judgement, *, but: str | None = None
    ) -> list[tuple[str, Look]]:
        """Return those of many files that `done` may have to be asked about; the others are finally done.

        One question for many files: what makes the start with a large library quick. Where the device has
        another number than before, the new one is taken down. What has the code `but` is not done.

        Raises
        ------
        LedgerError
            The ledger cannot be read or written.
        """
        bundles = (judgement.bundle, judgement.of_failure.bundle)
        finished: dict[bytes, tuple[int, int, int, float | None]] = {}
        for start in range(0, len(files), 250):
            paths = tuple(os.fsencode(path) for path, _ in files[start : start + 250])
            marks = ",".join("?" * len(paths))
            rows = self._database.rows(
                "SELECT path, device, size, mtime_ns, changed_at FROM versions"  # noqa: S608 - marks only
                " WHERE bundle IN (?, ?) AND policy = ?"
                f" AND (attempts = 0 OR attempts >= ?) AND code IS NOT ? AND path IN ({marks})",
                (*bundles, judgement.policy, MAX_ATTEMPTS, but or "", *paths),
            )
            finished.update((row[0], tuple(row)[1:]) for row in rows)
        still_open = []
        for path, look in files:
            version = look.version
            now = (version.size, version.mtime_ns)
            device, *recorded = finished.get(os.fsencode(path), (None,))
            if tuple(recorded) not in {(*now, None), (*now, look.changed_at)}:
                still_open.append((path, look))
            elif device != version.device:
                self._devices.append((version.device, os.fsencode(path)))
        if len(self._devices) >= DEVICES_AT_ONCE:
            self._renumber()
        return still_open

    def record(
        self,
        outcome: Outcome,
        version: FileVersion,
        judgement: Judgement,
        *,
        attempts: int,
        at: float,
        changed_at: float | None = None,
    ) -> None:
        """Take down what became of a file.

        Parameters
        ----------
        outcome : Outcome
            What became of it.
        version : FileVersion
            The file as it is now: after a write, what was written.
        judgement : Judgement
            What it was judged by.
        attempts : int
            Failed attempts so far where it may heal, 0 where the outcome is final.
        at : float
            Seconds since the epoch.
        changed_at : float or None
            `Look.changed_at`, where what became of the file depends on its mode, owner or names: it is
            opened again when that changes.

        Raises
        ------
        LedgerError
            The ledger cannot be written.
        """
        reason = None if outcome.reason is None else storable(outcome.reason)
        if outcome.status is Status.FAILED:
            judgement = judgement.of_failure
        row = (
            os.fsencode(outcome.path),
            version.device, stored_inode(version.inode), version.size, version.mtime_ns,
            judgement.bundle, judgement.policy, str(outcome.status), outcome.code, reason,
            attempts, at, changed_at,
        )  # fmt: skip
        with self._database.transaction() as connection:
            connection.execute(_UPSERT, row)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make what is written to the ledger inside one transaction.

        Raises
        ------
        LedgerError
            The ledger cannot be written.
        """
        with self._database.transaction():
            yield

    def counts(self) -> Counter[str]:
        """Return how many files there are of each status."""
        rows = self._database.rows("SELECT status, count(*) AS n FROM versions GROUP BY status")
        return Counter({row["status"]: row["n"] for row in rows})

    def failures(self) -> Counter[str]:
        """Return how many files failed or were skipped for each code."""
        rows = self._database.rows(
            "SELECT code, count(*) AS n FROM versions WHERE status IN ('failed', 'skipped') GROUP BY code"
        )
        return Counter({row["code"] or "other": row["n"] for row in rows})

    def forget_missing(self, root: str, *, older_than: float) -> int:
        """Delete the records of files below a root that are gone and old; return how many.

        A file is gone where the nearest directory above it that is there lies on the device the
        file was on. Else it is a share that is missing (its mount point shows another device), and
        the records stay.

        Parameters
        ----------
        root : str
            Directory.
        older_than : float
            Seconds since the epoch; younger records stay, since a file may come back.
        """
        self._renumber()
        known = functools.cache(self._device_of)
        missing = [
            path
            for path, device, at in self._below(root)
            if at < older_than and not self._exists(path) and device_above(path, device_of=known) == device
        ]
        for start in range(0, len(missing), 500):
            with self._database.transaction() as connection:
                connection.executemany(
                    "DELETE FROM versions WHERE path = ?", [(path,) for path in missing[start : start + 500]]
                )
        return len(missing)

    def _renumber(self) -> None:
        with self._database.transaction() as connection:
            devices, self._devices = self._devices, []
            connection.executemany("UPDATE versions SET device = ? WHERE path = ?", devices)

    def _below(self, root: str) -> Iterator[tuple[bytes, int, float]]:
        after, end = span_below(os.fsencode(root))
        while True:
            rows = self._database.rows(
                "SELECT path, device, at FROM versions WHERE path > ? AND path < ? ORDER BY path LIMIT 1000",
                (after, end),
            )
            yield from ((row["path"], row["device"], row["at"]) for row in rows)
            if len(rows) < 1000:
                return
            after = rows[-1]["path"]


def _recorded(row: sqlite3.Row) -> Recorded:
    return Recorded(
        path=os.fsdecode(row["path"]),
        version=FileVersion(row["device"], row["inode"] % (1 << 64), row["size"], row["mtime_ns"]),
        judgement=Judgement(row["bundle"], row["policy"]),
        status=Status(row["status"]),
        code=row["code"],
        reason=row["reason"],
        attempts=row["attempts"],
        at=row["at"],
        changed_at=row["changed_at"],
    )
