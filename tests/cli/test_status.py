"""What ``genretagd status`` says of daemons, their files and their action plugins."""

from __future__ import annotations

import os
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from genretagd.cli.status import _ledger, _lines, _report
from genretagd.daemon.lock import InstanceLock
from genretagd.daemon.stats import Stats
from genretagd.daemon.status import status_object, write_status
from genretagd.domain import Outcome, Status
from genretagd.events import event_of
from genretagd.ledger.database import Database
from genretagd.ledger.outbox import Outbox

NOW = 1.7e9
WELL = {"name": "mpd", "status": "READY", "problems": [], "last_error": None}
ILL = {"name": "home", "status": "CHECK_FAILED", "problems": ["no answer"], "last_error": "no answer"}


def daemon(*plugins: dict[str, Any], running: bool = True) -> dict[str, Any]:
    return {"running": running, "state": "running", "pid": os.getpid(), "plugins": list(plugins)}


def lines(*plugins: dict[str, Any], running: bool = True, left: dict[str, Any] | None = None) -> list[str]:
    ledger = {"path": "l", "files": {}, "failures": {}, "plugins": left or {}, "problem": None}
    found = _lines({"daemons": [daemon(*plugins, running=running)], "ledger": ledger})
    return [line for line in found if line.startswith("plugin")]


def test_each_plugin_of_a_running_daemon_has_a_line() -> None:
    assert lines(WELL, ILL) == ["plugin   mpd: READY", "plugin   home: CHECK_FAILED (no answer)"]


def test_a_plugin_that_is_well_again_still_says_what_went_wrong_last() -> None:
    assert lines(WELL | {"last_error": "timed out"}) == ["plugin   mpd: READY (last error: timed out)"]


def test_plugins_of_a_daemon_that_is_down_are_not_said_to_be_well() -> None:
    assert lines(WELL, running=False) == []


def test_a_file_s_name_cannot_add_a_line_or_steer_the_terminal() -> None:
    file = {
        "at": NOW,
        "status": "failed",
        "path": "/m/\x1b[31ma\nlast.mp3",
        "reason": "corrupt",
        "genres": [],
    }
    ledger: dict[str, Any] = {"path": "l", "files": {}, "failures": {}, "plugins": {}, "problem": None}
    found = _lines({"daemons": [daemon() | {"last": [file]}], "ledger": ledger})
    assert all(line.isprintable() for line in found)
    assert "/m/\\x1b[31ma\\nlast.mp3: corrupt" in found[1]


def test_a_tagged_file_is_shown_with_its_genres_and_what_is_wrong_with_the_daemon_in_words() -> None:
    file = {"at": NOW, "status": "tagged", "path": "/m/a.mp3", "reason": None, "genres": ["Rock", "Pop"]}
    ledger: dict[str, Any] = {"path": "l", "files": {}, "failures": {}, "plugins": {}, "problem": None}
    found = _lines({"daemons": [daemon() | {"last": [file], "problem": "disk full"}], "ledger": ledger})
    assert found[1] == "problem  disk full"
    assert found[2].endswith(" ago  tagged   /m/a.mp3: Rock, Pop")


@pytest.mark.parametrize(("state", "told"), [("stopping", "stopped"), ("running", "ended unexpectedly")])
def test_daemons_that_run_are_told_else_how_the_last_one_ended(tmp_path: Path, state: str, told: str) -> None:
    def first_words() -> list[str]:
        return [line.partition(",")[0] for line in _lines(_report(tmp_path / "l")) if "running" in line]

    def begun(root: str, at: float) -> InstanceLock:
        lock = InstanceLock(tmp_path / "instances", [root])
        status = status_object(
            state=state, pid=os.getpid(), version="1", started_at=NOW, updated_at=at, roots=[],
            queue=dict.fromkeys(("settling", "waiting", "in_hand", "later"), 0), plugins=[],
            summary=Stats().summary(), bundle="b", ledger=str(tmp_path / "l"),
        )  # fmt: skip
        write_status(lock.status_file, status)
        return lock

    locks = begun("/a", NOW), begun("/b", NOW + 1)
    assert first_words() == [f"running: process {os.getpid()}"] * 2
    locks[1].release()
    assert first_words() == [f"running: process {os.getpid()}"]
    locks[0].release()
    assert first_words() == [f"not running: {told}"]
    (last,) = _report(tmp_path / "l")["daemons"]
    assert last["named"] == ("/b",)


def test_a_damaged_ledger_is_told_and_the_rest_all_the_same(genretagd, tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"no database at all" * 100)
    found = genretagd("status", "--ledger", tmp_path / "ledger")
    assert found.status == 0
    assert found.out.startswith("not running")
    assert "ledger: the ledger is damaged" in found.out


def test_what_plugins_are_still_to_be_told_is_counted_when_the_daemon_is_down(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with closing(Database(path)) as database:
        event = event_of(Outcome(Path("/m/a.mp3"), Status.UNSURE, reason="unsure"), at=datetime.now(UTC))
        assert event is not None
        Outbox(database).add(event, actions=["home", "mpd"], now=NOW)
        delivery = Outbox(database).due("home", now=time.time(), limit=1)[0]
        Outbox(database).failed(delivery.id, error="gone", due_at=None)
    left = _ledger(path)["plugins"]
    assert lines(running=False, left=left) == [
        "plugin   home: 0 waiting, 1 given up on",
        "plugin   mpd: 1 waiting, 0 given up on",
    ]


def test_a_daemon_of_another_ledger_in_the_same_directory_is_not_told_of(tmp_path: Path) -> None:
    locks = []
    for name in ("one", "other"):
        locks.append(InstanceLock(tmp_path / "instances", [f"/music/{name}"]))
        status = status_object(
            state="running", pid=1, version="1", started_at=0.0, updated_at=0.0, queue={}, plugins=[],
            roots=[], summary=Stats().summary(), bundle="b", ledger=str(tmp_path / name),
        )  # fmt: skip
        write_status(locks[-1].status_file, status)
    assert [daemon["named"] for daemon in _report(tmp_path / "one")["daemons"]] == [("/music/one",)]
    for lock in locks:
        lock.release()
