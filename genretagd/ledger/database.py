"""The ledger's SQLite database: opened once, durable at every commit, clear when it is not well."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from genretagd.errors import LedgerError
from genretagd.ledger.schema import MIGRATIONS

BUSY_SECONDS: Final = 10.0
"""Another program may hold the ledger so long."""

CLOSING_SECONDS: Final = 0.2
"""Who waits for another program notices within this that the ledger is being closed."""

OUR_TABLES: Final = frozenset({"runs", "changes"})
"""Every ledger has had these; other programs number their schemas, too."""


class Database:
    """One connection to the ledger, shared by the threads of a process.

    Write-ahead logging lets other processes (``genretagd status``, ``history``) read meanwhile;
    ``synchronous = FULL`` makes a commit survive a power cut, which the journal relies on.

    Parameters
    ----------
    path : Path
        The database file; its directory is made where it is missing.
    read_only : bool
        Open without ever writing; the file must exist.
    durable : bool
        False lets a power cut (never a crash) undo the last commits of this connection: for what
        may safely be done twice.

    Raises
    ------
    LedgerError
        The file cannot be opened, is damaged, is locked by another program, was written by a newer
        genretagd, or is no ledger at all.
    """

    def __init__(self, path: Path, *, read_only: bool = False, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._waits: bool | None = None
        self._lock = threading.RLock()
        self._closing = False
        if not read_only:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                what = f"cannot make its directory ({exc.filename}: {exc.strerror})"
                raise LedgerError(f"{path}: {what}, name another place for the ledger (--ledger)") from exc
        with self._explained():
            if read_only:
                uri = f"{path.absolute().as_uri()}?mode=ro"
                self._connection = sqlite3.connect(
                    uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
            else:
                self._connection = sqlite3.connect(
                    path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
        try:
            with self._explained():
                self._connection.row_factory = sqlite3.Row
                self._opened = path.stat()
                self._prepare(read_only=read_only)
                if not read_only:
                    self._connection.execute(f"PRAGMA busy_timeout = {CLOSING_SECONDS * 1000:.0f}")
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, *, read_only: bool) -> None:
        version = self._version_of_ours()
        if version > len(MIGRATIONS):
            raise LedgerError(
                f"{self.path}: ledger of a newer genretagd (schema {version}, this one knows "
                f"{len(MIGRATIONS)}), update genretagd or name another ledger"
            )
        if read_only:
            if version < len(MIGRATIONS):
                what = "of an older genretagd, whatever writes to it next brings it up to date"
                raise LedgerError(
                    f"{self.path}: {'a ledger ' + what if version else 'not a genretagd ledger'}"
                )
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            with self.transaction():
                current = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
                if current >= number:  # another process migrated while this one waited
                    continue
                for statement in statements:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number}")

    def _version_of_ours(self) -> int:
        """Return the version of the schema, 0 for an empty file; nothing is written yet.

        Raises
        ------
        LedgerError
            It is the database of another program.
        """
        self._connection.execute("BEGIN")  # else another process could make the tables between two looks
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        tables = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")}
        self._connection.execute("COMMIT")
        if tables if version == 0 else not tables >= OUR_TABLES:
            raise LedgerError(f"{self.path}: is the database of another program, name another file")
        return version

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Hold a write transaction: committed at the end, rolled back on an exception.

        Transactions of one thread nest: the outermost commits.

        Parameters
        ----------
        durable : bool
            False does not wait for the disk, see `Database`; inside another transaction that one decides.

        Raises
        ------
        LedgerError
            SQLite reports a problem (full disk, damage, lock held too long), or the file that was opened
            is not there any more: what is written to it would be lost.
        """
        with self._lock, self._explained():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._check_file()
            self._wait_for_disk(waits=durable and self._durable)
            self._execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # else SQLite has rolled it back by itself
                    self._connection.execute("ROLLBACK")
                raise

    def _check_file(self) -> None:
        try:
            if os.path.samestat(self._opened, self.path.stat()):
                return
        except FileNotFoundError:
            pass
        raise LedgerError(
            f"{self.path}: was moved, deleted or replaced while in use, nothing is tagged until "
            "genretagd is started again"
        )

    def _wait_for_disk(self, *, waits: bool) -> None:
        if waits is not self._waits:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if waits else 'NORMAL'}")
            self._waits = waits

    def _execute(self, statement: str, parameters: tuple[object, ...] = ()) -> sqlite3.Cursor:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._connection.execute(statement, parameters)
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc) or self._closing or time.monotonic() >= deadline:
                    raise

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of a reading query."""
        with self._lock, self._explained():
            return list(self._execute(query, parameters))

    def close(self) -> None:
        """Close the connection; safe to call twice. Who waits for another program is told at once."""
        self._closing = True
        with self._lock:
            self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            raise LedgerError(f"{self.path}: {_explanation(exc)}") from exc


def storable(text: str) -> str:
    """Return a text without lone surrogates, which SQLite does not take: error messages quote file names."""
    return text.encode("utf-8", "replace").decode()


def _explanation(exc: Exception) -> str:
    text = str(exc)
    if "malformed" in text or "not a database" in text:
        return f"the ledger is damaged ({text}), move it away to start a new one"
    if "locked" in text:
        return f"another program holds the ledger ({text}), try again when it has finished"
    if "full" in text:
        return f"no room to write the ledger ({text}), nothing is tagged until there is"
    if "I/O" in text:  # also of a disk without room for the index of the write-ahead log
        return f"the ledger cannot be read or written ({text}), check that its disk has room and is well"
    if "unable to open" in text or "readonly" in text:
        return f"cannot open the ledger ({text}), check that it exists and its permissions"
    return f"the ledger failed ({text})"
