"""Which plugins are found, which are refused and why, and what is wrong with their options."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from actions_support import HEAD, write_plugin

from genretagd.actions.catalog import Catalog, Origin, PluginSource
from genretagd.actions.loading import handlers_of, load_plugin, make_plugin, summary_of
from genretagd.actions.options import describe_options, plugin_options
from genretagd.actions.plan import plan_actions
from genretagd.config import ActionConfig
from genretagd.errors import ConfigError, PluginError
from genretagd.plugin_tools import Secret

SHIPPED = (
    "beets_sync", "csv_log", "jellyfin_rescan", "jsonl_log", "m3u_playlists", "mpd_update", "mqtt",
    "notify", "organize", "run_command", "subsonic_rescan", "webhook",
)  # fmt: skip


def load(folder: Path, name: str = "plugin") -> type:
    source = Catalog([folder]).find(name)
    assert source is not None
    return load_plugin(source)


def test_the_shipped_plugins_are_found_and_all_load() -> None:
    catalog = Catalog()
    assert set(SHIPPED) <= set(catalog.names())
    for name in SHIPPED:
        source = catalog.find(name)
        assert source is not None
        assert source.origin is Origin.SHIPPED
        kind = load_plugin(source)
        assert "tagged" in handlers_of(kind)
        assert summary_of(kind).endswith(".")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_plugin_imports_nothing_of_ours_but_the_api(repository: Path, name: str) -> None:
    text = (repository / "plugins" / f"{name}.py").read_text()
    assert set(re.findall(r"(?:from|import) (genretagd[\w.]*)", text)) == {"genretagd.api"}


def test_a_plugin_of_the_users_wins_over_a_shipped_one(folder: Path) -> None:
    write_plugin(folder, "webhook", "def on_tagged(self, event): pass")
    source = Catalog([folder]).find("webhook")
    assert source is not None
    assert source.origin is Origin.DIRECTORY


def test_an_installed_package_brings_plugins_by_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.py").write_text(HEAD + "    def on_tagged(self, event): pass\n")
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[genretagd.actions]\nfar = elsewhere:Plugin\nwebhook = evil:X\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    catalog = Catalog()
    far, webhook = catalog.find("far"), catalog.find("webhook")
    assert far is not None
    assert webhook is not None
    assert far.origin is Origin.PACKAGE
    assert load_plugin(far).__name__ == "Plugin"
    assert webhook.origin is Origin.SHIPPED
    sys.modules.pop("elsewhere", None)


@pytest.mark.parametrize("bits", [stat.S_IWGRP, stat.S_IWOTH], ids=["group", "others"])
def test_a_file_that_others_may_write_is_refused(folder: Path, bits: int) -> None:
    file = write_plugin(folder, "plugin", "def on_tagged(self, event): pass")
    file.chmod(0o600 | bits)
    with pytest.raises(PluginError, match=r'others may write it, run "chmod go-w'):
        load(folder)


@pytest.mark.parametrize("bits", [stat.S_IWGRP, stat.S_IWOTH], ids=["group", "others"])
def test_a_directory_that_others_may_write_is_refused(folder: Path, bits: int) -> None:
    write_plugin(folder, "plugin", "def on_tagged(self, event): pass")
    folder.chmod(0o700 | bits)
    with pytest.raises(PluginError, match="others may write it"):
        load(folder)


def test_a_directory_below_one_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    folder = open_to_all / "plugins"
    folder.mkdir(parents=True, mode=0o700)
    write_plugin(folder, "plugin", "def on_tagged(self, event): pass")
    open_to_all.chmod(0o777)
    with pytest.raises(PluginError, match="everybody may write it"):
        load(folder)
    open_to_all.chmod(0o1777)
    load(folder)


def test_a_link_is_judged_by_what_it_leads_to(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    file = write_plugin(real, "target", "def on_tagged(self, event): pass")
    (folder / "plugin.py").symlink_to(file)
    load(folder)
    real.chmod(0o777)
    with pytest.raises(PluginError, match="others may write it"):
        load(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a file away")
def test_a_file_of_another_user_is_refused(folder: Path) -> None:
    file = write_plugin(folder, "plugin", "def on_tagged(self, event): pass")
    os.chown(file, 12345, -1)
    with pytest.raises(PluginError, match="belongs to another user"):
        load(folder)
    assert file.exists()


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    (problem,) = Catalog([tmp_path / "nowhere"]).problems()
    assert "nowhere: cannot be read" in problem


GOOD = "def on_tagged(self, event): pass\n"
VERSIONED = 'api_version = "{}"\n' + GOOD
NO_VERSION = HEAD.replace('    api_version = "1.0"\n', "")
NO_DATACLASS = HEAD.replace("@dataclass(frozen=True)\n", "")

BAD_PLUGINS = {
    "other-major": (HEAD, VERSIONED.format("2.0"), "written for plugin API 2.0"),
    "newer-minor": (HEAD, VERSIONED.format("1.9"), "update the one or the other"),
    "nonsense-version": (HEAD, VERSIONED.format("x"), "written for plugin API x"),
    "no-version": (NO_VERSION, GOOD, "names no API version"),
    "no-dataclass": (NO_DATACLASS, GOOD, "is no dataclass"),
    "no-handler": (HEAD, "def on_unsure(self, event): pass", "no class with a method on_tagged"),
    "wrong-signature": (HEAD, "def on_tagged(self): pass", "must take the event"),
    "taken-name": (HEAD, 'name: str = ""\n' + GOOD, "cannot be named name"),
    "syntax": (HEAD, "def on_tagged(self, event) pass", "cannot be imported: SyntaxError"),
    "import": ("import no_such_module\nif 1:\n", GOOD, "cannot be imported: ModuleNotFoundError"),
    "raises": ("raise RuntimeError('at import')\nif 1:\n", GOOD, "RuntimeError: at import"),
}


@pytest.mark.parametrize(("head", "body", "message"), BAD_PLUGINS.values(), ids=BAD_PLUGINS)
def test_what_is_no_plugin_is_refused_with_the_reason(
    folder: Path, head: str, body: str, message: str
) -> None:
    write_plugin(folder, "plugin", body, head=head)
    with pytest.raises(PluginError, match=re.escape(message)):
        load(folder)


def test_two_plugins_in_one_file_are_refused(folder: Path) -> None:
    second = HEAD.partition("@dataclass")[2].replace("class Plugin", "class Second")
    text = "def on_tagged(self, event): pass\n"
    file = write_plugin(folder, "plugin", text)
    file.write_text(file.read_text() + "\n\n@dataclass" + second + "    " + text)
    with pytest.raises(PluginError, match=r"more than one plugin \(Plugin, Second\)"):
        load(folder)


def test_an_entry_point_that_is_no_class_is_refused() -> None:
    with pytest.raises(PluginError, match="is no class"):
        load_plugin(PluginSource("x", Origin.PACKAGE, "os:getcwd"))


@dataclass(frozen=True)
class Options:
    url: str
    token: Secret
    count: int = 3
    ratio: float = 0.5
    mode: Literal["fast", "slow"] = "fast"
    path: Path | None = None
    folders: tuple[Path, ...] = ()
    tags: tuple[str, ...] = ()
    loud: bool = False
    more: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    _inner: list[str] = field(default_factory=list, init=False)


def problems_of(**options: Any) -> list[str]:
    found: list[str] = []
    environment = {"TOKEN": "t0ken"}
    plugin_options(options, Options, environment=environment, problem=lambda k, w: found.append(f"{k}: {w}"))
    return found


def test_right_options_are_converted(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k3y\nmore\n")
    options = {
        "url": "x",
        "token": "env:TOKEN",
        "ratio": 1,
        "path": "~/a",
        "tags": ["a", "b"],
        "secrets": [f"file:{tmp_path}/key"],
    }
    found = plugin_options(options, Options, environment={"TOKEN": "t0ken"}, problem=pytest.fail)
    made = Options(**found)
    assert (made.token.reveal(), made.secrets[0].reveal()) == ("t0ken", "k3y")
    assert (made.ratio, made.path, made.tags) == (1.0, Path("~/a").expanduser(), ("a", "b"))
    assert "t0ken" not in repr(made)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "x"}, "token: is missing, write token = ... (secret)"),
        ({"token": "env:TOKEN"}, "url: is missing, write url = ... (text)"),
        ({"url": "x", "token": "env:TOKEN", "cuont": 1}, 'cuont: unknown option (did you mean "count"?)'),
        ({"url": "x", "token": "env:TOKEN", "count": "3"}, 'count: must be a whole number, not "3"'),
        ({"url": "x", "token": "env:TOKEN", "loud": 1}, "loud: must be true or false, not 1"),
        ({"url": "x", "token": "env:TOKEN", "mode": "fats"}, 'did you mean "fast"?'),
        ({"url": "x", "token": "env:TOKEN", "tags": "a"}, "tags: must be a list"),
        ({"url": "x", "token": "env:TOKEN", "_inner": ["a"]}, "_inner: unknown option"),
        (
            {"url": "x", "token": "env:TOKEN", "path": "a/b"},
            'path: must be a whole path, or begin with ~, not "a/b"',
        ),
        (
            {"url": "x", "token": "env:TOKEN", "folders": ["/a", "../b"]},
            'folders: must be a whole path, or begin with ~, not "../b"',
        ),
        (
            {"url": "x", "token": "t0ken"},
            'token: must be "env:NAME" or "file:/path", never the secret itself',
        ),
        ({"url": "x", "token": 5}, 'token: must be "env:NAME" or "file:/path"'),
        ({"url": "x", "token": "env:NOPE"}, "token: environment variable NOPE is not set or empty"),
        ({"url": "x", "token": "file:/no/such"}, "token: /no/such: cannot be read"),
        ({"url": "x", "token": "env:TOKEN", "secrets": "env:TOKEN"}, "secrets: must be a list"),
    ],
)
def test_a_wrong_option_is_told_with_a_hint(options: dict[str, Any], message: str) -> None:
    (problem,) = problems_of(**options)
    assert message in problem
    assert "t0ken" not in problem


def test_all_wrong_options_are_told_at_once() -> None:
    assert len(problems_of(cuont=1, count="x")) == 4


def test_options_are_described_in_the_words_of_the_configuration() -> None:
    assert describe_options(Options) == {
        "url": "text, required",
        "token": "secret, required",
        "count": "whole number, default 3",
        "ratio": "number, default 0.5",
        "mode": '"fast" or "slow", default "fast"',
        "path": "path",
        "folders": "list of path",
        "tags": "list of text",
        "loud": "true or false, default false",
        "more": "table of text",
        "secrets": "list of secret",
    }


def test_what_a_plugin_finds_wrong_with_its_options_names_the_place(folder: Path) -> None:
    body = """
    def __post_init__(self): raise PluginError("a: and b exclude each other")
    def on_tagged(self, event): pass
    """
    write_plugin(folder, "plugin", body)
    with pytest.raises(ConfigError) as caught:
        make_plugin(load(folder), name="plugin", options={}, where="c.toml:3", environment={})
    assert caught.value.problems == ("c.toml:3: actions.plugin: a: and b exclude each other",)


def planned(*actions: ActionConfig) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        plan_actions(actions, Catalog())
    return caught.value.problems


def test_an_unknown_plugin_is_a_configuration_error_with_a_hint() -> None:
    assert planned(ActionConfig("webhok", {}, "c.toml:3")) == (
        'c.toml:3: actions: no plugin is named "webhok" (did you mean "webhook"?)',
    )


def test_every_problem_of_every_action_is_told_at_once() -> None:
    found = planned(
        ActionConfig("nonesuch", {}, "c.toml:1"),
        ActionConfig("csv_log", {"time_limit_seconds": 0, "name": "../x"}, "c.toml:3"),
        ActionConfig("csv_log", {"enabled": "yes"}, "c.toml:7"),
    )
    assert [problem.partition(": ")[0] for problem in found] == [
        "c.toml:1",
        "c.toml:3",
        "c.toml:3",
        "c.toml:7",
        "c.toml:7",
    ]
    assert "a second action named" in found[-1]


def test_two_actions_of_one_plugin_have_a_name_each() -> None:
    actions = [ActionConfig("csv_log", {"path": "/a"}, "c:1"), ActionConfig("csv_log", {"name": "b"}, "c:2")]
    first, second = plan_actions(actions, Catalog())
    assert (first.name, second.name) == ("csv_log", "b")
    assert (dict(first.options), dict(second.options)) == ({"path": "/a"}, {})
