from __future__ import annotations

import plistlib
import re
import sys

import pytest

from genretagd.cli.common import ledger_path
from genretagd.config import Config


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


def test_the_systemd_unit_asks_for_nothing_that_takes_capabilities_which_a_users_manager_has_not(units):
    found = dict(settings((units / "genretagd.service").read_text()))
    takes = "ProtectClock ProtectKernelLogs ProtectKernelModules PrivateDevices CapabilityBoundingSet"
    assert not set(takes.split()) & set(found), "the service would not start: status=218/CAPABILITIES"


@pytest.mark.skipif(sys.platform != "linux", reason="the state directory of other systems is elsewhere")
def test_systemd_lets_the_daemon_write_its_state_at_the_first_start(units, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    state = "%h/" + str(ledger_path(Config()).parent.relative_to(tmp_path))
    found = settings((units / "genretagd.service").read_text())
    assert ("ExecStartPre", f"+/bin/mkdir -p {state}") in found
    assert ("ReadWritePaths", f"-{state}") in found


def test_the_files_of_the_example_configuration_can_be_written_by_the_service(units, repository):
    found = settings((units / "genretagd.service").read_text())
    writable = tuple(value.lstrip("-").replace("%h", "~") for key, value in found if key == "ReadWritePaths")
    example = (repository / "config.example.toml").read_text(encoding="utf-8")
    files = re.findall(r'^# (?:path|ledger) = "(~.+)"$', example, re.MULTILINE)
    assert files
    assert [file for file in files if not file.startswith(writable)] == []


@pytest.mark.parametrize(
    "name", ["NoNewPrivileges", "ProtectSystem", "PrivateTmp", "ProtectHome", "SystemCallFilter"]
)
def test_the_systemd_unit_is_hardened(units, name):
    assert name in dict(settings((units / "genretagd.service").read_text()))


def test_the_launchd_agent_is_a_property_list_that_starts_the_daemon(units):
    found = plistlib.loads((units / "genretagd.plist").read_bytes())
    assert found["ProgramArguments"][1] == "watch"
    assert found["KeepAlive"] == {"SuccessfulExit": False}
