"""Every ready-made plugin is tested in a process of its own, the way it runs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from plugins_support import HOSTILE, Start

from genretagd.actions.catalog import Catalog
from genretagd.actions.hosted import HostedPlugin
from genretagd.actions.plan import plan_actions
from genretagd.actions.runner import hosted_plugin
from genretagd.config import ActionConfig


def starter(state: Path) -> Iterator[Start]:
    """Yield a function that starts a shipped plugin with options, checked and ready; close all at the end."""
    running: list[HostedPlugin] = []

    def begin(use: str, *, expect_ready: bool = True, **options: Any) -> HostedPlugin:
        options = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        (spec,) = plan_actions([ActionConfig(use, options, "config.toml:1")], Catalog())
        plugin = hosted_plugin(spec, state=state)
        running.append(plugin)
        ready = plugin.ready()
        assert ready is expect_ready, plugin.record().problems
        return plugin

    yield begin
    for plugin in running:
        plugin.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start plugins for one test."""
    yield from starter(tmp_path / "state")


@pytest.fixture(scope="module")
def start_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start plugins for all tests of a module, where starting one is slow."""
    yield from starter(tmp_path_factory.mktemp("state"))


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sounds(repository: Path) -> Path:
    return repository / "tests" / "data" / "formats"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library"
    path.mkdir()
    return path


@pytest.fixture
def organize(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The module of organize in this process, to make the system fail in ways it seldom does."""
    monkeypatch.setenv("GENRETAGD_PLUGIN_STATE", str(tmp_path / "state"))
    spec = importlib.util.spec_from_file_location("organize_here", repository / "plugins" / "organize.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]
