"""The whole daemon, when the configuration is read again and when what is passed over changes."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import nullcontext
from dataclasses import replace

import pytest
from household import PretendActions, PretendEngine
from waiting import until

from genretagd import logs
from genretagd.config.schema import LibraryConfig, MetricsConfig
from genretagd.daemon.crew import Crew
from genretagd.daemon.lock import InstanceLock, instances
from genretagd.errors import ConfigError, UsageError


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


def test_a_folder_that_is_to_be_passed_over_is_so_though_its_files_are_queued_already(household):
    [engine] = household.engines
    engine.hold = threading.Event()
    for folder in ("one", "two"):
        (household.music / folder).mkdir()
        for name in "abcd":
            (household.music / folder / f"{folder}-{name}.mp3").write_bytes(name.encode())

    def step(_service):
        until(lambda: household.status().get("queue", {}).get("waiting") == 6)
        begun = set(engine.processed)
        (household.music / "two" / ".nomedia").touch()
        engine.hold.set()
        until(lambda: {f"one-{name}.mp3" for name in "abcd"} <= set(engine.processed))
        until(lambda: household.status()["queue"]["waiting"] == household.status()["queue"]["in_hand"] == 0)
        assert {name for name in engine.processed if name.startswith("two")} <= begun

    assert household.run(step) == 0


def test_what_the_old_model_judges_during_a_reload_does_not_count_as_judged_by_the_new(
    household, monkeypatch
):
    household.engines.append(PretendEngine("bundle 2"))
    judged_by = []
    renew = Crew.renew

    def renewing(crew, engine):
        judged_by.append(service._judging(str(household.music / "a.mp3")).bundle)
        renew(crew, engine)

    monkeypatch.setattr(Crew, "renew", renewing)
    service = household.service()

    def step(service):
        until(lambda: household.status().get("state") == "running")
        service.ask("reload")
        until(lambda: judged_by)

    assert household.run(step, service=service) == 0
    assert judged_by == ["bundle 1"]


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
