from __future__ import annotations

import plistlib

import pytest


@pytest.fixture
def units(repository):
    return repository / "docs" / "service"


def settings(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    return [tuple(line.split("=", 1)) for line in lines]


def test_systemd_is_told_readiness_and_life_as_the_daemon_tells_them(units):
    found = dict(settings((units / "genretagd.service").read_text()))
    assert found["Type"] == "notify"
    assert int(found["WatchdogSec"]) > 60, "the daemon pings every 30 s at most"
    assert found["ExecStart"].split()[:2] == ["%h/.local/bin/genretagd", "watch"]
    assert "HUP" in found["ExecReload"]


def test_systemd_does_not_start_again_what_cannot_start(units):
    found = dict(settings((units / "genretagd.service").read_text()))
    assert found["RestartPreventExitStatus"].split() == ["2", "3"]


@pytest.mark.parametrize(
    "name", ["NoNewPrivileges", "ProtectSystem", "PrivateTmp", "ProtectHome", "SystemCallFilter"]
)
def test_the_systemd_unit_is_hardened(units, name):
    assert name in dict(settings((units / "genretagd.service").read_text()))


def test_the_launchd_agent_is_a_property_list_that_starts_the_daemon(units):
    found = plistlib.loads((units / "genretagd.plist").read_bytes())
    assert found["ProgramArguments"][1] == "watch"
    assert found["KeepAlive"] == {"SuccessfulExit": False}
