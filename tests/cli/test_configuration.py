"""What the commands make of the configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from genretagd.cli.common import configuration
from genretagd.cli.training import spectrogram_cache
from genretagd.config import Config, RootConfig
from genretagd.errors import UsageError

FILE = """
[model]
bundle = "models/mine"
[watch]
roots = ["Music", "/mnt/nas"]
[[roots]]
path = "../Downloads"
mode = "poll"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text(FILE)
    monkeypatch.chdir("/")  # as a service runs
    return tmp_path / "home"


def read(file: Path, **flags: Any) -> Config:
    return configuration(SimpleNamespace(obj=flags, params={"config": file}))  # type: ignore[arg-type]


def test_relative_paths_of_bundle_and_directories_lie_beside_the_file(home: Path) -> None:
    config = read(home / "config.toml")
    assert config.model.bundle == str(home / "models" / "mine")
    assert config.watch.roots == (home / "Music", Path("/mnt/nas"))
    assert config.roots == (RootConfig(home / ".." / "Downloads", "poll"),)


def test_those_of_the_command_line_and_the_environment_lie_where_we_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRETAGD_ROOTS", "Music")
    config = read(home / "config.toml", bundle="mine")
    assert (config.model.bundle, config.watch.roots) == ("/mine", (Path("/Music"),))


def test_the_default_bundle_has_no_place_and_one_of_a_home_is_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    assert read(home / "config.toml", bundle="default").model.bundle == "default"
    assert read(home / "config.toml", bundle="~/mine").model.bundle == str(home / "mine")


def test_who_has_no_home_is_told_what_to_name_instead(genretagd, album, monkeypatch, tmp_path):
    def nobody(_number: int) -> None:
        raise KeyError

    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable)
    monkeypatch.setattr("pwd.getpwuid", nobody)

    assert genretagd("predict", album).status == 0
    refused = genretagd("tag", album)
    assert (refused.status, refused.err) == (
        2,
        "genretagd: the user has no home directory, set HOME or name a file with --ledger\n",
    )
    assert genretagd("tag", album, "--ledger", tmp_path / "ledger.sqlite3").status == 0
    with pytest.raises(UsageError, match="--cache"):
        spectrogram_cache(None)


@pytest.mark.parametrize("option", [(), ("--config",)], ids=["track", "configuration"])
def test_what_cannot_be_looked_at_is_not_said_to_be_missing(genretagd, album, option):
    (album / "loop").symlink_to("loop")

    result = genretagd("tag", album, *option, album / "loop" / "x")

    assert result.status == 2
    assert "loop/x: cannot be looked at: " in result.err


@pytest.mark.parametrize("command", [["status"], ["plugins", "retry"]], ids=" ".join)
def test_a_variable_that_is_called_like_ours_and_sets_nothing_is_warned_of_once(
    genretagd, monkeypatch, command
):
    for name in ("MODEL", "MIN_CONFIDENCE", "PLUGIN_STATE", "WORKER_STDERR"):
        monkeypatch.setenv(f"GENRETAGD_{name}", "1")

    result = genretagd(*command)

    assert (result.status, result.err) == (
        0,
        "genretagd: GENRETAGD_MODEL: no option has this variable, it sets nothing\n",
    )


def test_a_directory_to_watch_is_not_looked_at_by_the_command_line_since_a_look_may_hang(
    genretagd: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []
    stat = os.stat

    def noted(path: Any, **options: Any) -> os.stat_result:
        looked_at.append(str(path))
        return stat(path, **options)

    monkeypatch.setattr("os.stat", noted)
    monkeypatch.setattr("genretagd.daemon.service.Service.run", lambda _service: 0)
    monkeypatch.setattr("os._exit", sys.exit)
    monkeypatch.setattr("genretagd.logs.start_logging", lambda **_options: None)
    assert genretagd("watch", "/nas").status == 0
    assert "/nas" not in looked_at


def test_a_track_s_own_folder_decides_about_it_though_a_link_in_another_leads_to_it(genretagd, album):
    genretagd("tag", album, "--min-confidence", 0)
    (album / ".genretagd.toml").write_text('[tags]\nexisting = "keep"\n')
    link = album.parent / "link.mp3"
    link.symlink_to(album / "mp3.mp3")

    [found] = genretagd("tag", link, "--existing", "append", "--genre", "Rock=Doom", "--json").objects

    assert (found["status"], found["code"]) == ("kept", "has genre")


def test_a_flag_that_takes_one_of_several_says_so(genretagd):
    shown = " ".join(genretagd("tag", "--help").out.split())

    assert shown.count("repeat it for several.") == 3  # placeholders, protected, ignore
