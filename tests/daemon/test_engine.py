"""The daemon's engine: nobody asks for what it does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genretagd.config import Config
from genretagd.daemon.engine import PoolEngine
from genretagd.domain import Prediction, Status
from genretagd.ledger.database import Database
from genretagd.ledger.journal import Journal
from genretagd.policy import FolderPolicies
from genretagd.tagging.store import FileTagStore
from genretagd.undoing import plan, undo

TRACK = Path(__file__).resolve().parents[1] / "data" / "formats" / "mp3.mp3"


class SureOfRock(FileTagStore):
    """A worker that finds Rock in everything."""

    def predict(self, _path: Path) -> Prediction:
        return Prediction({"Rock": 1.0}, 0.0, 200.0, -1.0, "m@1", 0.5)

    def warm(self) -> tuple[str, ...]:
        return ("Rock", "Hip-Hop")


class OneWorker:
    count = 1

    @contextmanager
    def worker(self) -> Iterator[SureOfRock]:
        yield SureOfRock()


def test_a_track_that_was_undone_is_not_tagged_again(tmp_path: Path, database: Database) -> None:
    track = Path(shutil.copy(TRACK, tmp_path))
    journal = Journal(database, command="watch")
    engine = PoolEngine(
        OneWorker(),  # type: ignore[arg-type]
        policy_for=FolderPolicies(Config()),
        journal=journal,
        bundle="bundle",
    )
    assert engine.process(track, tell=lambda _outcome: None).status == Status.TAGGED

    undoing = Journal(database, command="undo")
    for step in plan(undoing, undoing.changes()):
        undo(step, FileTagStore(), undoing, FolderPolicies(Config()))
    outcome = engine.process(track, tell=lambda _outcome: None)

    assert (outcome.status, outcome.code) == (Status.KEPT, "undone")
    assert FileTagStore().read_genres(track).genres == ()


def test_what_is_older_than_the_retention_is_forgotten_once_a_day(tmp_path: Path, database: Database) -> None:
    day, now = 86_400.0, [100 * 86_400.0]
    journal = Journal(database, command="watch", clock=lambda: now[0])
    engine = PoolEngine(
        OneWorker(),  # type: ignore[arg-type]
        policy_for=FolderPolicies(Config()),
        journal=journal,
        bundle="bundle",
        retention_days=10,
        clock=lambda: now[0],
    )
    tracks = [Path(shutil.copy(TRACK, tmp_path / f"{number}.mp3")) for number in range(3)]
    engine.process(tracks[0], tell=lambda _outcome: None)
    now[0] += 9.5 * day
    engine.process(tracks[1], tell=lambda _outcome: None)
    now[0] += 0.75 * day
    engine.process(tracks[2], tell=lambda _outcome: None)
    assert [change.path for change in journal.changes()] == tracks  # for a quarter of a day more
    now[0] += 0.3 * day
    engine.process(tracks[0], tell=lambda _outcome: None)
    assert [change.path for change in journal.changes()] == tracks[1:]


def test_a_name_for_a_label_that_the_model_has_not_is_warned_of_once(
    database: Database, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    engine = PoolEngine(
        OneWorker(),  # type: ignore[arg-type]
        policy_for=FolderPolicies(Config(genres={"HipHop": "Rap", "Rock": "Guitars", "Polka": "Dance"})),
        journal=Journal(database, command="watch"),
        bundle="bundle",
    )
    track = Path(shutil.copy(TRACK, tmp_path))
    folder = tmp_path / ".genretagd.toml"
    for settings in ("", '[genres]\nRok = "Guitars"'):
        folder.write_text(settings)
        engine.warm()
        engine._warm = False
        engine.policy_of(track)
        engine.process(track, tell=lambda _outcome: None)
        engine._warm = False
    assert [record.getMessage() for record in caplog.records] == [
        'genres: the model has no label "HipHop", its name is never used (did you mean "Hip-Hop"?)',
        'genres: the model has no label "Polka", its name is never used, its labels are Rock, Hip-Hop',
        f'{folder}: genres: the model has no label "Rok", its name is never used (did you mean "Rock"?)',
    ]
