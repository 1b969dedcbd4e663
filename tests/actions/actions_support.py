"""What the tests of actions share: events, a clock, a process that does as it is told, plugin files."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genretagd.actions.catalog import Catalog, Origin, PluginSource
from genretagd.actions.plan import ActionSpec, Common, plan_actions
from genretagd.actions.process import HostDied
from genretagd.config import ActionConfig
from genretagd.events import TrackTagged, event_key

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

HEAD = """
from __future__ import annotations
import os, sys, time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from genretagd.api import *

@dataclass(frozen=True)
class Plugin:
    api_version = "1.0"
"""


def tagged(path: str | Path, *after: str, version: int = 1) -> TrackTagged:
    after = after or ("Rock",)
    return TrackTagged(event_key("tagged", Path(path), version, *after), AT, Path(path), (), after, 0.9)


def write_plugin(folder: Path, name: str, body: str, *, head: str = HEAD) -> Path:
    """Write a plugin file; the body is the inside of its class."""
    file = folder / f"{name}.py"
    file.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
    file.chmod(0o600)
    return file


def spec_in(folder: Path, use: str, **options: Any) -> ActionSpec:
    """Return the spec of an action whose plugin is in a folder."""
    options = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
    (spec,) = plan_actions([ActionConfig(use, options, "config.toml:7")], Catalog([folder]))
    return spec


def spec_of(name: str = "plugin", **common: Any) -> ActionSpec:
    """Return a spec for a worker whose process is a fake."""
    return ActionSpec(
        name, PluginSource(name, Origin.SHIPPED, "nowhere"), {}, "config.toml:7", Common(**common)
    )


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class FakeHost:
    """A plugin's process that answers as its bench says at the time, and remembers what it was told."""

    def __init__(self, bench: Any, handlers: tuple[str, ...]) -> None:
        self.bench = bench
        self.handlers = handlers
        self.told: list[str] = []
        self.ended = False

    def ask(self, request: Mapping[str, Any], *, limit_seconds: float) -> dict[str, Any]:
        assert limit_seconds > 0
        if self.ended:
            raise HostDied("its process ended")
        if request["do"] == "start":
            return {"ok": True, "handlers": list(self.handlers), "options": {}, "summary": ""}
        if request["do"] == "check":
            return self.bench.behave(request) or {"ok": True}
        if request["do"] == "event":
            event = request["event"]
            self.told.append("idle" if event["kind"] == "idle" else Path(event["path"]).name)
            answer = self.bench.behave(request)
            if isinstance(answer, Exception):
                self.ended = isinstance(answer, HostDied)
                raise answer
            return answer or {"ok": True}
        return {"ok": True}

    def close(self) -> None:
        self.ended = True

    def kill(self) -> None:
        self.ended = True

    def release(self) -> None:
        self.ended = True


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
