"""jsonl_log and csv_log: what is appended can be read back, whatever the names are."""

from __future__ import annotations

import csv
import json
import resource
from pathlib import Path

import pytest
from plugins_support import Start, failed, file_name, moved, tagged, unsure

from genretagd.errors import DeliveryError
from genretagd.event_json import event_from_text


def test_the_json_log_gives_back_every_event_as_it_was(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    plugin = start("jsonl_log", path=log)
    path = tmp_path / "a.mp3"
    events = [tagged(path, "Rock"), unsure(path), failed(path), moved(path, tmp_path / "b.mp3")]
    for event in events:
        plugin.tell(event)
    assert [event_from_text(line) for line in log.read_text("ascii").splitlines()] == events


def test_a_line_that_a_power_cut_left_unfinished_does_not_spoil_the_next(
    start: Start, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"version":1,"kin')
    event = tagged(tmp_path / "a.mp3", "Rock")
    start("jsonl_log", path=log).tell(event)
    assert event_from_text(log.read_text("ascii").splitlines()[1]) == event


def test_hostile_names_stay_on_their_line_of_the_json_log(start: Start, tmp_path: Path, hostile: str) -> None:
    log = tmp_path / "log.jsonl"
    event = tagged(tmp_path / file_name(hostile), hostile)
    start("jsonl_log", path=log).tell(event)
    (line,) = log.read_bytes().splitlines()
    assert event_from_text(line.decode("ascii")).path == event.path
    assert "\ud800" not in json.loads(line)["path"]
    json.loads(line)["path"].encode("utf-8")


def test_the_csv_log_has_one_header_and_a_row_per_track(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    plugin = start("csv_log", path=log)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock", "Pop", before=("Other",)))
    plugin.tell(tagged(tmp_path / "b.mp3", "Jazz"))
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["before"], row["after"], row["confidence"]) for row in rows] == [
        ("Other", "Rock; Pop", "0.8550"),
        ("", "Jazz", "0.8550"),
    ]


def test_a_row_that_a_power_cut_left_unfinished_does_not_spoil_the_next(start: Start, tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    plugin = start("csv_log", path=whole)
    plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))
    plugin.tell(tagged(tmp_path / 'one\ntwo, "three".mp3', "Rock"))
    content = whole.read_bytes()
    rows = content.splitlines(keepends=True)[:2]
    last = start("csv_log", path=tmp_path / "torn.csv")
    for length in range(len(b"".join(rows)) + 1, len(content), 7):
        if content[length - 1 : length] == b"\n":
            continue
        (tmp_path / "torn.csv").write_bytes(content[:length])
        last.tell(tagged(tmp_path / "b.mp3", "Jazz"))
        with (tmp_path / "torn.csv").open(newline="", encoding="utf-8") as file:
            found = list(csv.DictReader(file))
        assert [row["after"] for row in (found[0], found[-1])] == ["Rock", "Jazz"], length
        assert None not in found[-1]


@pytest.mark.parametrize("name", ["jsonl_log", "csv_log"])
def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing(start: Start, tmp_path: Path, name: str) -> None:
    log = tmp_path / "log"
    start(name, path=log).tell(tagged(tmp_path / "a.mp3", "Rock"))
    before = log.read_bytes()
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 40, most))  # the plugin's process inherits it
    try:
        plugin = start(name, path=log)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    with pytest.raises(DeliveryError, match="too large"):
        plugin.tell(tagged(tmp_path / "b.mp3", "Rock"))
    assert log.read_bytes() == before


def test_hostile_names_stay_in_their_cell_of_the_csv_log(start: Start, tmp_path: Path, hostile: str) -> None:
    log = tmp_path / "log.csv"
    start("csv_log", path=log).tell(tagged(tmp_path / file_name(hostile), hostile))
    with log.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert not row["after"].startswith(("=", "+", "-", "@"))
    assert row["after"].lstrip("'") == hostile.encode("utf-8", "replace").decode("utf-8")
    assert None not in row


@pytest.mark.parametrize("name", ["jsonl_log", "csv_log"])
def test_a_log_that_cannot_be_written_fails_the_check(start: Start, tmp_path: Path, name: str) -> None:
    plugin = start(name, path=tmp_path / "missing" / "log", expect_ready=False)
    assert plugin.status == "CHECK_FAILED"
    assert "cannot be written" in plugin.record().problems[0]


def test_a_log_that_vanishes_is_an_error_of_that_event(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    plugin = start("jsonl_log", path=folder / "log")
    (folder / "log").unlink()
    folder.rmdir()
    with pytest.raises(DeliveryError, match="FileNotFoundError"):
        plugin.tell(tagged(tmp_path / "a.mp3", "Rock"))


@pytest.mark.parametrize("name", ["jsonl_log", "csv_log"])
def test_nothing_is_appended_to_a_file_of_another_kind(
    start: Start, repository: Path, tmp_path: Path, name: str
) -> None:
    track = tmp_path / "song.flac"
    track.write_bytes((repository / "tests" / "data" / "formats" / "flac.flac").read_bytes())
    before = track.read_bytes()
    plugin = start(name, path=track, expect_ready=False)
    assert plugin.status == "CHECK_FAILED"
    assert "holds something else" in plugin.record().problems[0]
    assert track.read_bytes() == before


@pytest.mark.parametrize("name", ["jsonl_log", "csv_log"])
def test_a_log_is_gone_on_with(start: Start, tmp_path: Path, name: str) -> None:
    for number in range(2):
        start(name, path=tmp_path / "log").tell(tagged(tmp_path / f"{number}.mp3", "Rock"))
    assert (tmp_path / "log").read_text().count(".mp3") == 2
