"""docs/plugins.md: its plugins are run, its tables and configurations are true."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import tomli
from actions_support import AT, tagged

from genretagd import api
from genretagd.actions.catalog import Catalog
from genretagd.actions.hosted import HostedPlugin
from genretagd.actions.loading import HANDLERS
from genretagd.actions.plan import Common, PluginStatus, plan_actions
from genretagd.actions.runner import hosted_plugin
from genretagd.config import ActionConfig
from genretagd.events import idle_event


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "plugins.md").read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def written(page: str, folder: Path, name: str) -> dict[str, Any]:
    """Write the page's plugin of a name into a directory and return the page's options for it."""
    (text,) = [block for block in blocks(page, "python") if block.startswith(f"# {name}.py\n")]
    (folder / f"{name}.py").write_text(text)
    (folder / f"{name}.py").chmod(0o600)
    configured = [tomli.loads(block).get("actions", []) for block in blocks(page, "toml")]
    return next(dict(table) for tables in configured for table in tables if table["use"] == name)


def start(folder: Path, options: dict[str, Any], state: Path) -> HostedPlugin:
    use = options.pop("use")
    (spec,) = plan_actions([ActionConfig(use, options, "config.toml:1")], Catalog([folder]))
    plugin = hosted_plugin(spec, state=state)
    assert plugin.ready(), plugin.record()
    return plugin


def test_the_tutorials_first_plugin_works_as_it_says(
    page: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    plugin = start(folder, written(page, folder, "shout"), tmp_path)
    plugin.tell(tagged("/music/sample/track.mp3", "Rock"))
    plugin.close()
    shown = next(line for line in blocks(page, "console")[0].splitlines() if ": printed" in line)
    assert [record.getMessage() for record in caplog.records] == [shown]


def test_the_tutorials_first_plugin_has_about_ten_lines(page: str) -> None:
    text = blocks(page, "python")[0]
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 11


def test_the_tutorials_batch_plugin_tells_a_server_once(
    page: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[tuple[str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Authorization"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
            pass

    monkeypatch.setenv("RESCAN_TOKEN", "t0ken")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            options = written(page, folder, "rescan")
            options["url"] = options["url"].replace("8080", str(server.server_port))
            plugin = start(folder, options, tmp_path)
            for number in range(3):
                plugin.tell(tagged(f"/music/{number % 2}/{number}.mp3"))
            plugin.tell(idle_event(at=AT))
            plugin.close()
        finally:
            server.shutdown()
            thread.join()
    assert got == [("Bearer t0ken", b"/music/0\n/music/1")]


def rows(page: str, heading: str) -> list[str]:
    """Return the first cells of the table below a heading row."""
    table = page.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)", table, re.MULTILINE)


def test_the_page_lists_every_shipped_plugin_status_and_common_option(page: str) -> None:
    assert sorted(rows(page, "plugin")) == sorted(Catalog().names())
    assert sorted(rows(page, "status")) == sorted(PluginStatus)
    assert rows(page, "option") == list(Common.__dataclass_fields__)
    assert sorted(rows(page, "handler")) == sorted(HANDLERS)


def test_the_page_names_everything_that_the_api_has(page: str) -> None:
    unnamed = {name for name in api.__all__ if not re.search(rf"\b{name}\b", page)}
    assert unnamed == {"API_VERSION", "Event", "Plugin", "Prediction", "TrackEvent"}


def test_the_pages_first_configuration_is_accepted(page: str) -> None:
    found = tomli.loads(blocks(page, "toml")[0])["actions"]
    actions = [ActionConfig(table.pop("use"), table, "page") for table in found]
    assert [spec.name for spec in plan_actions(actions, Catalog())] == ["m3u_playlists", "webhook"]
