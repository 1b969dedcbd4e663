"""docs/json.md names every field that `--json` prints, and no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from genretagd.daemon.stats import Stats
from genretagd.daemon.status import root_object, status_object
from genretagd.domain import Outcome, Status
from genretagd.watcher.report import RootReport, RootState

ROOT = RootReport("/m", RootState.WATCHING, "events", "ext4", None, 0, 0, 0, 1, 2, 0, 0.1, 0.0)


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "json.md").read_text("utf-8")


def words(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", text))


def fields_of(table: str) -> set[str]:
    return set().union(*(words(line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")))


def between(text: str, begin: str, end: str) -> str:
    return text.split(begin, 1)[1].split(end, 1)[0]


def keys_of(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    return set().union(*objects)


def test_the_fields_of_tag_predict_undo_and_history_are_those_of_the_page(
    genretagd: Callable[..., Any], album: Path, page: str
) -> None:
    fields = fields_of(between(page, "| field |", "\n\n"))
    statuses = fields_of(between(page, "| status |", "\n\n"))
    for command in ("predict", "tag"):
        found = genretagd(command, album, "--json", "--min-confidence", 0).objects
        assert keys_of(found) == fields
        assert {track["status"] for track in found} <= statuses

    (undo,) = re.findall(r"`undo --json` \|(.+)", page)
    statuses = words(re.search(r"\((.+)\)", undo)[1])  # type: ignore[index]
    assert keys_of(genretagd("undo", "--last", "--json").objects) == words(undo) - statuses

    history = between(page, "**A change in `history`** has", "\n\n")
    states = {"done", "intended", "failed"}
    assert keys_of(genretagd("history", album / "mp3.mp3", "--json").objects) == words(history) - states


def test_the_fields_of_plugins_are_those_of_the_page(genretagd: Callable[..., Any], page: str) -> None:
    found = genretagd("plugins", "--json", "--no-check").objects

    assert keys_of(found) == words(between(page, "**An object of `plugins`** has", "\n\n"))


def test_the_fields_of_status_are_those_of_the_page(genretagd: Callable[..., Any], page: str) -> None:
    text = page.split("**The object of `status`** has", 1)[1]
    told = Stats()
    told.count(Outcome(Path("/m/a.mp3"), Status.TAGGED))
    daemon = status_object(
        state="running", pid=1, version="1", started_at=0.0, updated_at=0.0, queue={}, plugins=[],
        roots=[root_object(ROOT, now=0.0)], summary=told.summary(), bundle="b", ledger="l",
    )  # fmt: skip
    (status,) = genretagd("status", "--json").objects

    assert set(status) == words(text.split(". ", 1)[0])
    assert set(status["ledger"]) == words(between(text, "`ledger` has", "\n\n")) - {"waiting", "given_up"}
    assert set(daemon) | {"running", "named"} == fields_of(text) | {"running", "pid", "named"}
    assert set(daemon["roots"][0]) == words(between(text, "| `roots` | of each:", "\n"))
    assert set(daemon["last"][0]) == words(between(text, "| `last` | the latest files, of each:", "\n"))
