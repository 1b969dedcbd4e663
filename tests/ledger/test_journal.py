from __future__ import annotations

import os
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from genretagd.domain import FileVersion, GenreTag, TagChange
from genretagd.errors import LedgerError, TagError, TimeLimitError
from genretagd.ledger.change import Change
from genretagd.ledger.database import Database
from genretagd.ledger.journal import UNDER_WAY_SECONDS, Journal

TRACK = Path("/music/track.mp3")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(database: Database, clock: Clock) -> Journal:
    return Journal(database, command="tag", clock=clock)


def a_tag(*genres: str, mtime: int = 1) -> GenreTag:
    fields = {"TCON": genres} if genres else {}
    return GenreTag(genres, fields, "ID3v2.4", FileVersion(1, 2, 3, mtime))


def unread(_path: Path) -> str:
    raise AssertionError("the audio of a change that is recorded without is compared with nothing")


def write(
    journal: Journal,
    *after: str,
    before: GenreTag | None = None,
    path: Path = TRACK,
    undoes: int | None = None,
) -> int:
    old = before or a_tag()
    entry = journal.intend(path, old, after, model="m@1", confidence=0.5, undoes=undoes)
    new = a_tag(*after, mtime=old.version.mtime_ns + 1)
    journal.done(entry, TagChange(path, old.genres, after, old.fields, new.fields, old.version, new.version))
    return entry


def test_an_entry_tells_the_whole_story(journal: Journal) -> None:
    entry = write(journal, "Rock", "Pop", before=a_tag("Zouk", mtime=7))
    (found,) = journal.history(TRACK)
    assert (found.id, found.state, found.path, found.model, found.confidence) == (
        entry,
        "done",
        TRACK,
        "m@1",
        0.5,
    )
    assert (found.genres_before, found.genres_after) == (("Zouk",), ("Rock", "Pop"))
    assert found.fields_before == {"TCON": ("Zouk",)}
    assert found.version_before == FileVersion(1, 2, 3, 7)
    assert found.run == journal.run
    assert found.command == "tag"


def test_an_intention_is_durable_before_the_change(journal: Journal, database: Database) -> None:
    journal.intend(TRACK, a_tag(), ["Rock"], model="m@1", confidence=0.5)
    other = Database(database.path, read_only=True)
    (found,) = Journal(other, command="history").history(TRACK)
    other.close()
    assert found.state == "intended"


def test_a_failed_change_can_neither_be_undone_nor_be_ours(journal: Journal) -> None:
    entry = journal.intend(TRACK, a_tag(), ["Rock"], model="m@1", confidence=0.5)
    journal.failed(entry, "no space")
    assert journal.changes() == []
    assert not journal.wrote(TRACK, a_tag("Rock"), unread)
    assert journal.history(TRACK)[0].reason == "no space"


def test_a_reason_that_quotes_a_name_which_is_not_text_is_kept(journal: Journal) -> None:
    entry = journal.intend(TRACK, a_tag(), ["Rock"], model="m@1", confidence=0.5)
    journal.failed(entry, f"{os.fsdecode(b'caf' + bytes([0xE9]))}: no space")
    assert journal.history(TRACK)[0].reason == "caf?: no space"


def test_what_we_wrote_is_known_until_somebody_changes_it(journal: Journal) -> None:
    write(journal, "Rock")
    assert journal.wrote(TRACK, a_tag("Rock", mtime=99), unread)
    assert journal.wrote(TRACK, a_tag("Blues"), unread) is False
    assert journal.wrote(Path("/music/other.mp3"), a_tag("Rock"), unread) is None


def test_what_an_undo_brought_back_is_not_ours_but_an_undone_undo_is(journal: Journal) -> None:
    first = write(journal, "Rock", before=a_tag("Zouk"))
    undo = write(journal, "Zouk", before=a_tag("Rock"), undoes=first)
    assert not journal.wrote(TRACK, a_tag("Zouk"), unread)
    write(journal, "Rock", before=a_tag("Zouk"), undoes=undo)
    assert journal.wrote(TRACK, a_tag("Rock"), unread)


def test_what_an_undo_left_is_known_until_somebody_changes_it_or_the_undo_is_undone(journal: Journal) -> None:
    first = write(journal, "Rock", before=a_tag("Zouk"))
    assert not journal.undone(TRACK, a_tag("Rock"), unread)
    undo = journal.intend(TRACK, a_tag("Rock"), ["Zouk"], model="m@1", confidence=0.5, undoes=first)
    assert journal.undone(TRACK, a_tag("Zouk"), unread)  # the file may be seen before the entry is closed
    journal.failed(undo, "no space")
    assert not journal.undone(TRACK, a_tag("Zouk"), unread)
    undo = write(journal, "Zouk", before=a_tag("Rock"), undoes=first)
    assert journal.undone(TRACK, a_tag("Zouk"), unread)
    assert not journal.undone(TRACK, a_tag(), unread)
    brought_back = write(journal, "Rock", before=a_tag("Zouk"), undoes=undo)
    assert not journal.undone(TRACK, a_tag("Rock"), unread)
    write(journal, "Zouk", before=a_tag("Rock"), undoes=brought_back)
    assert journal.undone(TRACK, a_tag("Zouk"), unread)


def test_a_genre_that_somebody_put_in_place_of_ours_is_not_ours_when_an_undo_brings_it_back(
    journal: Journal,
) -> None:
    write(journal, "Rock", before=a_tag())
    second = write(journal, "Pop", before=a_tag("Zouk"))  # somebody wrote Zouk in between
    write(journal, "Zouk", before=a_tag("Pop"), undoes=second)
    assert not journal.wrote(TRACK, a_tag("Zouk"), unread)


def test_a_relative_path_is_the_same_as_its_absolute_one(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(journal, "Rock", path=Path("a/../track.mp3"))
    assert len(journal.history(tmp_path / "track.mp3")) == 1


def test_a_path_with_links_is_the_same_as_the_one_without_where_it_is_asked_about(
    journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "album", target_is_directory=True)
    entries = [write(journal, "Rock", path=tmp_path / name / "track.mp3") for name in ("album", "link")]
    assert [c.id for c in journal.history(tmp_path / "link" / "track.mp3")] == entries
    assert [c.id for c in journal.changes(below=[tmp_path / "link"])] == entries
    assert [c.id for c in journal.changes(below=[tmp_path / "album"])] == entries[:1]


def test_a_name_that_is_not_text_makes_the_round_trip(journal: Journal) -> None:
    path = Path(os.fsdecode(b"/music/caf\xe9.mp3"))
    write(journal, "Rock", path=path)
    assert journal.changes()[0].path == path


def test_changes_are_found_by_run_by_time_and_by_place(
    journal: Journal, database: Database, clock: Clock
) -> None:
    write(journal, "Rock", path=Path("/music/a/1.mp3"))
    since = clock()
    later = Journal(database, command="tag", clock=clock)
    write(later, "Pop", path=Path("/music/ab/2.mp3"))
    assert [c.path.name for c in journal.changes(run=journal.run)] == ["1.mp3"]
    assert [c.path.name for c in journal.changes(since=since)] == ["2.mp3"]
    assert [c.path.name for c in journal.changes(below=[Path("/music/a")])] == ["1.mp3"]
    assert len(journal.changes(below=[Path("/")])) == 2
    assert journal.last_run() == later.run
    assert later.last_run() == journal.run


def test_changes_of_a_place_are_found_without_reading_those_of_others(
    journal: Journal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "a!/1", "a/1", "a/2/3", "a0", "b/1"):
        write(journal, "Rock", path=Path("/music", name))
    numbers: list[int] = []
    read = database.rows

    def rows(query: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        found = read(query, parameters)
        numbers.append(len(found))
        return found

    monkeypatch.setattr(database, "rows", rows)
    found = journal.changes(run=journal.run, below=[Path("/music/a/2"), Path("/music/a"), Path("/music/c")])
    assert [change.path.name for change in found] == ["a", "1", "3"]
    assert sorted(numbers) == [0, 1, 3]


def opened_in_a_run_that_crashed(journal: Journal, path: Path, before: GenreTag) -> None:
    journal.intend(path, before, ["Rock"], model="m@1", confidence=0.5)


def test_after_a_crash_the_files_tell_what_happened(
    journal: Journal, database: Database, tmp_path: Path
) -> None:
    here, elsewhere = tmp_path.stat().st_dev, tmp_path.stat().st_dev + 1
    ends = {
        "new": "done",
        "old": "failed",
        "damaged": "failed",
        "busy": "intended",
        "slow": "intended",
        "gone": "failed",
        "unmounted": "intended",
    }
    for name in ends:
        version = FileVersion(elsewhere if name == "unmounted" else here, 2, 3, 1)
        opened_in_a_run_that_crashed(journal, tmp_path / "album" / name, GenreTag((), {}, "ID3v2.4", version))

    def read(path: Path) -> GenreTag:
        if path.name == "slow":
            raise TimeLimitError(path, "took too long", code="time limit")
        if path.name not in {"new", "old"}:
            code = "corrupt" if path.name == "damaged" else "in use" if path.name == "busy" else "gone"
            raise TagError(path, "cannot be read", code=code, transient=path.name == "busy")
        version = FileVersion(here, 2, 3, 2 if path.name == "new" else 1)
        return GenreTag(("Rock",) if path.name == "new" else (), {}, "ID3v2.4", version)

    restarted = Journal(database, command="tag")
    found = restarted.recover(read)
    assert {change.path.name: change.state for change in found} == ends
    assert found == [restarted.history(tmp_path / "album" / name)[0] for name in ends]
    assert restarted.wrote(tmp_path / "album" / "new", a_tag("Rock"), unread)


def test_a_change_that_kept_size_and_time_is_known_by_its_genres_after_a_crash(
    journal: Journal, database: Database
) -> None:
    opened_in_a_run_that_crashed(journal, TRACK, a_tag("Zouk"))
    (found,) = Journal(database, command="tag").recover(lambda _: a_tag("Rock"))  # the very same version
    assert found.state == "done"


def test_a_change_that_was_tried_again_after_its_worker_was_killed_happened_once(
    journal: Journal, database: Database
) -> None:
    opened_in_a_run_that_crashed(journal, TRACK, a_tag())
    opened_in_a_run_that_crashed(journal, TRACK, a_tag())
    write(journal, "Rock")
    found = Journal(database, command="tag").recover(lambda _: a_tag("Rock", mtime=2))
    assert [change.state for change in found] == ["failed", "failed"]
    assert len(journal.changes()) == 1


def test_a_change_that_had_happened_is_told_in_the_transaction_that_records_it(
    journal: Journal, database: Database
) -> None:
    for name in ("1.mp3", "2.mp3"):
        opened_in_a_run_that_crashed(journal, Path("/music", name), a_tag())
    restarted = Journal(database, command="tag")
    told: list[str] = []

    def tell(change: Change) -> None:
        told.append(change.path.name)
        raise LedgerError("no room")

    with pytest.raises(LedgerError):
        restarted.recover(lambda _: a_tag("Rock", mtime=2), tell=tell)
    assert told == ["1.mp3"]
    assert restarted.changes() == []
    restarted.recover(lambda _: a_tag("Rock", mtime=2), tell=lambda change: told.append(change.path.name))
    assert told == ["1.mp3", "1.mp3", "2.mp3"]
    assert len(restarted.changes()) == 2


@pytest.mark.parametrize("seen", [a_tag(), a_tag("Rock", mtime=2)], ids=["before", "after"])
def test_a_run_that_is_alive_has_the_last_word_on_its_entry(
    seen: GenreTag, journal: Journal, database: Database
) -> None:
    new = a_tag("Rock", mtime=2)
    entry = journal.intend(TRACK, a_tag(), new.genres, model="m@1", confidence=0.5)

    def read(_: Path) -> GenreTag:
        change = TagChange(TRACK, (), new.genres, {}, new.fields, a_tag().version, new.version)
        journal.done(entry, change)
        return seen

    told: list[Change] = []
    (found,) = Journal(database, command="tag").recover(read, tell=told.append)
    assert (found.state, found) == ("done", journal.history(TRACK)[0])
    assert told == []


@pytest.mark.parametrize(
    ("later", "state"),
    [
        (0, "intended"),
        (-60, "intended"),
        (UNDER_WAY_SECONDS, "failed"),
        (-2 * UNDER_WAY_SECONDS, "failed"),
    ],
    ids=["at once", "clock set back a little", "an hour later", "clock set back a lot"],
)
def test_what_a_run_that_is_killed_afterwards_writes_can_be_undone(
    later: float, state: str, journal: Journal, database: Database, clock: Clock
) -> None:
    journal.intend(TRACK, a_tag(), ["Rock"], model="m@1", confidence=0.5)
    clock.now += later
    (found,) = Journal(database, command="undo", clock=clock).recover(lambda _: a_tag())
    assert found.state == state
    Journal(database, command="undo", clock=clock).recover(lambda _: a_tag("Rock", mtime=2))
    assert len(journal.changes()) == (state == "intended")


def test_a_run_does_not_recover_its_own_open_entries(journal: Journal) -> None:
    journal.intend(TRACK, a_tag(), ["Rock"], model="m@1", confidence=0.5)
    assert journal.recover(lambda _: a_tag()) == []


def test_what_is_older_than_the_retention_is_forgotten(journal: Journal, clock: Clock) -> None:
    undone = write(journal, "Rock", path=Path("/undone"))
    write(journal, "Rock", path=Path("/old"))
    journal.intend(Path("/open"), a_tag(), ["Rock"], model="m@1", confidence=0.5)
    clock.now += 10 * 86_400
    write(journal, path=Path("/undone"), before=a_tag("Rock"), undoes=undone)
    assert journal.forget(days=0) == 0
    assert journal.forget(days=10) == 1
    assert journal.history(Path("/old")) == []
    assert len(journal.history(Path("/undone"))) == 2
    assert len(journal.history(Path("/open"))) == 1


def test_forgetting_twice_as_much_takes_twice_the_work(
    journal: Journal, database: Database, clock: Clock
) -> None:
    steps: list[int] = []
    for count in (500, 1000):
        with database.transaction() as connection:
            for number in range(count):
                write(journal, "Rock", path=Path(f"/music/{number}"))
            connection.set_progress_handler(partial(steps.append, count), 10)
            clock.now += 2 * 86_400
            assert journal.forget(days=1) == count
            connection.set_progress_handler(None, 0)
    assert steps.count(1000) < 3 * steps.count(500)


def test_the_number_of_an_entry_that_was_forgotten_does_not_come_again(
    journal: Journal, clock: Clock
) -> None:
    entry = write(journal, "Rock")
    clock.now += 2 * 86_400
    assert journal.forget(days=1) == 1
    assert write(journal, "Rock") == entry + 1
