"""The whole daemon over real files and a real ledger, with a pipeline that only pretends."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from genretagd import logs
from genretagd.config import Config
from genretagd.config.schema import LibraryConfig, MetricsConfig, WatchConfig
from genretagd.daemon.lock import InstanceLock, instances
from genretagd.daemon.notify import Supervisor
from genretagd.daemon.service import Parts, Service
from genretagd.daemon.status import read_status
from genretagd.domain import Outcome, Status
from genretagd.errors import ConfigError, ModelError, UsageError
from genretagd.ledger.database import Database
from genretagd.ledger.versions import Versions


class PretendEngine:
    """Finds every track kept, at once."""

    threads = 2
    ready = True

    def __init__(self, bundle="bundle 1") -> None:
        self.bundle = bundle
        self.processed: list[str] = []
        self.hold: threading.Event | None = None
        self.warm_error: Exception | None = None
        self.killed = False

    def process(self, path: Path, /, *, tell) -> Outcome:
        self.processed.append(path.name)
        if self.hold:
            self.hold.wait(60)
        return Outcome(path, Status.KEPT, reason="has a genre", code="has genre")

    def policy_of(self, _path) -> str:
        return "policy"

    def warm(self) -> None:
        if self.warm_error:
            raise self.warm_error

    def rest(self) -> None:
        pass

    def kill(self) -> None:
        self.killed = True
        if self.hold:
            self.hold.set()


class PretendActions:
    """Tells nobody."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self) -> None:
        self.said.append("start")

    def tell(self, _event) -> None:
        pass

    def records(self) -> tuple[()]:
        return ()

    def close(self, *, drain_seconds) -> None:
        self.said.append("close")


class Household:
    """A daemon and what it works with."""

    def __init__(self, folder: Path) -> None:
        self.music = folder / "music"
        self.music.mkdir()
        self.ledger = folder / "state" / "ledger.sqlite3"
        self.config = Config(watch=WatchConfig(roots=(self.music,), settle_seconds=0.05))
        self.engines: list[PretendEngine] = [PretendEngine()]
        self.made = 0
        self.error: Exception | None = None
        self.actions: list[PretendActions] = []

    def service(self, **options) -> Service:
        return Service(
            Parts(
                read_config=self.read,
                ledger=self.ledger,
                make_engine=self.make,
                make_actions=lambda _config, _database: self.actions.pop(0) if self.actions else None,
                recover=lambda _engine, _actions: None,
            ),
            **options,
        )

    def read(self) -> Config:
        if self.error:
            raise self.error
        return self.config

    def make(self, _config, _database) -> PretendEngine:
        self.made += 1
        return self.engines[min(self.made, len(self.engines)) - 1]

    def run(self, *steps, service=None) -> int:
        """Run the daemon here, while the steps, in a thread, wait for what they wait for and then stop it."""
        service = service or self.service()
        failures: list[BaseException] = []

        def follow() -> None:
            try:
                for step in steps:
                    step(service)
            except BaseException as exc:  # noqa: BLE001 - it is raised again in the test's own thread
                failures.append(exc)
            finally:
                service.ask("stop")

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            status = service.run()
        finally:
            thread.join()
        if failures:
            raise failures[0]
        return status

    def status(self) -> dict:
        for instance in instances(self.ledger.parent / "instances"):
            return read_status(instance.status_file) or {}
        return {}


@pytest.fixture
def household(tmp_path):
    yield Household(tmp_path)
    logger = logging.getLogger(logs.NAME)
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
    logger.propagate = True


def until(condition, limit=20.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.01)


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


def test_a_reload_takes_a_new_model_which_opens_every_file_again(household):
    household.engines.append(PretendEngine("bundle 2"))
    (household.music / "a.mp3").write_bytes(b"x")

    def step(service):
        until(lambda: household.engines[0].processed == ["a.mp3"])
        os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: household.engines[1].processed == ["a.mp3"])

    assert household.run(step) == 0


def test_a_reload_with_a_bad_configuration_changes_nothing(household):
    def step(service):
        until(lambda: household.status().get("state") == "running")
        household.error = ConfigError(["config.toml:3: watch.mod: unknown"])
        service.ask("reload")
        service.ask("report")
        (household.music / "a.mp3").write_bytes(b"x")
        until(lambda: household.engines[0].processed == ["a.mp3"])

    assert household.run(step) == 0
    assert household.made == 1


def test_a_reload_that_is_refused_late_leaves_everything_as_it_was(household):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        household.engines.append(PretendEngine("bundle 2"))
        household.actions = old, new = [PretendActions(), PretendActions()]

        def step(service):
            until(lambda: household.status().get("state") == "running")
            household.config = replace(household.config, metrics=MetricsConfig(metrics_port=port))
            service.ask("reload")
            until(lambda: new.said)
            assert (old.said, new.said) == (["start"], ["close"])
            (household.music / "a.mp3").write_bytes(b"x")
            until(lambda: household.engines[0].processed == ["a.mp3"])

        assert household.run(step) == 0
    assert household.engines[1].killed
    assert not household.engines[1].processed


def test_nothing_that_a_new_configuration_does_ends_the_daemon(household, capfd):
    def step(service):
        until(lambda: household.status().get("state") == "running")
        household.error = TypeError("cannot be that")
        service.ask("reload")
        (household.music / "a.mp3").write_bytes(b"x")
        until(lambda: household.engines[0].processed == ["a.mp3"])

    logs.start_logging()
    assert household.run(step) == 0
    assert "not reloaded: unexpected TypeError" in capfd.readouterr().err


def test_a_reload_drops_what_is_queued_and_not_wanted_any_more(household):
    old, new = household.engines = [PretendEngine(), PretendEngine()]
    old.hold = threading.Event()
    for name in "abcdef":
        (household.music / f"{name}.mp3").write_bytes(name.encode())

    def step(service):
        until(lambda: household.status().get("queue", {}).get("waiting") == 4)
        household.config = replace(household.config, library=LibraryConfig(ignore=("*.mp3",)))
        service.ask("reload")
        until(lambda: household.made == 2)
        (household.music / "g.flac").write_bytes(b"x")
        until(lambda: "g.flac" in new.processed)

    assert household.run(step) == 0
    assert len(old.processed) == old.threads
    assert new.processed == ["g.flac"]


def test_a_reload_may_add_and_remove_roots(household, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.mp3").write_bytes(b"x")

    def step(service):
        until(lambda: household.status().get("state") == "running")
        household.config = replace(household.config, watch=replace(household.config.watch, roots=(other,)))
        service.ask("reload")
        until(lambda: "b.mp3" in household.engines[0].processed)

        for refused, taken in ((str(other), True), (str(household.music), False)):
            with pytest.raises(UsageError) if taken else nullcontext():
                InstanceLock(household.ledger.parent / "instances", [refused]).discard()

    assert household.run(step) == 0
    assert [root["path"] for root in household.status()["roots"]] == [str(other)]
    assert len(instances(household.ledger.parent / "instances")) == 1


def test_a_reload_to_a_root_that_another_daemon_watches_is_refused(household, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.mp3").write_bytes(b"x")
    (household.music / "a.mp3").write_bytes(b"x")
    done = household.engines[0].processed

    def step(service):
        until(lambda: done == ["a.mp3"])
        lock = InstanceLock(household.ledger.parent / "instances", [str(other)])
        try:
            watch = replace(household.config.watch, roots=(household.music, other))
            household.config = replace(household.config, watch=watch)
            service.ask("reload")
            (household.music / "c.mp3").write_bytes(b"x")
            until(lambda: done == ["a.mp3", "c.mp3"])
        finally:
            lock.release()

    assert household.run(step) == 0


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
