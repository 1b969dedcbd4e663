"""`genretagd plugins`: what is listed, tried by hand and tried again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from genretagd.event_json import event_to_text
from genretagd.events import TrackTagged
from genretagd.ledger.database import Database
from genretagd.ledger.outbox import Outbox

NOTE = '''
from dataclasses import dataclass
from pathlib import Path
from genretagd.api import DeliveryError, TrackTagged

@dataclass(frozen=True)
class Note:
    """Note every track."""
    api_version = "1.0"
    log: Path
    def on_tagged(self, event: TrackTagged) -> None:
        if not self.log.parent.is_dir():
            raise DeliveryError("nowhere to write", permanent=True)
        with self.log.open("a") as file:
            print(event.path.name, file=file)
'''


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o700)
    (folder / "note.py").write_text(NOTE)
    (folder / "note.py").chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text(
        f'[plugins]\ndirectories = ["{folder}"]\n'
        f'[ledger]\nledger = "{tmp_path}/ledger.sqlite3"\n'
        f'[[actions]]\nuse = "note"\nlog = "{tmp_path}/out/log"\n'
    )
    return path


def event(number: int = 1) -> TrackTagged:
    return TrackTagged(f"key-{number}", datetime.now(UTC), Path(f"/m/{number}.mp3"), (), ("Rock",), 0.9)


def with_dead_letter(config: Path) -> None:
    database = Database(config.parent / "ledger.sqlite3")
    outbox = Outbox(database)
    outbox.add(event(), actions=["note"], now=time.time())
    (delivery,) = outbox.due("note", now=time.time(), limit=1)
    outbox.failed(delivery.id, error="nowhere to write", due_at=None)
    database.close()


def test_every_plugin_is_listed_with_its_origin_options_and_status(
    genretagd: Callable[..., Any], config: Path
) -> None:
    result = genretagd("plugins", "--config", config)
    assert result.status == 0
    assert f"READY            directory: {config.parent}/plugins/note.py" in result.out
    assert "Note every track." in result.out
    assert f'log = "{config.parent}/out/log"  (path, required)' in result.out
    assert "not configured   shipped:" in result.out
    assert "    relative: true or false, default true" in result.out


def test_the_list_is_json_where_wanted(genretagd: Callable[..., Any], config: Path) -> None:
    with_dead_letter(config)
    found = genretagd("plugins", "--json", "--config", config).objects
    note = next(entry for entry in found if entry["name"] == "note")
    assert (note["status"], note["given_up"], note["last_error"]) == ("READY", 1, "nowhere to write")
    assert len(found) >= 13


def test_what_is_wrong_is_listed_beside_what_is_right(genretagd: Callable[..., Any], config: Path) -> None:
    with config.open("a") as file:
        file.write('[[actions]]\nuse = "nota"\n[[actions]]\nuse = "csv_log"\npth = "x"\n')
        file.write('[[actions]]\nuse = "jsonl_log"\npath = "/x"\nenabled = false\n')
    result = genretagd("plugins", "--config", config)
    assert result.status == 1
    assert 'no plugin is named "nota" (did you mean "note"?)' in result.out
    assert "csv_log            CONFIG_INVALID" in result.out
    assert 'actions.csv_log.pth: unknown option (did you mean "path"?)' in result.out
    assert "actions.csv_log.path: is missing" in result.out
    assert "jsonl_log          DISABLED" in result.out
    assert "note               READY" in result.out


@pytest.mark.parametrize("flags", [[], ["--json"], ["--json", "--no-check"]], ids=" ".join)
def test_a_secret_that_was_written_as_itself_is_not_shown(
    genretagd: Callable[..., Any], config: Path, flags: list[str]
) -> None:
    with config.open("a") as file:
        file.write('[[actions]]\nuse = "webhook"\nurl = "http://localhost"\ntoken = "hush-hush"\n')
    result = genretagd("plugins", *flags, "--config", config)
    assert "webhook" in result.out
    assert "hush-hush" not in result.out + result.err


def test_events_of_an_action_that_is_no_longer_there_are_told_of(
    genretagd: Callable[..., Any], config: Path
) -> None:
    database = Database(config.parent / "ledger.sqlite3")
    Outbox(database).add(event(), actions=["bygone"], now=1.0)
    database.close()
    assert (
        "bygone             no longer configured, 1 events wait"
        in genretagd("plugins", "--config", config).out
    )
    assert (
        "bygone: 1 events forgotten"
        in genretagd("plugins", "retry", "bygone", "--drop", "--config", config).out
    )
    assert "bygone" not in genretagd("plugins", "--config", config).out


def test_a_plugin_is_tried_by_hand(genretagd: Callable[..., Any], config: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "event.json").write_text(event_to_text(event(7)))
    (tmp_path / "short.json").write_text(
        json.dumps({"kind": "tagged", "path": "/m/8.mp3", "before": [], "after": ["Rock"]})
    )
    for arguments in (["--event", tmp_path / "event.json"], ["--event", tmp_path / "short.json"], []):
        result = genretagd("plugins", "test", "note", *arguments, "--config", config)
        assert (result.status, result.out) == (0, "note: tagged: done\n")
    assert (tmp_path / "out" / "log").read_text().split() == ["7.mp3", "8.mp3", "track.mp3"]


def test_a_path_in_an_event_is_as_seen_from_where_we_are(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with config.open("a") as file:
        file.write(f'[[actions]]\nuse = "jsonl_log"\npath = "{tmp_path}/events"\n')
    (tmp_path / "event.json").write_text(
        '{"kind": "tagged", "path": "a.mp3", "before": [], "after": ["Rock"]}'
    )
    monkeypatch.chdir(tmp_path)
    assert genretagd("plugins", "test", "jsonl_log", "--event", "event.json", "--config", config).status == 0
    assert json.loads((tmp_path / "events").read_text())["path"] == str(tmp_path / "a.mp3")


def test_a_track_that_is_moved_by_hand_can_still_be_undone(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path, album: Path
) -> None:
    with config.open("a") as file:
        file.write(f'[[actions]]\nuse = "organize"\nroot = "{tmp_path}"\nenabled = false\n')
    track = min(album.glob("*.mp3"))
    assert genretagd("tag", "--min-confidence", "0", "--config", config, track).status == 0
    (tmp_path / "event.json").write_text(
        json.dumps({"kind": "tagged", "path": str(track), "before": [], "after": ["Rock"]})
    )
    result = genretagd("plugins", "test", "organize", "--event", tmp_path / "event.json", "--config", config)
    assert (result.status, track.exists()) == (0, False), result.err
    result = genretagd("undo", "--config", config, tmp_path / "Rock")
    assert (result.status, "1 undone" in result.out) == (0, True), result.out


def test_a_plugin_that_cannot_begin_says_why_once(
    genretagd: Callable[..., Any], config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (config.parent / "plugins" / "broken.py").write_text("import nonesuch\n")
    result = genretagd("plugins", "test", "broken", "--config", config)
    assert result.status == 2
    assert (caplog.text + result.out + result.err).count("No module named 'nonesuch'") == 1


def test_a_plugin_that_fails_by_hand_says_why(genretagd: Callable[..., Any], config: Path) -> None:
    result = genretagd("plugins", "test", "note", "--config", config)
    assert (result.status, result.out) == (1, "note: failed: nowhere to write\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "nope: no such action or plugin (did you mean"),
        (["webhook"], "actions.webhook: url: write either url"),
        (["note", "--event", "no-such-file"], "no-such-file: no event"),
        (["note", "--event", "EVENT"], "kind must be one of"),
    ],
)
def test_what_cannot_be_tried_is_a_usage_error(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "wrong.json").write_text("{}")
    arguments = [str(tmp_path / "wrong.json") if part == "EVENT" else part for part in arguments]
    result = genretagd("plugins", "test", *arguments, "--config", config)
    assert result.status == 2
    assert message in result.err


def test_dead_letters_are_listed_and_tried_again(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path
) -> None:
    with_dead_letter(config)
    assert genretagd("plugins", "retry", "--list", "--config", config).out == (
        "note: tagged /m/1.mp3: nowhere to write\n"
    )
    result = genretagd("plugins", "retry", "--config", config)
    assert (result.status, result.out) == (1, "1 events are to be told\n1 events are left\n")
    (tmp_path / "out").mkdir()
    result = genretagd("plugins", "retry", "note", "--config", config)
    assert (result.status, result.out) == (0, "1 events are to be told\nall are delivered\n")
    assert (tmp_path / "out" / "log").read_text() == "1.mp3\n"


def with_events(config: Path, *actions: str, due_at: float = 1.0) -> None:
    database = Database(config.parent / "ledger.sqlite3")
    outbox = Outbox(database)
    outbox.add(event(), actions=actions, now=due_at)
    database.close()


def test_what_waits_to_be_tried_again_later_is_told_now(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path
) -> None:
    with_events(config, "note", due_at=time.time() + 3600)
    (tmp_path / "out").mkdir()
    result = genretagd("plugins", "retry", "--config", config)
    assert (result.status, result.out) == (0, "1 events are to be told\nall are delivered\n")
    assert (tmp_path / "out" / "log").read_text() == "1.mp3\n"
    assert genretagd("plugins", "retry", "--config", config).out == "there is nothing to tell\n"


def test_what_others_are_yet_to_be_told_is_not_counted(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path
) -> None:
    with config.open("a") as file:
        file.write(f'[[actions]]\nuse = "note"\nname = "off"\nenabled = false\nlog = "{tmp_path}/off"\n')
    with_events(config, "note", "bygone", "off")
    (tmp_path / "out").mkdir()
    result = genretagd("plugins", "retry", "note", "--config", config)
    assert (result.status, result.out) == (0, "1 events are to be told\nall are delivered\n")
    for name, why in (("bygone", "no longer configured"), ("off", "is switched off")):
        result = genretagd("plugins", "retry", name, "--config", config)
        assert (result.status, result.out.startswith(f"{name}: {why}, 1 events wait")) == (1, True)
    result = genretagd("plugins", "retry", "--config", config)
    assert (result.status, result.out.splitlines()[-1]) == (0, "there is nothing to tell")


def test_without_a_ledger_there_is_nothing_to_retry(genretagd: Callable[..., Any], config: Path) -> None:
    assert genretagd("plugins", "retry", "--config", config).status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retry", "--drop"], "needs the name"),
        (["retry", "note", "--drop", "--list"], "exclude one another"),
        (["retry", "not"], 'not: no such action (did you mean "note"?)'),
        (["retry", "not", "--list"], "not: no such action"),
        (["retry", "not", "--drop"], "not: no such action"),
        (["--json", "retry"], "--json: belongs to the list of plugins, not to retry"),
        (["--no-check", "test", "note"], "--no-check: belongs to the list of plugins, not to test"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_and_forgets_nothing(
    genretagd: Callable[..., Any], config: Path, arguments: list[str], message: str
) -> None:
    with_dead_letter(config)
    result = genretagd("plugins", *arguments, "--config", config)
    assert (result.status, message in result.err) == (2, True), result.err
    assert genretagd("plugins", "retry", "--list", "--config", config).out.startswith("note: ")


def test_options_may_stand_before_the_subcommand(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path
) -> None:
    with_dead_letter(config)
    (tmp_path / "ledger.sqlite3").rename(tmp_path / "other.sqlite3")
    with_dead_letter(config)
    other = ["--ledger", tmp_path / "other.sqlite3"]
    result = genretagd("plugins", "--config", config, *other, "retry", "note", "--drop")
    assert (result.status, result.out) == (0, "note: 1 events forgotten\n")
    assert genretagd("plugins", *other, "retry", "--list", "--config", config).out == ""
    assert genretagd("plugins", "--config", config, "retry", "--list").out.startswith("note: ")
    result = genretagd("plugins", "--config", tmp_path / "nonesuch", "test", "note")
    assert (result.status, "no such configuration file" in result.err) == (2, True)


def test_a_tagged_album_reaches_the_plugins(
    genretagd: Callable[..., Any], config: Path, tmp_path: Path, album: Path
) -> None:
    (tmp_path / "out").mkdir()
    result = genretagd("tag", "--min-confidence", "0", "--config", config, album)
    assert result.status == 0, result.err
    assert sorted((tmp_path / "out" / "log").read_text().split()) == ["aac.m4a", "flac.flac", "mp3.mp3"]
    assert genretagd("tag", "--dry-run", "--existing", "replace", "--config", config, album).status == 0
    assert len((tmp_path / "out" / "log").read_text().split()) == 3


def test_relative_paths_of_the_file_lie_beside_it_and_those_of_the_command_line_where_we_are(
    genretagd: Callable[..., Any],
    config: Path,
    tmp_path: Path,
    album: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = config.read_text().replace(f'["{tmp_path}/plugins"]', '["plugins"]')
    config.write_text(text.replace(f'"{tmp_path}/ledger.sqlite3"', '"ledger.sqlite3"'))
    (tmp_path / "out").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    arguments = ["tag", "--min-confidence", "0", "--config", "../config.toml"]
    assert genretagd(*arguments, "../album/mp3.mp3").status == 0
    assert genretagd(*arguments, "../album/flac.flac", "--ledger", "other.sqlite3").status == 0
    monkeypatch.setenv("GENRETAGD_LEDGER", "third.sqlite3")
    assert genretagd(*arguments, "../album/aac.m4a").status == 0
    assert (tmp_path / "out" / "log").read_text().split() == ["mp3.mp3", "flac.flac", "aac.m4a"]
    kept = {"ledger-actions": tmp_path, "other-actions": elsewhere, "third-actions": elsewhere}
    for name, folder in kept.items():
        assert (folder / name / "delivery.lock").is_file()
        assert (folder / name.replace("-actions", ".sqlite3")).is_file()


def test_a_track_is_told_of_by_one_name_however_it_was_named(
    genretagd: Callable[..., Any],
    config: Path,
    tmp_path: Path,
    album: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with config.open("a") as file:
        file.write(f'[[actions]]\nuse = "jsonl_log"\npath = "{tmp_path}/events"\n')
    monkeypatch.chdir(album)
    assert genretagd("tag", "--min-confidence", "0", "--config", config, "../album/mp3.mp3").status == 0
    assert json.loads((tmp_path / "events").read_text())["path"] == str(album / "mp3.mp3")


def test_a_wrong_option_stops_tagging_before_it_begins(
    genretagd: Callable[..., Any], config: Path, album: Path
) -> None:
    with config.open("a") as file:
        file.write('[[actions]]\nuse = "csv_log"\npth = "x"\n')
    result = genretagd("tag", "--min-confidence", "0", "--config", config, album)
    assert result.status == 2
    assert 'actions.csv_log.pth: unknown option (did you mean "path"?)' in result.err
    assert result.out == ""
