"""The delivery loop, step by step, with a clock of its own and a process that does as it is told."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from actions_support import AT, Clock, FakeHost, spec_of, tagged

from genretagd.actions.backoff import Backoff
from genretagd.actions.hosted import HostedPlugin
from genretagd.actions.plan import PluginStatus
from genretagd.actions.process import HostDied
from genretagd.actions.redaction import Redactor
from genretagd.actions.worker import (
    FLUSH_SECONDS,
    IDLE_HOST_SECONDS,
    QUIET_SECONDS,
    ActionWorker,
    Surroundings,
)
from genretagd.event_json import event_to_json
from genretagd.events import moved_event
from genretagd.ledger.outbox import Outbox

NO = {"ok": False, "error": "no"}


class Bench:
    """A worker, its outbox, its clock and the processes it started."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self.outbox = outbox
        self.clock = clock
        self.behave: Callable[[Mapping[str, Any]], Any] = lambda _request: None
        self.handlers: tuple[str, ...] = ("tagged",)
        self.hosts: list[FakeHost] = []
        self.moves = 0
        self.worker = self.make()

    def moved(self) -> None:
        self.moves += 1

    def make(self, **common: Any) -> ActionWorker:
        plugin = HostedPlugin(
            spec_of("plugin", **common),
            start_host=lambda _spec: self.started(),
            redact=Redactor({}, environment={}),
            log=logging.getLogger("test"),
        )
        around = Surroundings(
            outbox=self.outbox,
            moved=self.moved,
            listeners=lambda _mover: ["other"],
            now=self.clock,
            random=lambda: 1.0,
            backoff=Backoff(2.0, 100.0),
            breaker=Backoff(15.0, 60.0),
        )
        self.worker = ActionWorker(plugin, around)
        return self.worker

    def started(self) -> FakeHost:
        self.hosts.append(FakeHost(self, self.handlers))
        return self.hosts[-1]

    def add(self, *tracks: str, version: int = 1) -> None:
        for track in tracks:
            self.outbox.add(tagged(f"/m/{track}", version=version), actions=["plugin"], now=self.clock.now)

    def run(self) -> float:
        """Do all there is to do now and return the time to the next."""
        for _ in range(1000):
            if delay := self.worker.step():
                return delay
        raise AssertionError("never rests")

    @property
    def told(self) -> list[str]:
        return [name for host in self.hosts for name in host.told]

    def left(self) -> tuple[int, int]:
        found = self.outbox.backlog().get("plugin")
        return (found.waiting, found.dead) if found else (0, 0)


@pytest.fixture
def bench(outbox: Outbox, clock: Clock) -> Bench:
    return Bench(outbox, clock)


def fails_for(*names: str, answer: Any = NO) -> Callable[[Mapping[str, Any]], Any]:
    def behave(request: Mapping[str, Any]) -> Any:
        event = request.get("event", {})
        name = "idle" if event.get("kind") == "idle" else Path(event.get("path", "")).name
        return answer if name in names else None

    return behave


def test_events_are_told_in_order_and_forgotten(bench: Bench) -> None:
    bench.add("1", "2", "3")
    bench.run()
    assert bench.told == ["1", "2", "3"]
    assert bench.left() == (0, 0)
    assert len(bench.hosts) == 1


def test_no_process_is_started_before_the_first_event(bench: Bench) -> None:
    assert bench.run() == IDLE_HOST_SECONDS
    assert bench.hosts == []


def test_a_failed_event_is_told_again_after_a_growing_delay_while_others_pass(bench: Bench) -> None:
    bench.behave = fails_for("1")
    bench.add("1", "2")
    assert bench.run() == 2.0
    assert bench.told == ["1", "2"]
    bench.clock.now += 2.0
    assert bench.run() == 4.0
    bench.clock.now += 4.0
    bench.behave = fails_for()
    bench.run()
    assert bench.told == ["1", "2", "1", "1"]
    assert bench.left() == (0, 0)


def test_a_later_event_of_a_track_waits_for_the_earlier_one(bench: Bench) -> None:
    bench.behave = fails_for("1")
    bench.add("1")
    bench.add("1", version=2)
    bench.run()
    assert bench.told == ["1"]
    bench.behave = fails_for()
    bench.clock.now += 2.0
    bench.run()
    assert bench.told == ["1", "1", "1"]
    assert bench.left() == (0, 0)


def test_an_event_is_given_up_on_after_the_allowed_attempts(bench: Bench) -> None:
    bench.make(max_attempts=3)
    bench.behave = fails_for("1")
    bench.add("1")
    for _ in range(5):
        bench.run()
        bench.clock.now += 1000
    assert bench.told == ["1", "1", "1"]
    assert bench.left() == (0, 1)


def test_what_was_given_up_on_is_not_told_after_a_later_event_of_its_track(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.behave = fails_for("1", "2", answer={**NO, "permanent": True})
    bench.add("1", "2")
    bench.run()
    bench.behave = fails_for()
    bench.add("1", version=2)
    bench.run()
    assert bench.left() == (0, 1)
    assert "1 events that were given up on are out of date now" in caplog.text
    assert bench.outbox.retry("plugin", now=bench.clock.now) == 1
    bench.run()
    assert bench.told == ["1", "2", "1", "2"]


def test_a_permanent_failure_is_given_up_on_at_once_and_trips_nothing(bench: Bench) -> None:
    bench.behave = fails_for(*map(str, range(20)), answer={**NO, "permanent": True})
    bench.add(*map(str, range(20)))
    bench.run()
    assert len(bench.told) == 20
    assert bench.left() == (0, 20)


def test_a_server_that_says_when_to_come_back_is_believed_within_bounds(bench: Bench) -> None:
    bench.behave = fails_for("1", answer={**NO, "retry_after_seconds": 30})
    bench.add("1")
    assert bench.run() == 30.0
    bench.clock.now += 30
    bench.behave = fails_for("1", answer={**NO, "retry_after_seconds": 1e9})
    assert bench.run() == 100.0


def test_a_plugin_that_keeps_failing_is_left_alone_for_longer_and_longer(bench: Bench) -> None:
    tracks = [str(number) for number in range(30)]
    bench.behave = fails_for(*tracks)
    bench.add(*tracks)
    assert bench.run() == 15.0
    assert len(bench.told) == 8
    bench.clock.now += 15.0
    assert bench.run() == 30.0
    assert len(bench.told) == 9
    bench.behave = fails_for()
    bench.clock.now += 30.0
    bench.run()
    bench.clock.now += 100.0
    bench.run()
    assert bench.left() == (0, 0)


def test_a_process_that_dies_is_replaced(bench: Bench) -> None:
    bench.behave = fails_for("1", answer=HostDied("killed"))
    bench.add("1", "2")
    bench.run()
    assert len(bench.hosts) == 2
    assert bench.left() == (1, 0)


def test_every_process_is_checked_before_its_first_event(bench: Bench) -> None:
    asked: list[str] = []

    def behave(request: Mapping[str, Any]) -> Any:
        asked.append(request["do"])
        return HostDied("killed") if asked == ["check", "event"] else None

    bench.behave = behave
    bench.add("1", "2")
    for seconds in (2.0, IDLE_HOST_SECONDS, 0.0):
        bench.run()
        bench.clock.now += seconds
    bench.add("3")
    bench.run()
    assert asked == ["check", "event", "check", "event", "event", "check", "event"]


def test_what_is_told_counts_as_delivered_when_on_idle_has_returned(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    bench.add("1", "2")
    assert bench.run() == QUIET_SECONDS
    assert bench.left() == (2, 0)
    bench.worker.flush()
    bench.run()
    assert bench.told == ["1", "2", "idle"]
    assert bench.left() == (0, 0)


def test_on_idle_waits_for_no_idleness_in_a_library_that_is_never_idle(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    names = [str(second) for second in range(0, int(FLUSH_SECONDS) + 1, 20)]
    for name in names:
        bench.add(name)
        bench.run()
        bench.clock.now += 20.0
    assert bench.told == [*names, "idle"]


def test_on_idle_comes_when_who_told_the_events_has_ended_without_a_word(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    bench.add("1")
    bench.clock.now += bench.run()
    bench.run()
    assert bench.told == ["1", "idle"]
    assert bench.left() == (0, 0)


def test_a_worker_that_is_to_finish_confirms_what_it_told_and_begins_nothing(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    bench.add("1", "2", "3")
    bench.behave = lambda _request: bench.worker.finish() if bench.told[-1:] == ["2"] else None
    assert bench.run() == math.inf
    assert bench.told == ["1", "2", "idle"]
    assert bench.left() == (1, 0)


def test_without_anything_new_on_idle_is_not_called(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    bench.worker.prepare()
    bench.worker.flush()
    bench.run()
    assert bench.told == []


def test_a_failed_on_idle_tells_everything_again_to_a_fresh_plugin(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    bench.behave = fails_for("idle")
    bench.add("1", "2")
    bench.worker.flush()
    assert bench.run() == 2.0
    assert bench.left() == (2, 0)
    bench.behave = fails_for()
    bench.clock.now += 2.0
    bench.run()
    assert [host.told for host in bench.hosts] == [["1", "2", "idle"], ["1", "2", "idle"]]
    assert bench.left() == (0, 0)


def test_a_batch_plugin_that_dies_is_told_again_what_it_had_not_confirmed(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    bench.add("1")
    bench.run()
    bench.behave = fails_for("2", answer=HostDied("killed"))
    bench.add("2")
    bench.run()
    assert [host.told for host in bench.hosts] == [["1", "2"], ["1", "idle"]]
    assert bench.left() == (1, 0)


def test_a_run_that_was_killed_leaves_nothing_untold(bench: Bench) -> None:
    bench.handlers = ("tagged", "idle")
    bench.add("1", "2")
    bench.run()
    bench.make()
    bench.worker.recover()
    bench.run()
    assert bench.told == ["1", "2", "1", "2", "idle"]
    assert bench.left() == (0, 0)


def test_events_that_the_plugin_does_not_handle_are_forgotten(bench: Bench) -> None:
    bench.add("1")
    bench.outbox.add(
        moved_event(Path("/m/1"), Path("/m/2"), cause="x", at=AT), actions=["plugin"], now=bench.clock.now
    )
    bench.run()
    assert bench.told == ["1"]
    assert bench.left() == (0, 0)
    assert not bench.worker.wants("moved")


def test_a_move_is_told_to_the_others_in_the_same_breath(bench: Bench) -> None:
    move = moved_event(Path("/m/1"), Path("/m/Rock/1"), cause="x", at=AT)
    bench.behave = fails_for("1", answer={"ok": True, "moved": event_to_json(move)})
    bench.add("1")
    bench.run()
    assert bench.moves == 1
    assert bench.left() == (0, 0)
    assert [d.event for d in bench.outbox.due("other", now=bench.clock.now, limit=9)] == [move]


def test_a_check_that_fails_is_repeated_with_patience_and_no_event_is_blamed(bench: Bench) -> None:
    def refuses(request: Mapping[str, Any]) -> Any:
        return NO if request["do"] == "check" else None

    bench.behave = refuses
    bench.add("1")
    assert bench.run() == 15.0
    assert bench.worker.plugin.status is PluginStatus.CHECK_FAILED
    bench.clock.now += 15.0
    assert bench.run() == 30.0
    assert len(bench.hosts) == 2
    bench.behave = fails_for()
    bench.clock.now += 30.0
    bench.run()
    assert bench.worker.plugin.status is PluginStatus.READY
    assert bench.told == ["1"]


def test_a_disabled_action_keeps_its_events_for_later(bench: Bench) -> None:
    bench.make(enabled=False)
    bench.add("1")
    assert bench.run() == math.inf
    assert bench.left() == (1, 0)
    assert bench.worker.wants("tagged")


def test_a_process_without_work_ends_and_the_next_event_starts_another(bench: Bench) -> None:
    bench.add("1")
    bench.run()
    bench.clock.now += IDLE_HOST_SECONDS
    bench.run()
    assert bench.hosts[0].ended
    bench.add("2")
    bench.run()
    assert [host.told for host in bench.hosts] == [["1"], ["2"]]


def test_an_event_in_hand_when_we_are_ended_is_not_to_blame(bench: Bench) -> None:
    def ends_us(_request: Mapping[str, Any]) -> Any:
        bench.worker.plugin.aborted = True
        return HostDied("killed")

    bench.add("1")
    bench.worker.prepare()
    bench.behave = ends_us
    assert bench.run() == math.inf
    (delivery,) = bench.outbox.due("plugin", now=bench.clock.now, limit=9)
    assert delivery.attempts == 0


def test_jitter_keeps_a_delay_between_half_and_all_of_it() -> None:
    backoff = Backoff(2.0, 100.0)
    assert backoff.delay(1, random=lambda: 0.0) == 1.0
    assert backoff.delay(3, random=lambda: 1.0) == 8.0
    assert backoff.delay(10_000, random=lambda: 0.5) == 75.0
