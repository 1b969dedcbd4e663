"""What ``genretagd status`` says of action plugins."""

from __future__ import annotations

import os
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
