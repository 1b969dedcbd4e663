from __future__ import annotations

import pytest

from genretagd.errors import LedgerError
from genretagd.ledger.database import Database


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
