"""The runner as a whole: real plugins in real processes, from the outbox of a real ledger."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from actions_support import AT, lines, tagged, write_plugin
from waiting import until

from genretagd.actions.backoff import Backoff
from genretagd.actions.catalog import Catalog
from genretagd.actions.plan import plan_actions
from genretagd.actions.runner import Delays, Runner
from genretagd.config import ActionConfig
from genretagd.delivery import Delivery
from genretagd.errors import ConfigError, LedgerError
from genretagd.events import idle_event
from genretagd.ledger.database import Database
from genretagd.ledger.outbox import Outbox

QUICK = Delays(
    event=Backoff(0.01, 0.05),
    breaker=Backoff(0.01, 0.05),
    poll_seconds=0.02,
    gather_seconds=0.0,
    trouble_seconds=0.02,
)

NOTE = """
    log: Path
    def on_tagged(self, event):
        with self.log.open("a") as file:
            print(event.path, *event.after, file=file)
"""


@pytest.fixture
def make(folder: Path, tmp_path: Path, database: Database) -> Iterator[Callable[..., Runner]]:
    with contextlib.ExitStack() as stack:

        def begin(*actions: tuple[str, dict[str, Any]], delays: Delays = QUICK) -> Runner:
            configured = [
                ActionConfig(
                    use, {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}, "c:1"
                )
                for use, options in actions
            ]
            runner = Runner(
                plan_actions(configured, Catalog([folder])),
                keep=Outbox(database),
                deliver=Outbox(Database(database.path, durable=False)),
                state=tmp_path / "state",
                delays=delays,
            )
            stack.callback(runner.close, drain_seconds=0)
            return runner

        yield begin


def test_a_run_delivers_what_was_told_before_it_ends(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, outbox: Outbox
) -> None:
    write_plugin(folder, "note", NOTE)
    runner = make(("note", {"log": tmp_path / "log"}))
    runner.start()
    for number in range(200):
        runner.tell(tagged(f"/m/{number}"))
    runner.close(drain_seconds=60)
    assert lines(tmp_path / "log") == [f"/m/{number} Rock" for number in range(200)]
    assert outbox.backlog() == {}


def test_a_hanging_plugin_delays_neither_the_teller_nor_its_neighbour(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, outbox: Outbox
) -> None:
    write_plugin(folder, "note", NOTE)
    write_plugin(folder, "hang", "def on_tagged(self, event): time.sleep(600)")
    runner = make(("hang", {}), ("note", {"log": tmp_path / "log"}))
    runner.start()
    runner.tell(tagged("/m/1"))
    runner.tell(idle_event(at=AT))
    until(lambda: lines(tmp_path / "log"))
    runner.close(drain_seconds=0.1)
    assert {name: (found.waiting, found.dead) for name, found in outbox.backlog().items()} == {"hang": (1, 0)}


SLOW_TO_CONFIRM = (
    NOTE
    + """
    def on_idle(self, event):
        with self.log.open("a") as file:
            print("begun", file=file, flush=True)
            time.sleep({seconds})
            print("done", file=file)
"""
)


def test_what_is_told_just_before_the_end_is_delivered_and_confirmed(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    look = Outbox.due

    def slow_look(outbox: Outbox, action: str, /, *, now: float, limit: int) -> list[Delivery]:
        found = look(outbox, action, now=now, limit=limit)
        if not looked.is_set():
            looked.set()
            until(runner._closing.is_set)
        return found

    monkeypatch.setattr(Outbox, "due", slow_look)
    write_plugin(folder, "note", SLOW_TO_CONFIRM.format(seconds=0))
    runner = make(("note", {"log": tmp_path / "log"}))
    runner.start()
    looked.wait(30)
    runner.tell(tagged("/m/1"))
    runner.close(drain_seconds=60)
    assert lines(tmp_path / "log") == ["/m/1 Rock", "begun", "done"]


def test_a_run_that_is_patient_lets_a_plugin_finish_what_it_has_begun(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, outbox: Outbox
) -> None:
    write_plugin(folder, "note", SLOW_TO_CONFIRM.format(seconds=1))
    for runs, patient in enumerate([False, True], start=1):
        runner = make(("note", {"log": tmp_path / "log"}))
        runner.start()
        if not patient:
            runner.tell(tagged("/m/1"))
            runner.tell(idle_event(at=AT))
        until(lambda: lines(tmp_path / "log").count("begun") == runs)  # noqa: B023 - called at once
        runner.close(drain_seconds=0.1, patient=patient)
        assert ("done" in lines(tmp_path / "log"), outbox.backlog() == {}) == (patient, patient)


def test_even_a_patient_run_waits_no_longer_than_a_plugin_s_time_limit(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, outbox: Outbox
) -> None:
    write_plugin(folder, "slow", SLOW_TO_CONFIRM.format(seconds=600))
    write_plugin(folder, "hang", NOTE + "        time.sleep(600)\n")
    logs = [tmp_path / "slow", tmp_path / "hang"]
    actions = [(log.name, {"log": log, "time_limit_seconds": 3}) for log in logs]
    runner = make(*actions)
    runner.start()
    runner.tell(tagged("/m/1"))
    runner.tell(idle_event(at=AT))
    until(lambda: "begun" in lines(logs[0]) and lines(logs[1]))
    began = time.monotonic()
    runner.close(drain_seconds=0.1, patient=True)
    assert time.monotonic() - began < 20
    assert {name: found.waiting for name, found in outbox.backlog().items()} == {"slow": 1, "hang": 1}


def test_whoever_waits_for_a_patient_run_may_stop_waiting(
    make: Callable[..., Runner],
    folder: Path,
    tmp_path: Path,
    outbox: Outbox,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_plugin(folder, "note", SLOW_TO_CONFIRM.format(seconds=600))
    runner = make(("note", {"log": tmp_path / "log"}))
    runner.start()
    runner.tell(tagged("/m/1"))
    runner.tell(idle_event(at=AT))
    until(lambda: "begun" in lines(tmp_path / "log"))
    ctrl_c = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    ctrl_c.start()
    with pytest.raises(KeyboardInterrupt):
        runner.close(drain_seconds=0.1, patient=True)
    ctrl_c.join()
    assert "has a problem" not in caplog.text
    assert outbox.backlog()["note"].waiting == 1
    assert outbox.backlog()["note"].last_error is None


def test_a_plugin_that_hangs_when_it_is_loaded_is_not_waited_for(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "hang.py").write_text("import time\ntime.sleep(600)\n")
    (folder / "hang.py").chmod(0o600)
    write_plugin(folder, "note", NOTE)
    began = time.monotonic()
    first, second = (
        make(("note", {"log": tmp_path / "log"}), ("hang", {}), delays=replace(QUICK, load_seconds=1.0))
        for _ in range(2)
    )
    for runner in (first, second):
        runner.load()
        runner.start()
    first.tell(tagged("/m/1"))
    until(lambda: lines(tmp_path / "log"))
    second.close(patient=True)
    first.close(drain_seconds=0.5, patient=True)
    assert time.monotonic() - began < 15
    assert "hang: takes long to load, nobody waits for it" in caplog.text
    assert [record.status for record in first.records()] == ["READY", "STARTING"]


def test_what_one_run_leaves_the_next_delivers(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, outbox: Outbox
) -> None:
    write_plugin(
        folder,
        "note",
        NOTE.replace("with self", "time.sleep(0 if self.log.parent.exists() else 600)\n        with self"),
    )
    options = {"log": tmp_path / "later" / "log"}
    first = make(("note", options))
    first.start()
    first.tell(tagged("/m/1"))
    first.close(drain_seconds=0.1)
    assert outbox.backlog()["note"].waiting == 1
    (tmp_path / "later").mkdir()
    second = make(("note", options))
    second.start()
    second.close(drain_seconds=60)
    assert lines(tmp_path / "later" / "log") == ["/m/1 Rock"]


def test_only_one_of_two_runners_delivers_and_the_other_takes_over(
    make: Callable[..., Runner], folder: Path, tmp_path: Path
) -> None:
    write_plugin(folder, "note", NOTE)
    first, second = (make(("note", {"log": tmp_path / "log"})) for _ in range(2))
    first.start()
    second.start()
    assert (first.delivers, second.delivers) == (True, False)
    second.tell(tagged("/m/1"))
    until(lambda: lines(tmp_path / "log"))
    first.close(drain_seconds=10)
    until(lambda: second.delivers)
    second.tell(tagged("/m/2"))
    until(lambda: lines(tmp_path / "log") == ["/m/1 Rock", "/m/2 Rock"])


def test_a_directory_that_cannot_be_used_is_said_and_delivery_begins_when_it_can(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin(folder, "note", NOTE)
    (tmp_path / "state").write_text("in the way")
    runner = make(("note", {"log": tmp_path / "log"}))
    runner.start()
    runner.tell(tagged("/m/1"))
    assert "state: cannot be used (File exists)" in caplog.text
    (tmp_path / "state").unlink()
    until(lambda: lines(tmp_path / "log") == ["/m/1 Rock"])


def test_an_event_told_in_a_transaction_is_delivered_once_that_commits(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, database: Database
) -> None:
    write_plugin(folder, "note", NOTE)
    runner = make(("note", {"log": tmp_path / "log"}))
    runner.start()
    with database.transaction():
        runner.tell(tagged("/m/1"))
    until(lambda: lines(tmp_path / "log"))


def test_a_move_by_one_plugin_reaches_the_others(
    make: Callable[..., Runner], folder: Path, tmp_path: Path
) -> None:
    write_plugin(
        folder,
        "mover",
        """
        to: Path
        def on_tagged(self, event): return Moved(to=self.to / event.path.name)
        """,
    )
    write_plugin(
        folder,
        "listener",
        NOTE + "    def on_moved(self, event):\n"
        "        with self.log.open('a') as file:\n"
        "            print(event.moved_from, '->', event.path, file=file)\n",
    )
    (tmp_path / "1").touch()
    runner = make(("mover", {"to": tmp_path}), ("listener", {"log": tmp_path / "log"}))
    runner.start()
    runner.tell(tagged("/m/1"))
    until(lambda: f"/m/1 -> {tmp_path}/1" in lines(tmp_path / "log"))


@pytest.mark.parametrize("moves", [True, False], ids=["moves late", "hangs"])
def test_the_end_of_a_run_tells_of_moves_that_come_late_and_waits_for_no_other(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, outbox: Outbox, moves: bool
) -> None:
    move = f"time.sleep({0.5 if moves else 600}); return Moved(to=event.path.with_name('2'))"
    write_plugin(folder, "mover", f"def on_tagged(self, event): {move}")
    write_plugin(folder, "told", NOTE.replace("*event.after", "event.kind") + "    on_moved = on_tagged\n")
    runner = make(("mover", {"time_limit_seconds": 2}), ("told", {"log": tmp_path / "log"}))
    runner.start()
    (tmp_path / "2").touch()
    runner.tell(tagged(tmp_path / "1"))
    began = time.monotonic()
    runner.close(drain_seconds=30 if moves else 1.5, patient=True)

    assert lines(tmp_path / "log") == [f"{tmp_path}/1 tagged", f"{tmp_path}/2 moved"][: 1 + moves]
    assert (sorted(outbox.backlog()), time.monotonic() - began < 10) == ([] if moves else ["mover"], True)


def test_an_action_that_is_switched_off_is_told_later_what_happens_meanwhile(
    make: Callable[..., Runner], folder: Path, tmp_path: Path
) -> None:
    write_plugin(folder, "note", NOTE)
    for enabled in (False, True):
        runner = make(("note", {"log": tmp_path / "log", "enabled": enabled}))
        runner.load()
        runner.start()
        runner.tell(tagged(f"/m/{enabled}"))
        runner.close(drain_seconds=60)
    assert lines(tmp_path / "log") == ["/m/False Rock", "/m/True Rock"]


def test_without_actions_telling_costs_nothing_and_keeps_nothing(
    make: Callable[..., Runner], outbox: Outbox
) -> None:
    runner = make()
    runner.start()
    runner.tell(tagged("/m/1"))
    runner.close()
    assert not runner.delivers
    assert outbox.backlog() == {}


def test_a_ledger_that_cannot_be_written_does_not_stop_the_teller(
    make: Callable[..., Runner], folder: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin(folder, "quiet", "def on_tagged(self, event): pass")
    runner = make(("quiet", {}))
    database.close()
    runner.tell(tagged("/m/1"))
    assert "is lost to action plugins" in caplog.text


def test_delivery_outlives_a_ledger_that_fails_while_it_waits(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [LedgerError("ledger.sqlite3: the ledger failed (disk I/O error)")] * 2

    def changes(_outbox: Outbox) -> int:
        if failures:
            raise failures.pop()
        return 0

    monkeypatch.setattr(Outbox, "changes", changes)
    write_plugin(folder, "note", NOTE)
    runner = make(("note", {"log": tmp_path / "log"}))
    runner.start()
    until(lambda: not failures)
    runner.tell(tagged("/m/1"))
    until(lambda: lines(tmp_path / "log"))


def test_a_wrong_option_stops_the_start_and_a_broken_plugin_does_not(
    make: Callable[..., Runner], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin(folder, "note", NOTE)
    write_plugin(folder, "broken", "def on_tagged(self, event) pass")
    runner = make(("note", {"log": tmp_path / "log"}), ("broken", {}))
    runner.load()
    runner.start()
    runner.tell(tagged("/m/1"))
    runner.close(drain_seconds=60)
    assert [record.status for record in runner.records()] == ["READY", "LOAD_FAILED"]
    assert lines(tmp_path / "log") == ["/m/1 Rock"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["broken"]
    caplog.clear()
    with pytest.raises(ConfigError) as caught:
        make(("note", {"lgo": tmp_path / "log"})).load()
    assert caught.value.problems == (
        'c:1: actions.note.lgo: unknown option (did you mean "log"?)',
        "c:1: actions.note.log: is missing, write log = ... (path)",
    )
    assert not caplog.records  # whoever catches the error tells it
    late = make(("note", {"lgo": tmp_path / "log"}), delays=replace(QUICK, load_seconds=0.0))
    late.load()
    late.start()
    until(lambda: "note: CONFIG_INVALID: c:1: actions.note.lgo: unknown" in caplog.text)
