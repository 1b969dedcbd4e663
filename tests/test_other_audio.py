"""A file that another program saved anew is still the one we tagged; one that took its place is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import mutagen
import mutagen.id3
import pytest
from sounds import FORMATS

from genretagd.config import Config
from genretagd.config.schema import TagsConfig
from genretagd.domain import FileVersion, Outcome, Prediction, WriteOptions
from genretagd.errors import FileChangedError
from genretagd.ledger.database import Database
from genretagd.ledger.journal import Journal
from genretagd.ml.packets import audio_digest
from genretagd.pipeline import Pipeline
from genretagd.policy import Policy
from genretagd.tagging.store import FileTagStore
from genretagd.undoing import plan, undo

REPLACE_OURS = Policy.of(replace(Config(), tags=TagsConfig(existing="replace-ours")))


class Worker(FileTagStore):
    """Finds one genre in everything, and counts how often audio was digested to know a track again."""

    def __init__(self, genre: str = "Rock") -> None:
        super().__init__(audio_digest=audio_digest)
        self.genre = genre
        self.digested = 0

    def predict(self, _path: Path) -> Prediction:
        return Prediction({self.genre: 1.0}, 0.0, 200.0, -1.0, "m@1", 0.5)

    def digest_audio(self, path: Path, /, *, expected: FileVersion) -> str | None:
        self.digested += 1
        return super().digest_audio(path, expected=expected)


@pytest.fixture
def worker() -> Worker:
    return Worker()


def tag(path: Path, database: Database, worker: Worker) -> Outcome:
    """Have the daemon look at a file."""
    journal = Journal(database, command="watch")
    return Pipeline(
        tags=worker,
        classifier=worker,
        policy_for=lambda _path: REPLACE_OURS,
        journal=journal,
        undone=journal.undone,
    ).process(path)


def undo_all(path: Path, database: Database, worker: Worker, *, any_audio: bool = False) -> list[Outcome]:
    journal = Journal(database, command="undo", any_audio=any_audio)
    steps = plan(journal, journal.changes(below=[path]))
    return [undo(step, worker, journal, lambda _path: REPLACE_OURS) for step in steps]


def tagged(path: Path, name: str, database: Database, worker: Worker) -> Path:
    shutil.copy(FORMATS[name], path)
    assert tag(path, database, worker).status == "tagged"
    return path


def save_anew(path: Path) -> None:
    """Give a track a long title, as another tagger does."""
    track = mutagen.File(path)
    if isinstance(track.tags, mutagen.id3.ID3):
        track.tags.add(mutagen.id3.TIT2(encoding=3, text=["A title " * 3000]))
    else:
        names = {".m4a": "\xa9nam", ".wma": "Title"}
        track.tags[names.get(path.suffix, "TITLE")] = ["A title " * 3000]
    track.save()


def put_another_in_its_place(path: Path, genre: str | None) -> bytes:
    """Put another recording there, tagged by its owner."""
    shutil.copy(FORMATS["mp3-no-header"], path)
    if genre is not None:
        store = FileTagStore()
        found = store.read_genres(path)
        store.write_genres(path, [genre], expected=found.version, options=WriteOptions())
    return path.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_a_track_that_another_program_saved_anew_is_known_again(
    name: str, tmp_path: Path, database: Database, worker: Worker
) -> None:
    path = tagged(tmp_path / FORMATS[name].name, name, database, worker)
    save_anew(path)
    assert tag(path, database, Worker("Pop")).after == ("Pop",)
    save_anew(path)
    assert [o.status for o in undo_all(path, database, worker)] == ["tagged"]
    assert worker.read_genres(path).genres == ()
    save_anew(path)
    assert tag(path, database, worker).code == "undone"


def test_no_audio_is_read_to_know_a_file_that_nobody_has_touched(
    tmp_path: Path, database: Database, worker: Worker
) -> None:
    path = tagged(tmp_path / "track.mp3", "mp3", database, worker)
    tag(path, database, worker)
    with database.transaction() as connection:  # the share was mounted anew
        numbers = "json_set(version_after, '$.device', 1, '$.inode', 1)"
        connection.execute(f"UPDATE changes SET version_after = {numbers}")
    undo_all(path, database, worker)
    tag(path, database, worker)
    assert (worker.read_genres(path).genres, worker.digested) == ((), 0)


def test_the_audio_of_a_file_that_changed_meanwhile_is_not_taken_for_that_of_what_was_read(
    tmp_path: Path, worker: Worker
) -> None:
    path = Path(shutil.copy(FORMATS["mp3"], tmp_path / "track.mp3"))
    found = worker.read_genres(path).version
    assert worker.digest_audio(path, expected=found) == audio_digest(path).audio
    save_anew(path)
    with pytest.raises(FileChangedError, match="somebody else changed the file"):
        worker.digest_audio(path, expected=found)


def test_the_genre_of_another_recording_is_neither_undone_nor_replaced(
    tmp_path: Path, database: Database, worker: Worker
) -> None:
    path = tagged(tmp_path / "track.mp3", "mp3", database, worker)
    theirs = put_another_in_its_place(path, "Rock")
    (outcome,) = undo_all(path, database, worker)
    assert (outcome.status, outcome.code, outcome.after) == ("skipped", "other audio", ("Rock",))
    assert tag(path, database, Worker("Pop")).code == "not ours"
    assert path.read_bytes() == theirs
    (outcome,) = undo_all(path, database, worker, any_audio=True)
    assert (outcome.status, worker.read_genres(path).genres) == ("tagged", ())


def test_an_undo_of_several_runs_stops_where_another_recording_came(
    tmp_path: Path, database: Database, worker: Worker
) -> None:
    path = tagged(tmp_path / "track.mp3", "mp3", database, worker)
    theirs = put_another_in_its_place(path, "Rock")
    journal, found = Journal(database, command="tag"), worker.read_genres(path)
    entry = journal.intend(path, found, ["Pop"], model="m@1", confidence=0.5)
    journal.done(entry, worker.write_genres(path, ["Pop"], expected=found.version, options=WriteOptions()))
    assert [o.status for o in undo_all(path, database, worker)] == ["tagged"]
    assert path.read_bytes() == theirs
    assert tag(path, database, Worker("Pop")).code == "not ours"
    (step,) = plan(journal, journal.changes()[:1])
    assert step.conflict == "was changed since by somebody else"
    assert path.read_bytes() == theirs


def test_another_recording_in_place_of_an_undone_one_is_tagged(
    tmp_path: Path, database: Database, worker: Worker
) -> None:
    path = tagged(tmp_path / "track.mp3", "mp3", database, worker)
    undo_all(path, database, worker)
    put_another_in_its_place(path, None)
    assert tag(path, database, worker).status == "tagged"


def test_what_an_older_genretagd_recorded_is_known_by_path_and_genre(
    tmp_path: Path, database: Database, worker: Worker
) -> None:
    path = tagged(tmp_path / "track.mp3", "mp3", database, worker)
    with database.transaction() as connection:
        connection.execute("UPDATE changes SET audio = NULL")
    put_another_in_its_place(path, "Rock")
    assert tag(path, database, Worker("Pop")).status == "tagged"
    assert [o.status for o in undo_all(path, database, worker)] == ["tagged"]
