from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2
from tag_streams import apev2
from typer.testing import CliRunner

from genretagd.cli.app import app
from genretagd.cli.undo import instant
from genretagd.domain import HardlinkPolicy, WriteOptions
from genretagd.errors import UsageError
from genretagd.events import event_key
from genretagd.ledger.database import Database
from genretagd.ledger.journal import Journal
from genretagd.ml.packets import audio_digest
from genretagd.tagging.store import FileTagStore

MARK = "#GENRETAGD keeps this playlist; without this line it is left alone"
DATA = Path(__file__).resolve().parents[1] / "data" / "formats"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def tag(ledger: Path, *paths: Path, hardlinks: HardlinkPolicy = "skip") -> None:
    """Have a run of ours write Rock."""
    database, options = Database(ledger), WriteOptions(hardlinks=hardlinks)
    store = FileTagStore(audio_digest=audio_digest)
    journal = Journal(database, command="tag")
    for path in paths:
        found = store.read_genres(path)
        entry = journal.intend(path, found, ["Rock"], model="m@1", confidence=0.9)
        journal.done(entry, store.write_genres(path, ["Rock"], expected=found.version, options=options))
    database.close()


@pytest.fixture
def track(tmp_path: Path, ledger: Path) -> Path:
    """A track that a run of ours tagged."""
    path = Path(shutil.copy(DATA / "flac.flac", tmp_path / "track.flac"))
    tag(ledger, path)
    return path


def run(*arguments: object) -> tuple[int, str, BaseException | None]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output, result.exception


def test_the_last_run_comes_back_and_the_story_is_told(track: Path, ledger: Path) -> None:
    status, output, _ = run("undo", "--last", "--ledger", ledger)
    assert status == 0, output
    assert f"{track}: Rock -> (none)" in output
    assert "1 undone; undo this with: genretagd undo --run" in output
    assert track.read_bytes() == (DATA / "flac.flac").read_bytes()
    status, output, _ = run("history", track, "--ledger", ledger)
    assert status == 0
    assert "(none) -> Rock" in output
    assert "undoes change 1" in output


@pytest.fixture
def acting(tmp_path: Path, ledger: Path) -> Path:
    """A configuration with playlists and a log of events."""
    path = tmp_path / "config.toml"
    path.write_text(
        f'[ledger]\nledger = "{ledger}"\n'
        f'[[actions]]\nuse = "m3u_playlists"\ndirectory = "{tmp_path}/lists"\n'
        f'[[actions]]\nuse = "jsonl_log"\npath = "{tmp_path}/log"\n'
    )
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "Rock.m3u8").write_text(f"#EXTM3U\n{MARK}\n#PLAYLIST:Rock\n../track.flac\n")
    return path


def test_plugins_are_told_of_an_undo_and_of_its_undo(track: Path, acting: Path, tmp_path: Path) -> None:
    status, output, _ = run("undo", "--last", "--dry-run", "--config", acting)
    assert (status, (tmp_path / "lists" / "Rock.m3u8").exists()) == (0, True), output
    status, output, _ = run("undo", "--last", "--config", acting)
    assert status == 0, output
    assert list((tmp_path / "lists").iterdir()) == []
    status, output, _ = run("undo", "--last", "--config", acting)
    assert status == 0, output
    assert (tmp_path / "lists" / "Rock.m3u8").read_text().endswith("\n../track.flac\n")
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(e["before"], e["after"]) for e in told] == [(["Rock"], []), ([], ["Rock"])]
    assert all(e["undo"] for e in told)
    assert all(e["path"] == str(track) and e["confidence"] is None for e in told)


def test_an_undo_that_a_crash_cut_off_is_told_by_the_next_run(
    track: Path, acting: Path, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "done", crash)
        _, _, error = run("undo", track, "--config", acting)
        assert isinstance(error, MemoryError)
    assert not FileTagStore().read_genres(track).genres
    assert (tmp_path / "lists" / "Rock.m3u8").exists()
    other = tmp_path / "other.flac"
    other.touch()
    status, output, _ = run("undo", other, "--config", acting)
    assert (status, "nothing to undo" in output) == (0, True)
    (told,) = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert (told["before"], told["after"], told["undo"]) == (["Rock"], [], True)
    with contextlib.closing(Database(ledger)) as database:
        change = Journal(database, command="").history(track)[-1]
    assert told["key"] == event_key("tagged", track, change.version_after, change.id)
    assert list((tmp_path / "lists").iterdir()) == []


def test_actions_that_are_configured_wrongly_do_not_stand_in_the_way(track: Path, acting: Path) -> None:
    acting.write_text(acting.read_text() + 'colour = "red"\n')
    status, output, _ = run("undo", "--last", "--config", acting)
    assert status == 0
    assert "jsonl_log.colour: unknown option" in output
    assert "going on, action plugins are not told" in output
    assert track.read_bytes() == (DATA / "flac.flac").read_bytes()


def test_a_folder_says_itself_how_its_tracks_are_written(tmp_path: Path, ledger: Path) -> None:
    path = Path(shutil.copy(DATA / "flac.flac", tmp_path / "track.flac"))
    (tmp_path / "other.flac").hardlink_to(path)
    (tmp_path / ".genretagd.toml").write_text('[tags]\nhardlinks = "in-place"\n')
    tag(ledger, path, hardlinks="in-place")
    status, output, _ = run("undo", "--last", "--ledger", ledger)
    assert (status, "1 undone" in output) == (0, True), output
    assert (tmp_path / "other.flac").read_bytes() == (DATA / "flac.flac").read_bytes()


def test_a_tracks_own_folder_says_how_it_is_written_though_a_link_leads_to_it(
    tmp_path: Path, ledger: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    path = Path(shutil.copy(DATA / "flac.flac", own / "track.flac"))
    (own / "other.flac").hardlink_to(path)
    (own / ".genretagd.toml").write_text('[tags]\nhardlinks = "in-place"\n')
    (tmp_path / "link.flac").symlink_to(path)
    tag(ledger, tmp_path / "link.flac", hardlinks="in-place")
    status, output, _ = run("undo", tmp_path / "link.flac", "--ledger", ledger)
    assert (status, "1 undone" in output) == (0, True), output


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)], ids=["for good", "dry run"])
def test_a_folder_whose_configuration_is_not_valid_is_left_alone_and_the_others_come_back(
    dry_run: tuple[str, ...], tmp_path: Path, ledger: Path
) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    for folder in (broken, whole):
        folder.mkdir()
        shutil.copy(DATA / "flac.flac", folder / "1.flac")
    tag(ledger, broken / "1.flac", whole / "1.flac")
    (broken / ".genretagd.toml").write_text("[tags]\nhardlinks = 3\n")
    status, output, _ = run("undo", "--last", *dry_run, "--ledger", ledger)
    assert status == 1
    assert f"failed      {broken}/1.flac: its folder's configuration is not valid: {broken}" in output
    assert f"{whole}/1.flac: Rock -> (none)" in output
    assert FileTagStore().read_genres(broken / "1.flac").genres == ("Rock",)


def test_what_comes_back_in_part_says_so(tmp_path: Path, ledger: Path) -> None:
    path = tmp_path / "two.mp3"
    path.write_bytes((DATA / "mp3-no-header.mp3").read_bytes() + apev2(Genre="Zouk"))
    tag(ledger, path)
    ape = APEv2(path)
    ape["Genre"] = "Folk"
    ape.save()
    status, output, _ = run("undo", path, "--ledger", ledger)
    assert status == 0
    assert f"{path}: Rock -> Folk (changed since by somebody else, left alone: APEv2)" in output


def test_another_recording_in_its_place_is_left_alone_unless_that_is_asked_for(
    track: Path, ledger: Path
) -> None:
    shutil.copy(DATA / "mp3.mp3", track)
    theirs = FileTagStore()
    found = theirs.read_genres(track)
    theirs.write_genres(track, ["Rock"], expected=found.version, options=WriteOptions())
    for dry_run in ("--dry-run",), ():
        status, output, _ = run("undo", "--last", *dry_run, "--ledger", ledger)
        assert (status, "see --any-audio" in output, "1 skipped" in output) == (0, True, True), output
    assert theirs.read_genres(track).genres == ("Rock",)
    status, output, _ = run("undo", "--last", "--any-audio", "--ledger", ledger)
    assert (status, theirs.read_genres(track).genres) == (0, ()), output


def test_a_track_is_found_under_a_path_with_links(track: Path, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(track.parent, target_is_directory=True)
    _, output, _ = run("history", tmp_path / "link" / "track.flac", "--ledger", ledger)
    assert "(none) -> Rock" in output
    assert (
        "link: is a directory, name files in it" in run("history", tmp_path / "link", "--ledger", ledger)[1]
    )
    status, output, _ = run("undo", tmp_path / "link", "--ledger", ledger)
    assert (status, "1 undone" in output) == (0, True), output


def test_a_dry_run_says_what_would_come_back(track: Path, ledger: Path) -> None:
    before = track.read_bytes()
    status, output, _ = run("undo", track, "--dry-run", "--ledger", ledger)
    assert (status, output.count("would undo")) == (0, 2)
    assert track.read_bytes() == before


def test_history_tells_what_failed_and_what_was_cut_short(track: Path, ledger: Path) -> None:
    with contextlib.closing(Database(ledger)) as database:
        journal, found = Journal(database, command="tag"), FileTagStore().read_genres(track)
        journal.failed(journal.intend(track, found, ["Folk"], model="m@1", confidence=0.9), "no space left")
        journal.intend(track, found, ["Pop"], model="m@1", confidence=0.9)
    _, output, _ = run("history", track, "--ledger", ledger)
    _, _, failed, cut_short = output.splitlines()
    assert ("Rock -> Folk" in failed, failed.endswith("  [failed: no space left]")) == (True, True)
    assert ("Rock -> Pop" in cut_short, cut_short.endswith("  [interrupted]")) == (True, True)


def test_json_is_one_object_per_line(track: Path, ledger: Path) -> None:
    _, output, _ = run("history", track, "--json", "--ledger", ledger)
    (line,) = output.splitlines()
    found = json.loads(line)
    assert (found["path"], found["state"], found["after"]) == (str(track), "done", ["Rock"])
    assert (found["fields_before"], found["fields_after"]) == ({}, {"GENRE": ["Rock"]})
    _, output, _ = run("undo", track.parent, "--since", "1h", "--json", "--ledger", ledger)
    assert json.loads(output.splitlines()[0]) == {
        "path": str(track),
        "status": "undone",
        "before": ["Rock"],
        "after": [],
        "reason": None,
        "code": None,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--last", "--since", "1h"),
        ("--run", "nonsense"),
        ("--since", "yesterday-ish"),
        ("--since", "9" * 400 + "w"),
    ],
    ids=["nothing named", "two ways", "no such run", "no such time", "endless"],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: tuple[str, ...], track: Path, ledger: Path) -> None:
    _, _, error = run("undo", *arguments, "--ledger", ledger)
    assert isinstance(error, UsageError)


@pytest.mark.parametrize("command", ["undo", "history"])
def test_a_misspelt_path_is_told_from_one_that_is_gone(command: str, track: Path, ledger: Path) -> None:
    _, _, error = run(command, track, track.with_name("misspelt.flac"), "--ledger", ledger)
    assert isinstance(error, UsageError)
    assert "misspelt.flac: no such file" in str(error)
    assert FileTagStore().read_genres(track).genres
    track.unlink()
    for gone in (track, track.parent):
        status, output, _ = run(command, gone, "--ledger", ledger)
        assert (status, gone.name in output) == (0, True)


@pytest.mark.parametrize("command", ["undo", "history"])
def test_a_path_that_cannot_be_looked_at_is_not_called_missing(
    command: str, track: Path, ledger: Path
) -> None:
    loop = track.with_name("loop")
    loop.symlink_to(loop)
    _, _, error = run(command, loop / "x.flac", "--ledger", ledger)
    assert isinstance(error, UsageError)
    assert "x.flac: cannot be looked at (Too many levels of symbolic links)" in str(error)


def test_without_a_ledger_there_is_nothing_to_undo(tmp_path: Path) -> None:
    _, _, error = run("undo", "--last", "--ledger", tmp_path / "none")
    assert isinstance(error, UsageError)
    status, output, _ = run("history", tmp_path / "x.mp3", "--ledger", tmp_path / "none")
    assert (status, "nothing was changed yet" in output) == (0, True)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30min", 1800), ("2h", 7200), ("3d", 259200), ("1w", 604800)]
)
def test_a_span_counts_back_from_now(text: str, seconds: int) -> None:
    assert instant(text, now=1_000_000.0) == 1_000_000.0 - seconds


def test_a_date_is_local_unless_it_names_a_zone() -> None:
    assert instant("2031-05-01T20:00+00:00", now=0) == dt.datetime(2031, 5, 1, 20, tzinfo=dt.UTC).timestamp()
    assert instant("2031-05-01", now=0) == dt.datetime(2031, 5, 1).astimezone().timestamp()
