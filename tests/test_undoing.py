from __future__ import annotations

import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TCON, TIT2
from tag_streams import apev2, bare_mp3, genre_frame, id3_tag

from genretagd.config import Config
from genretagd.config.schema import TagsConfig
from genretagd.domain import Outcome, Status, WriteOptions
from genretagd.errors import TimeLimitError
from genretagd.events import TrackTagged, event_of
from genretagd.ledger.change import Change
from genretagd.ledger.database import Database
from genretagd.ledger.journal import UNDER_WAY_SECONDS, Journal
from genretagd.policy import Policy
from genretagd.tagging.store import FileTagStore
from genretagd.undoing import plan, undo

DATA = Path(__file__).resolve().parent / "data" / "formats"
OPTIONS = WriteOptions()
AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


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


def test_an_undo_that_brings_a_version_back_is_another_event(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    in_place = Policy.of(replace(Config(), tags=TagsConfig(mtime="keep", hardlinks="in-place")))
    (tracks[1].parent / "second name").hardlink_to(tracks[1])
    journal = tag(tracks[1], "Rock", database, store, in_place.write)
    told: list[Outcome] = []
    for _ in range(3):  # back, and back again, and back once more
        (step,) = plan(journal, journal.changes()[-1:])
        undo(step, store, journal, lambda _path: in_place, tell=told.append)
    events = [event_of(outcome, at=AT, undo=True) for outcome in told]
    assert told[0].change is not None
    assert told[2].change is not None
    assert told[0].change.version_after == told[2].change.version_after
    assert [event.after for event in events if isinstance(event, TrackTagged)] == [(), ("Rock",), ()]
    assert len({event.key for event in events if event}) == 3


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


@pytest.mark.parametrize(
    ("story", "end"),
    [
        ("+Rock +Blues -1", ("Blues", "conflict")),
        ("+Rock +Blues -2 -1", (None, None)),
        ("+Rock +Blues -2 -1 -2", (None, "conflict")),
        ("+Rock -1 -1", (None, "conflict")),
        ("+Rock -1 +Blues -1", ("Blues", "conflict")),
        ("+Rock -1 -2 -1", (None, None)),
        ("+Rock -1 -2 -3", (None, None)),
        ("+Rock +Blues -2 -3 -4 -1", (None, None)),
        ("+Rock +Blues -2 -1 -4 -1", (None, None)),
        ("+Rock +Blues -2 -1 -4 -2", ("Rock", "conflict")),
        ("+Rock +Blues -2 -1 -4 -3", ("Blues", None)),
        ("+Rock =Folk -1", ("Folk", "changed since")),
        ("+Rock =Folk +Blues -2 -1", ("Folk", "conflict")),
        ("+Rock =Folk +Blues -2 =Rock -1", ("Rock", "conflict")),
        ("+Rock =Folk +Blues -1,2", ("Folk", None)),
        ("+Rock =Folk +Blues -1,2 =Rock +Jazz -1,2,3,4", ("Rock", None)),
        ("+Rock +Blues -2 +Jazz -1,2,3,4", (None, None)),
        ("+Rock +Blues -2 +Jazz -1,2,4", (None, None)),
        ("+Rock +Blues -2 -1,2", (None, None)),
        ("+Rock -1 -1,2", (None, "same genre")),
        ("+Rock +Blues +Jazz -1,3", ("Blues", None)),
        ("+Rock +Blues +Jazz -1,3 -2 -1,3", (None, None)),
    ],
)
def test_what_an_undo_of_runs_leaves_is_what_was_there_before_them(
    story: str,
    end: tuple[str | None, str | None],
    tracks: list[Path],
    database: Database,
    store: FileTagStore,
) -> None:
    """+ is a run that tags, = somebody else, and - undoes runs by their numbers, as a run of its own."""
    path, code = tracks[1], None
    runs: list[str] = []
    for word in story.split():
        kind, what = word[0], word[1:]
        if kind == "+":
            runs.append(tag(path, what, database, store).run)
        elif kind == "=":
            found = store.read_genres(path)
            store.write_genres(path, [what], expected=found.version, options=OPTIONS)
        else:
            wanted = [runs[int(number) - 1] for number in what.split(",")]
            changes = Journal(database, command="undo").changes()
            journal, ((_, code),) = undo_all([c for c in changes if c.run in wanted], database, store)
            runs.append(journal.run)
    assert (next(iter(store.read_genres(path).genres), None), code) == end


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([], "was changed again by {2}"),
        ([2], "was undone already"),
        ([2, 3], "was changed again by {2}"),
    ],
    ids=["another", "undone", "undone and brought back"],
)
def test_a_conflict_says_which_run_is_to_be_undone_first(
    runs: list[int], reason: str, tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    known = {n: tag(tracks[0], genre, database, store).run for n, genre in enumerate(("Rock", "Blues"), 1)}
    for number in runs:
        journal = Journal(database, command="undo")
        undone, _ = undo_all(journal.changes(run=known[number]), database, store)
        known[len(known) + 1] = undone.run
    wanted = known[2 if "already" in reason else 1]
    (step,) = plan(journal := Journal(database, command="undo"), journal.changes(run=wanted))
    assert step.conflict == reason.replace("{2}", known[2])


@pytest.fixture
def two_tags(tmp_path: Path) -> Path:
    """An MP3 with an ID3v2 and an APEv2 tag, kept in step."""
    path = tmp_path / "two.mp3"
    path.write_bytes(id3_tag(4, genre_frame(4, "Zouk")) + bare_mp3() + apev2(Genre="Zouk"))
    return path


def in_both(path: Path) -> tuple[list[str], str | None]:
    ape = APEv2(path)
    return ID3(path)["TCON"].text, str(ape["Genre"]) if "Genre" in ape else None


def set_ape(path: Path, genre: str | None) -> None:
    tags = APEv2(path)
    del tags["Genre"]
    if genre:
        tags["Genre"] = genre
    tags["Title"] = "A title"
    tags.save(path)


@pytest.mark.parametrize("theirs", ["Folk", None])
def test_a_tag_beside_the_main_one_that_somebody_changed_is_left_alone(
    theirs: str | None, two_tags: Path, database: Database, store: FileTagStore
) -> None:
    journal = tag(two_tags, "Rock", database, store)
    assert in_both(two_tags) == (["Rock"], "Rock")
    set_ape(two_tags, theirs)
    (step,) = plan(journal, journal.changes())
    outcome = undo(step, store, journal, lambda _path: Policy.of(Config()))
    assert (outcome.status, in_both(two_tags)) == (Status.TAGGED, (["Zouk"], theirs))
    assert outcome.reason == "changed since by somebody else, left alone: APEv2"
    undo_all(journal.changes()[-1:], database, store)
    assert in_both(two_tags) == (["Rock"], theirs)


def test_a_tag_beside_the_main_one_gets_back_what_somebody_wrote_between_our_changes(
    two_tags: Path, database: Database, store: FileTagStore
) -> None:
    first = tag(two_tags, "Rock", database, store)
    set_ape(two_tags, "Folk")
    journal = tag(two_tags, "Blues", database, store)
    undo_all(journal.changes(), database, store)
    assert in_both(two_tags) == (["Rock"], "Folk")
    undo_all(first.changes(run=first.run), database, store)
    assert in_both(two_tags) == (["Zouk"], "Folk")


def test_a_tag_that_came_since_is_left_alone(tmp_path: Path, database: Database, store: FileTagStore) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(bare_mp3())
    journal = tag(path, "Rock", database, store)
    gain = apev2(REPLAYGAIN_TRACK_GAIN="-3.2 dB")
    path.write_bytes(path.read_bytes() + gain)
    new = path.read_bytes()
    undoing, outcomes = undo_all(journal.changes(), database, store)
    assert (outcomes, path.read_bytes()) == ([("tagged", None)], bare_mp3() + gain)
    undo_all(journal.changes(run=undoing.run), database, store)
    assert path.read_bytes() == new


def test_the_genre_goes_from_a_tag_that_took_it_over_as_well(
    tmp_path: Path, database: Database, store: FileTagStore
) -> None:
    path = tmp_path / "track.mp3"
    path.write_bytes(bare_mp3() + apev2(Title="A title"))
    journal = tag(path, "Rock", database, store)
    tags = ID3()
    tags.add(TIT2(encoding=3, text="A title"))
    tags.add(TCON(encoding=3, text="Rock"))
    tags.save(path, v1=0)
    undo_all(journal.changes(), database, store)
    assert sorted(ID3(path)) == ["TIT2"]
    assert dict(APEv2(path)) == {"Title": "A title"}


def test_a_dry_run_changes_nothing(tracks: list[Path], database: Database, store: FileTagStore) -> None:
    journal = tag(tracks[0], "Rock", database, store)
    new = tracks[0].read_bytes()
    _, outcomes = undo_all(journal.changes(), database, store, dry_run=True)
    assert outcomes == [("would tag", None)]
    tracks[0].chmod(0o444)
    _, outcomes = undo_all(journal.changes(), database, store, dry_run=True)
    assert outcomes == [("skipped", "read-only")]
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
    later = Journal(database, command="tag", clock=lambda: time.time() + 2 * UNDER_WAY_SECONDS)
    later.recover(store.read_genres)
    assert [change.state for change in tagging.history(tracks[0])] == ["done", "failed"]


def test_a_file_that_became_unreadable_fails_alone(
    tracks: list[Path], database: Database, store: FileTagStore
) -> None:
    for path in tracks:
        journal = tag(path, "Rock", database, store)
    tracks[0].write_bytes(b"no music any more")
    _, outcomes = undo_all(journal.changes(), database, store)
    assert outcomes == [(str(Status.FAILED), "unsupported"), ("tagged", None), ("tagged", None)]
