from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from genretagd.errors import LedgerError
from genretagd.ledger.database import Database
from genretagd.ledger.journal import Journal
from genretagd.ledger.schema import MIGRATIONS


@pytest.fixture
def database(database: Database) -> Database:
    with database.transaction() as connection:
        connection.execute("CREATE TABLE parts (id INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE wholes (part INTEGER REFERENCES parts (id) DEFERRABLE INITIALLY DEFERRED)"
        )
    return database


def seen_by_others(database: Database) -> list[int]:
    other = Database(database.path, read_only=True)
    found = [row["id"] for row in other.rows("SELECT id FROM parts ORDER BY id")]
    other.close()
    return found


def test_what_one_transaction_holds_is_kept_as_a_whole_or_not_at_all(database: Database) -> None:
    def break_off() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO parts VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    with database.transaction(), database.transaction() as connection:
        connection.execute("INSERT INTO parts VALUES (2)")
        assert seen_by_others(database) == []
    assert seen_by_others(database) == [2]


def test_after_a_commit_that_fails_the_next_transaction_is_one_of_its_own(database: Database) -> None:
    with pytest.raises(LedgerError, match="FOREIGN KEY"), database.transaction() as connection:
        connection.execute("INSERT INTO wholes VALUES (99)")  # checked when it is committed
    with database.transaction() as connection:
        connection.execute("INSERT INTO parts VALUES (1)")
    assert seen_by_others(database) == [1]


def test_a_full_disk_is_explained_and_leaves_nothing_half_done(database: Database) -> None:
    (full,) = database.rows("PRAGMA page_count")
    database.rows(f"PRAGMA max_page_count = {full[0]}")

    def fill() -> None:
        with database.transaction() as connection:
            connection.executemany("INSERT INTO parts VALUES (?)", ((i,) for i in range(10_000)))

    with pytest.raises(LedgerError, match="no room to write the ledger"):
        fill()
    with database.transaction() as connection:
        connection.execute("INSERT INTO parts VALUES (1)")
    assert seen_by_others(database) == [1]


def test_a_disk_that_fails_is_explained(database: Database) -> None:
    with pytest.raises(LedgerError, match="check that its disk has room"), database.transaction():
        raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("version", [0, 1, 3, 99])
@pytest.mark.parametrize("read_only", [True, False])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, version: int, read_only: bool) -> None:
    path = tmp_path / "library.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE items (path BLOB)")
        other.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"library\.db: is the database of another program"):
        Database(path, read_only=read_only)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["library.db"]


def test_a_ledger_of_a_newer_genretagd_is_left_alone(tmp_path: Path) -> None:
    Database(tmp_path / "ledger").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger")) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="ledger of a newer genretagd"):
        Database(tmp_path / "ledger")


@pytest.mark.parametrize("schema", range(1, len(MIGRATIONS)))
def test_a_ledger_of_an_older_genretagd_is_brought_up_to_date_by_who_writes(
    schema: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite3"
    version = '{"device": 1, "inode": 2, "size": 3, "mtime_ns": 4}'
    with monkeypatch.context() as older:
        older.setattr("genretagd.ledger.database.MIGRATIONS", MIGRATIONS[:schema])
        database = Database(path)
        with database.transaction() as connection:
            connection.execute("INSERT INTO runs VALUES ('one', 'tag', 1.0, 'm@1')")
            connection.execute(
                "INSERT INTO changes (run_id, path, state, at, genres_before, genres_after, fields_before,"
                " fields_after, version_before, version_after, model, confidence)"
                " VALUES ('one', x'2f61', 'done', 1.0, '[]', '[\"Rock\"]', '{}', '{}', ?, ?, 'm@1', 0.5)",
                (version, version),
            )
        database.close()
    with pytest.raises(LedgerError, match="of an older genretagd"):
        Database(path, read_only=True)
    Database(path).close()
    with contextlib.closing(Database(path, read_only=True)) as database:
        (change,) = Journal(database, command="history").changes()
    assert (change.path, change.genres_after, change.audio) == (Path("/a"), ("Rock",), None)


def test_closing_does_not_wait_for_another_program_that_holds_the_ledger(database: Database) -> None:
    began = threading.Event()

    def write() -> None:
        began.set()
        with database.transaction():
            pass

    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(3) as threads:
            waiting = [threads.submit(write) for _ in range(3)]
            began.wait()
            started = time.monotonic()
            database.close()
            for one in waiting:
                with pytest.raises(LedgerError):
                    one.result()
        assert time.monotonic() - started < 5


def test_another_program_that_holds_the_ledger_is_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(
        sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        letting_go = threading.Timer(0.5, other.execute, ("ROLLBACK",))
        letting_go.start()
        with database.transaction() as connection:
            connection.execute("INSERT INTO parts VALUES (1)")
        letting_go.join()
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("genretagd.ledger.database.BUSY_SECONDS", 0.0)
        with pytest.raises(LedgerError, match="another program holds the ledger"), database.transaction():
            pass


@pytest.mark.parametrize("after", ["moved", "deleted", "replaced"])
def test_nothing_is_written_to_a_ledger_that_is_not_where_it_was(database: Database, after: str) -> None:
    if after == "deleted":
        database.path.unlink()
    else:
        database.path.rename(database.path.with_name("moved"))
    if after == "replaced":
        database.path.touch()
    with (
        pytest.raises(LedgerError, match="was moved, deleted or replaced while in use"),
        database.transaction(),
    ):
        pass


def test_a_directory_that_cannot_be_made_is_told_whatever_it_is_called(tmp_path: Path) -> None:
    in_the_way = tmp_path / "full, locked and malformed"
    in_the_way.touch()
    path = in_the_way / "state" / "ledger.sqlite3"
    with pytest.raises(LedgerError) as told:
        Database(path)
    what = f"cannot make its directory ({in_the_way / 'state'}: Not a directory)"
    assert str(told.value) == f"{path}: {what}, name another place for the ledger (--ledger)"


def test_ledgers_are_made_side_by_side_without_a_quarrel(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for made in threads.map(lambda _: Database(tmp_path / "ledger"), range(24)):
            assert made.rows("SELECT count(*) AS n FROM runs")[0]["n"] == 0
            made.close()
