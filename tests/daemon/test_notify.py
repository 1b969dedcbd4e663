from __future__ import annotations

import os
import socket

import pytest

from genretagd.daemon.notify import Supervisor


@pytest.fixture
def systemd(tmp_path):
    """Stand in for systemd's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        yield server


def test_the_supervisor_is_told_when_the_daemon_is_ready(systemd):
    Supervisor({"NOTIFY_SOCKET": systemd.getsockname()}).ready("watching 2 directories")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=watching 2 directories"


@pytest.mark.parametrize(
    ("method", "message"), [("ping", b"WATCHDOG=1"), ("stopping", b"STOPPING=1")], ids=["ping", "stopping"]
)
def test_the_supervisor_hears_that_we_live_and_that_we_end(systemd, method, message):
    getattr(Supervisor({"NOTIFY_SOCKET": systemd.getsockname()}), method)()
    assert systemd.recv(1000) == message


def test_pings_are_due_at_half_the_time_systemd_allows():
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert Supervisor(environment).ping_seconds == 15.0


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "1"}, {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}],
    ids=["none", "no socket", "another process"],
)
def test_nobody_is_pinged_who_did_not_ask(environment):
    assert Supervisor(environment).ping_seconds is None


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nowhere-at-all"])
def test_a_supervisor_that_is_not_there_does_no_harm(address):
    Supervisor({"NOTIFY_SOCKET": address}).ready("x")
