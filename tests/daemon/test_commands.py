"""`genretagd watch` and `genretagd status` as processes, over a real track and the small test bundle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def genretagd(repository, state):
    """Return a function that gives the command line for a command with the test's own ledger."""

    def command(*arguments) -> list[str]:
        return [
            sys.executable,
            "-m",
            "genretagd",
            *map(str, arguments),
            "--ledger",
            str(state / "ledger.sqlite3"),
        ]

    return command


def run(command, repository):
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=100, check=False)


def test_status_of_a_daemon_that_never_ran_says_so(genretagd, repository):
    assert "not running" in run(genretagd("status"), repository).stdout
    assert json.loads(run(genretagd("status", "--json"), repository).stdout)["running"] is False


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "no directory"),
        (("--settle-seconds", "-1", "."), 2, "settle-seconds"),
        (("--bundle", "/nowhere", "."), 3, "/nowhere"),
    ],
    ids=["no root", "bad option", "no model"],
)
def test_what_cannot_start_says_why_and_exits_with_its_status(  # noqa: PLR0917 - a table's columns
    genretagd,
    repository,
    tmp_path,
    arguments,
    status,
    message,
):
    command = genretagd("watch", *(str(tmp_path) if argument == "." else argument for argument in arguments))
    done = run(command, repository)
    assert (done.returncode, message in done.stderr) == (status, True), done.stderr


def test_a_track_is_tagged_while_the_daemon_runs_and_it_ends_within_five_seconds(
    genretagd, repository, tmp_path
):
    music = tmp_path / "music"
    music.mkdir()
    bundle = repository / "tests" / "data" / "tiny-bundle"
    options = ("--settle-seconds", 0.1, "--bundle", bundle, "--min-confidence", 0, "--log-format", "json")
    with subprocess.Popen(
        genretagd("watch", music, *options), cwd=repository, stderr=subprocess.PIPE
    ) as daemon:
        timer = threading.Timer(100, daemon.kill)
        timer.start()
        events = (json.loads(line) for line in daemon.stderr)
        assert next(events)["event"] == "started"
        shutil.copyfile(repository / "tests" / "data" / "formats" / "flac.flac", music / "a.flac")
        line = next(event for event in events if event["event"] == "track")
        assert (line["status"], line["path"]) == ("tagged", os.fspath(music / "a.flac"))
        for _ in range(20):  # the status is up to a second old
            report = json.loads(run(genretagd("status", "--json"), repository).stdout)
            if report["daemons"][0]["roots"][0]["healthy"] and report["daemons"][0]["files"]:
                break
        assert report["running"]
        assert report["daemons"][0]["roots"][0]["healthy"]
        assert report["daemons"][0]["files"] == {"tagged": 1}
        stopped = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
        assert time.monotonic() - stopped < 5
        timer.cancel()
    report = json.loads(run(genretagd("status", "--json"), repository).stdout)
    assert not report["running"]
    assert report["ledger"]["files"] == {"tagged": 1}
    assert "stopped" in run(genretagd("status"), repository).stdout


def test_a_reload_to_another_ledger_is_refused(repository, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('ledger.ledger = "one.sqlite3"')
    bundle = repository / "tests" / "data" / "tiny-bundle"
    command = [sys.executable, "-m", "genretagd", "watch", tmp_path, "--config", config, "--bundle", bundle]
    with subprocess.Popen(
        [*command, "--log-format", "json"], cwd=repository, stderr=subprocess.PIPE
    ) as daemon:
        timer = threading.Timer(100, daemon.kill)
        timer.start()
        events = (json.loads(line) for line in daemon.stderr)
        assert next(events)["event"] == "started"
        config.write_text('ledger.ledger = "other.sqlite3"')
        daemon.send_signal(signal.SIGHUP)
        told = f"{tmp_path / 'one.sqlite3'} is in use, restart to use {tmp_path / 'other.sqlite3'}"
        assert next(events)["message"] == f"not reloaded: ledger: {told}"
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
        timer.cancel()
