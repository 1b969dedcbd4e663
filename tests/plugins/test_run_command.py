"""run_command: the program gets its values as they are, and nothing else of ours."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from plugins_support import Start, failed, file_name, tagged, unsure
from waiting import until_gone

from genretagd.errors import DeliveryError
from genretagd.event_json import event_from_text


@pytest.fixture
def tell_tale(tmp_path: Path) -> Path:
    """A program that notes its arguments, its environment and what it is given to read."""
    program = tmp_path / "tell-tale"
    program.write_text(
        f"#!{sys.executable} -S\n"
        "import json, os, sys\n"
        f"with open({str(tmp_path / 'noted')!r}, 'a') as file:\n"
        "    values = [sys.argv[1:], dict(os.environ), sys.stdin.read(), os.getcwd()]\n"
        "    file.write(json.dumps(values) + '\\n')\n"
        "print('said')\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def noted(tmp_path: Path) -> list[tuple[list[str], dict[str, str], str, str]]:
    path = tmp_path / "noted"
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_values_of_the_event_are_arguments(start: Start, tmp_path: Path, tell_tale: Path) -> None:
    command = [str(tell_tale), "--genre={genre}", "{path}", "{genres}/{before}", "{confidence}", "plain"]
    plugin = start("run_command", command=command)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock", "Pop", before=("Other",)))
    assert noted(tmp_path)[0][0] == [
        "--genre=Rock",
        str(tmp_path / "a.mp3"),
        "Rock;Pop/Other",
        "0.8550",
        "plain",
    ]


def test_the_event_is_json_on_standard_input_where_wanted(
    start: Start, tmp_path: Path, tell_tale: Path
) -> None:
    plugin = start("run_command", command=[str(tell_tale)], stdin="json")
    event = tagged(tmp_path / "a.mp3", "Rock")
    plugin.tell(event)
    assert event_from_text(noted(tmp_path)[0][2]) == event


def test_the_environment_holds_what_was_asked_for_and_nothing_of_ours(
    start: Start, tmp_path: Path, tell_tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVATE_TOKEN", "s3cr3t-value")
    monkeypatch.setenv("OTHER", "theirs")
    plugin = start(
        "run_command",
        command=[str(tell_tale)],
        environment={"MODE": "quiet"},
        secrets={"TOKEN": "env:PRIVATE_TOKEN"},
        directory=tmp_path,
    )
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    _, environment, given, directory = noted(tmp_path)[0]
    assert given == ""
    assert directory == str(tmp_path)
    assert environment.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # the interpreter's own
    assert environment == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": os.environ["HOME"],
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "MODE": "quiet",
        "TOKEN": "s3cr3t-value",
    }


def test_only_the_events_that_were_asked_for_run_it(start: Start, tmp_path: Path, tell_tale: Path) -> None:
    plugin = start("run_command", command=[str(tell_tale), "{kind}"], events=["failed", "unsure"])
    for event in (tagged(tmp_path / "a", "Rock"), unsure(tmp_path / "a"), failed(tmp_path / "a")):
        plugin.tell(event)
    assert [arguments for arguments, *_ in noted(tmp_path)] == [["unsure"], ["failed"]]


def test_an_exit_status_other_than_0_is_a_failure(start: Start, tmp_path: Path) -> None:
    plugin = start("run_command", command=["false"])
    with pytest.raises(DeliveryError, match="false: exit status 1"):
        plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))


def test_a_program_that_hangs_is_ended_with_all_it_started(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "hang.sh"
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    plugin = start("run_command", command=[str(script)], time_limit_seconds=2)
    with pytest.raises(DeliveryError, match=r"took longer than 2 s and was ended"):
        plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    until_gone(int((tmp_path / "child").read_text()))


def test_a_program_that_is_not_there_fails_the_check(start: Start) -> None:
    plugin = start("run_command", command=["no-such-program"], expect_ready=False)
    assert plugin.record().problems == ("no-such-program: no such program, write its whole path",)


def test_a_program_cannot_come_from_an_event(start: Start) -> None:
    plugin = start("run_command", command=["{path}"], expect_ready=False)
    assert plugin.status == "CONFIG_INVALID"


def test_hostile_names_arrive_as_they_are(
    start: Start, tmp_path: Path, tell_tale: Path, hostile: str
) -> None:
    plugin = start("run_command", command=[str(tell_tale), "--genre={genre}", "--", "{path}"])
    path = tmp_path / file_name(hostile)
    plugin.tell(tagged(path, hostile))
    genre = hostile.encode("utf-8", "replace").decode("utf-8")
    assert noted(tmp_path)[0][0] == [f"--genre={genre}", "--", str(path)]
    assert not (tmp_path / "pwned").exists()


def test_a_value_is_never_an_option_of_the_program(start: Start, tmp_path: Path, tell_tale: Path) -> None:
    plugin = start("run_command", command=[str(tell_tale), "{genre}"])
    with pytest.raises(DeliveryError, match="begins with a dash") as caught:
        plugin.tell(tagged(tmp_path / "a.mp3", "-rf"))
    assert caught.value.permanent
    assert noted(tmp_path) == []
