"""The whole daemon: its start, its work and its end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from household import PretendEngine
from waiting import until

from genretagd.daemon.lock import InstanceLock, instances
from genretagd.daemon.notify import Supervisor
from genretagd.errors import LedgerError, ModelError, UsageError
from genretagd.ledger.database import Database
from genretagd.ledger.versions import Versions


def test_files_that_are_there_and_files_that_come_are_processed_once(household):
    (household.music / "old.mp3").write_bytes(b"x")
    done = household.engines[0].processed

    def more(_service):
        until(lambda: done == ["old.mp3"])
        (household.music / "new.mp3").write_bytes(b"x")
        until(lambda: done == ["old.mp3", "new.mp3"])

    assert household.run(more) == 0
    assert household.run(lambda _service: until(lambda: household.status().get("state") == "running")) == 0
    assert done == ["old.mp3", "new.mp3"]


def test_the_status_file_tells_what_was_done_and_that_it_ended(household):
    (household.music / "a.mp3").write_bytes(b"x")
    household.run(lambda _service: until(lambda: household.engines[0].processed))
    status = household.status()
    assert status["state"] == "stopping"
    assert status["files"] == {"kept": 1}
    assert status["roots"][0]["path"] == str(household.music)


def test_what_was_wrong_is_a_problem_no_more_once_no_file_waits_for_it(household, monkeypatch):
    monkeypatch.setattr("genretagd.daemon.desk.PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("genretagd.daemon.service.TICK_SECONDS", 0.1)
    monkeypatch.setattr("genretagd.daemon.service.STATUS_SECONDS", 0.0)
    track = household.music / "a.mp3"
    track.write_bytes(b"x")
    household.engines[0].error = LedgerError("the disk is full")

    def step(_service):
        until(lambda: household.status().get("problem") == "the disk is full")
        track.unlink()
        until(lambda: household.status().get("problem") is None)

    household.run(step)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(household, number):
    def step(_service):
        until(lambda: household.made)
        os.kill(os.getpid(), number)
        until(lambda: household.status().get("state") == "stopping")

    before = signal.getsignal(number)
    assert household.run(step) == 0
    assert signal.getsignal(number) is before


def test_a_file_in_hand_that_does_not_finish_is_dropped_within_five_seconds_and_taken_up_again(household):
    engine = household.engines[0]
    engine.hold = threading.Event()
    engine.kill = lambda: None
    (household.music / "a.mp3").write_bytes(b"x")
    started = []

    def step(_service):
        until(lambda: engine.processed)
        started.append(time.monotonic())

    assert household.run(step) == 0
    assert time.monotonic() - started[0] < 5
    engine.hold.set()
    household.engines = [PretendEngine()]
    household.made = 0
    household.run(lambda _service: until(lambda: household.engines[0].processed == ["a.mp3"]))


def test_a_second_daemon_for_the_same_root_is_refused(household):
    def step(_service):
        until(lambda: household.status().get("state") == "running")
        with pytest.raises(UsageError, match="watches"):
            InstanceLock(household.ledger.parent / "instances", [str(household.music)])

    assert household.run(step) == 0


def test_without_a_model_it_does_not_start_and_leaves_nothing_locked(household):
    household.engines[0].warm_error = ModelError("no model")
    with pytest.raises(ModelError):
        household.run()
    household.engines[0].warm_error = None
    assert household.run() == 0


def test_the_supervisor_hears_of_the_start_and_of_the_end(household):
    class Ears(Supervisor):
        def __init__(self):
            super().__init__({})
            self.heard = []

        def _send(self, *lines):
            self.heard += [line.split("=")[0] for line in lines]

    ears = Ears()
    household.run(service=household.service(supervisor=ears))
    assert ears.heard.index("READY") < ears.heard.index("STOPPING")


def test_no_thread_and_no_descriptor_outlives_it(household):
    (household.music / "a.mp3").write_bytes(b"x")
    household.run()
    threads, descriptors = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        household.run(lambda _service: until(lambda: household.status().get("state") == "running"))
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_what_was_done_is_in_the_ledger(household):
    (household.music / "a.mp3").write_bytes(b"x")
    household.run(lambda _service: until(lambda: household.status().get("files") == {"kept": 1}))
    database = Database(household.ledger, read_only=True)
    assert Versions(database).counts() == {"kept": 1}
    database.close()


def test_the_status_file_is_one_json_object(household):
    household.run(lambda _service: until(lambda: household.status().get("state") == "running"))
    (instance,) = instances(household.ledger.parent / "instances")
    assert json.loads(instance.status_file.read_text())["schema"] == 1
