from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mutagen.id3 import ID3, TIT2

from genretagd.config import Config
from genretagd.domain import Status, WriteOptions
from genretagd.errors import TimeLimitError
from genretagd.ledger.database import Database
from genretagd.ledger.journal import Change, Journal
from genretagd.policy import Policy
from genretagd.tagging.store import FileTagStore
from genretagd.undoing import plan, undo

DATA = Path(__file__).resolve().parent / "data" / "formats"
OPTIONS = WriteOptions()


@pytest.fixture
def store() -> FileTagStore:
    return FileTagStore()


@pytest.fixture
def tracks(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "music"
    folder.mkdir()
    names = ("mp3.mp3", "flac.flac", "aac.m4a")
    return [Path(shutil.copy(DATA / name, folder / name)) for name in names]


def tag(
    path: Path, genre: str, database: Database, store: FileTagStore, options: WriteOptions = OPTIONS
) -> Journal:
    journal = Journal(database, command="tag")
    found = store.read_genres(path)
    entry = journal.intend(path, found, [genre], model="m@1", confidence=0.9)
    journal.done(entry, store.write_genres(path, [genre], expected=found.version, options=options))
    return journal


def undo_all(
    selected: list[Change], database: Database, store: FileTagStore, *, dry_run: bool = False
) -> tuple[Journal, list[tuple[str, str | None]]]:
    journal = Journal(database, command="undo")
    policy = Policy.of(Config())
    outcomes = [
        undo(step, store, None if dry_run else journal, lambda _path: policy)
        for step in plan(journal, selected)
    ]
    return journal, [(str(o.status), o.code) for o in outcomes]


def test_an_undone_run_leaves_every_file_as_it_was(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    old = [path.read_bytes() for path in tracks]
    for path in tracks:
        tag(path, "Rock", database, store)
    selected = Journal(database, command="undo").changes()
    _, outcomes = undo_all(selected, database, store)
    assert outcomes == [("tagged", None)] * 3
    assert [path.read_bytes() for path in tracks] == old


def test_an_undo_can_be_undone(tracks: list[Path], database: Database, store: FileTagStore) -> None:
    journal = tag(tracks[0], "Rock", database, store)
    new = tracks[0].read_bytes()
    undoing, _ = undo_all(journal.changes(), database, store)
    assert tracks[0].read_bytes() != new
    undo_all(journal.changes(run=undoing.run), database, store)
    assert tracks[0].read_bytes() == new


def test_a_later_edit_by_somebody_else_wins(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    journal = tag(tracks[0], "Rock", database, store)
    found = store.read_genres(tracks[0])
    store.write_genres(tracks[0], ["Mine"], expected=found.version, options=OPTIONS)
    _, outcomes = undo_all(journal.changes(), database, store)
    assert outcomes == [("skipped", "changed since")]
    assert store.read_genres(tracks[0]).genres == ("Mine",)


def test_an_edit_of_other_tags_does_not_prevent_the_undo(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    journal = tag(tracks[0], "Rock", database, store)
    tags = ID3(tracks[0])
    tags.add(TIT2(encoding=3, text=["A new title"]))
    tags.save(tracks[0], v2_version=4)
    _, outcomes = undo_all(journal.changes(), database, store)
    assert outcomes == [("tagged", None)]
    assert store.read_genres(tracks[0]).genres == ()
    assert ID3(tracks[0])["TIT2"].text == ["A new title"]


def test_several_changes_of_a_track_are_taken_back_in_one_step(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    old = tracks[1].read_bytes()
    tag(tracks[1], "Rock", database, store)
    journal = tag(tracks[1], "Blues", database, store)
    _, outcomes = undo_all(journal.changes(), database, store)
    assert outcomes == [("tagged", None)]
    assert tracks[1].read_bytes() == old


def test_a_change_that_a_later_run_built_upon_is_left(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    first = tag(tracks[1], "Rock", database, store)
    tag(tracks[1], "Blues", database, store)
    _, outcomes = undo_all(first.changes(run=first.run), database, store)
    assert outcomes == [("skipped", "conflict")]
    assert store.read_genres(tracks[1]).genres == ("Blues",)


def test_a_change_is_not_undone_twice(tracks: list[Path], database: Database, store: FileTagStore) -> None:
    journal = tag(tracks[0], "Rock", database, store)
    selected = journal.changes()
    undo_all(selected, database, store)
    _, outcomes = undo_all(selected, database, store)
    assert outcomes == [("skipped", "conflict")]


def test_a_dry_run_changes_nothing(tracks: list[Path], database: Database, store: FileTagStore) -> None:
    journal = tag(tracks[0], "Rock", database, store)
    new = tracks[0].read_bytes()
    _, outcomes = undo_all(journal.changes(), database, store, dry_run=True)
    assert outcomes == [("would tag", None)]
    assert tracks[0].read_bytes() == new
    assert len(journal.history(tracks[0])) == 1


def test_time_stamps_that_were_kept_are_kept_by_undo_too(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    mtime = tracks[0].stat().st_mtime_ns
    journal = tag(tracks[0], "Rock", database, store, WriteOptions(mtime="keep"))
    undo_all(journal.changes(), database, store)
    assert tracks[0].stat().st_mtime_ns == mtime


def test_a_file_that_is_gone_is_reported(tracks: list[Path], database: Database, store: FileTagStore) -> None:
    journal = tag(tracks[0], "Rock", database, store)
    tracks[0].unlink()
    _, outcomes = undo_all(journal.changes(), database, store)
    assert outcomes == [("skipped", "gone")]


def test_an_undo_whose_worker_ended_stays_open_until_the_file_is_seen(
    tracks: list[Path], database: Database, store: FileTagStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagging = tag(tracks[0], "Rock", database, store)

    def end(path: Path, *_: object, **__: object) -> None:
        raise TimeLimitError(path, "took too long", code="time limit")

    monkeypatch.setattr(store, "restore_fields", end)
    undo_all(tagging.changes(), database, store)
    assert [change.state for change in tagging.history(tracks[0])] == ["done", "intended"]
    tagging.recover(store.read_genres)
    assert [change.state for change in tagging.history(tracks[0])] == ["done", "failed"]


def test_a_file_that_became_unreadable_fails_alone(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    for path in tracks:
        journal = tag(path, "Rock", database, store)
    tracks[0].write_bytes(b"no music any more")
    _, outcomes = undo_all(journal.changes(), database, store)
    assert outcomes == [(str(Status.FAILED), "unsupported"), ("tagged", None), ("tagged", None)]
