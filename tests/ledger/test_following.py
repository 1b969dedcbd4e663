"""A track that was moved: its history, its undo and its version go along."""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from genretagd.domain import FileVersion, GenreTag, Outcome, Status, TagChange
from genretagd.events import moved_event
from genretagd.ledger.database import Database
from genretagd.ledger.journal import Journal
from genretagd.ledger.outbox import Outbox
from genretagd.ledger.versions import Judgement, Versions

JUDGEMENT = Judgement("bundle", "policy")


def tag(database: Database, path: Path) -> None:
    """Record everything that tagging a track records."""
    version = FileVersion.of(path.stat())
    journal = Journal(database, command="test")
    before = GenreTag((), {}, "ID3v2.4", version)
    entry = journal.intend(path, before, ["Rock"], model="m", confidence=0.9)
    journal.done(entry, TagChange(path, (), ("Rock",), {}, {}, version, version))
    Versions(database).record(Outcome(path, Status.TAGGED), version, JUDGEMENT, attempts=0, at=1.0)


def move(database: Database, old: Path, new: Path) -> None:
    event = moved_event(old, new, cause="", at=datetime.now(UTC))
    Outbox(database).moved(0, event, actions=[], now=0.0)


@pytest.mark.parametrize("how", ["rename", "copy"])
def test_the_ledger_follows_a_moved_track(database: Database, tmp_path: Path, how: str) -> None:
    old, new = tmp_path / "a\udcff.mp3", tmp_path / "Rock" / "a\udcff.mp3"
    old.write_bytes(b"sound")
    new.parent.mkdir()
    tag(database, old)
    if how == "rename":
        old.rename(new)
    else:
        shutil.copyfile(old, tmp_path / "blocks-the-inode")
        shutil.copy2(old, new)
        old.unlink()
    move(database, old, new)
    journal, versions = Journal(database, command="test"), Versions(database)
    now = FileVersion.of(new.stat())
    change = journal.latest(new)
    assert journal.latest(old) is None
    assert change is not None
    assert change.version_after == now
    assert versions.find(os.fspath(old)) is None
    assert versions.done(os.fspath(new), now, JUDGEMENT) is not None


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "second name"])
def test_what_was_done_to_a_file_goes_along_when_its_owner_moves_it(
    database: Database, tmp_path: Path, moved: bool
) -> None:
    old, new = tmp_path / "a\udcff.mp3", tmp_path / "b\udcff.mp3"
    old.write_bytes(b"sound")
    tag(database, old)
    new.hardlink_to(old)
    if moved:
        old.unlink()
    version = FileVersion.of(new.stat())
    assert Versions(database).done(os.fspath(new), version, JUDGEMENT) is not None
    journal = Journal(database, command="test")
    assert (journal.latest(old) is None, journal.latest(new) is not None) == (moved, moved)
    assert (Versions(database).find(os.fspath(old)) is None) is moved


def test_a_file_with_other_content_keeps_its_own_version(database: Database, tmp_path: Path) -> None:
    old, new = tmp_path / "a.mp3", tmp_path / "b.mp3"
    old.write_bytes(b"sound")
    tag(database, old)
    old.unlink()
    new.write_bytes(b"another sound")
    move(database, old, new)
    change = Journal(database, command="test").latest(new)
    assert change is not None
    assert change.version_after != FileVersion.of(new.stat())
    assert Versions(database).done(os.fspath(new), FileVersion.of(new.stat()), JUDGEMENT) is None


def test_a_track_that_is_gone_again_is_followed_by_name(database: Database, tmp_path: Path) -> None:
    old = tmp_path / "a.mp3"
    old.write_bytes(b"sound")
    tag(database, old)
    move(database, old, tmp_path / "gone.mp3")
    assert Journal(database, command="test").latest(tmp_path / "gone.mp3") is not None


def test_a_share_that_hangs_does_not_hold_up_the_ledger(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, stat = [], Path.stat

    def write_meanwhile(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.name == "new.mp3":
            with contextlib.closing(Database(database.path)) as other, other.transaction():
                asked.append(path)
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", write_meanwhile)
    move(database, tmp_path / "old.mp3", tmp_path / "new.mp3")
    assert asked
