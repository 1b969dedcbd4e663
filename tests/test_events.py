"""Events as JSON and back, whatever is in them; and the outcomes they tell."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genretagd.domain import FileVersion, Outcome, Prediction, Status, TagChange
from genretagd.event_json import event_from_json, event_from_text, event_to_json, event_to_text
from genretagd.events import (
    Event,
    Idle,
    TrackFailed,
    TrackMoved,
    TrackTagged,
    TrackUnsure,
    event_key,
    event_of,
    idle_event,
    moved_event,
    relocated,
)

AT = datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC)
PREDICTION = Prediction({"Rock": 0.75, "Jazz": 0.25}, 0.1, 200.5, -math.inf, "default-1@3f", 0.6)
EVENTS: list[Event] = [
    TrackTagged("k1", AT, Path("/m/a.mp3"), ("Pop",), ("Rock", "Jazz"), 0.7, PREDICTION),
    TrackTagged("k2", AT, Path("/m/a.mp3"), (), ()),
    TrackUnsure("k3", AT, Path("/m/b.mp3"), (), "below threshold", 0.2, PREDICTION),
    TrackFailed("k4", AT, Path("/m/c.mp3"), "cut short", "corrupt", transient=True),
    TrackMoved("k5", AT, Path("/m/Rock/a.mp3"), Path("/m/a.mp3")),
    Idle("k6", AT),
]

file_names = st.binary(min_size=1, max_size=60).filter(lambda name: not set(name) & {0, 0x2F})
paths = file_names.map(lambda name: Path("/m", os.fsdecode(name)))
texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event.kind}-{event.key}")
def test_an_event_survives_json(event: Event) -> None:
    assert event_from_text(event_to_text(event)) == event


@given(path=paths, before=st.lists(texts), after=st.lists(texts))
def test_any_file_name_and_any_genre_survive_as_one_line_of_strict_json(
    path: Path, before: list[str], after: list[str]
) -> None:
    event = TrackTagged("k", AT, path, tuple(before), tuple(after))
    line = event_to_text(event)
    assert line.isascii()
    assert "\n" not in line
    json.dumps(json.loads(line), ensure_ascii=False).encode("utf-8")
    assert event_from_text(line) == event


def test_a_name_that_is_not_text_travels_as_bytes_beside_its_text() -> None:
    found = event_to_json(TrackTagged("k", AT, Path(os.fsdecode(b"/m/caf\xe9")), (), ()))
    assert found["path"] == "/m/caf\N{REPLACEMENT CHARACTER}"
    assert found["path_base64"] == "L20vY2Fm6Q=="
    assert "path_base64" not in event_to_json(TrackTagged("k", AT, Path("/m/café"), (), ()))


def test_instants_are_told_in_utc() -> None:
    local = datetime(2026, 3, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    assert event_to_json(Idle("k", local))["at"] == "2026-03-01T12:30:00.000000+00:00"


def broken(**changes: Any) -> dict[str, Any]:
    found = {**event_to_json(EVENTS[0]), **changes}
    return {name: value for name, value in found.items() if value != "absent"}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "must be a JSON object"),
        (broken(version=2), "version 2 is not known"),
        (broken(version=True), "version True is not known"),
        (broken(kind="sung"), "kind must be one of tagged, unsure, failed, moved, idle"),
        (broken(path="absent"), "path is missing"),
        (broken(path=""), "path: must be the path"),
        (broken(path="a\0b"), "path: must be the path"),
        (broken(path_base64="?"), "path: "),
        (broken(at="yesterday"), "at: "),
        (broken(at="2026-03-01T12:30:00"), "must carry its offset"),
        (broken(after="Rock"), "after: must be a list of texts"),
        (broken(after=[1]), "after: must be a list of texts"),
        (broken(key=5), "key: must be of type str"),
        (broken(confidence="high"), "confidence: must be a number"),
        (broken(prediction={}), "prediction: "),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(found: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"^event: ") as caught:
        event_from_json(found)
    assert message in str(caught.value)


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="not valid JSON"):
        event_from_text("{")


def test_what_a_reader_does_not_know_it_passes_over() -> None:
    assert event_from_json({**event_to_json(EVENTS[0]), "later": 1}) == EVENTS[0]


VERSION = FileVersion(1, 2, 3, 4)
CHANGE = TagChange(Path("/m/a"), (), ("Rock",), {}, {}, VERSION, VERSION)
TAGGED = Outcome(
    Path("/m/a"),
    Status.TAGGED,
    after=("Rock",),
    prediction=PREDICTION,
    confidence=0.7,
    change=CHANGE,
    entry=5,
)


def test_outcomes_that_concern_plugins_become_events() -> None:
    tagged = event_of(TAGGED, at=AT)
    assert isinstance(tagged, TrackTagged)
    assert (tagged.after, tagged.prediction, tagged.confidence) == (("Rock",), PREDICTION, 0.7)
    unsure = event_of(replace(TAGGED, status=Status.UNSURE, reason="margin"), at=AT)
    assert isinstance(unsure, TrackUnsure)
    assert unsure.reason == "margin"
    failed = event_of(replace(TAGGED, status=Status.FAILED, code="corrupt", transient=True), at=AT)
    assert isinstance(failed, TrackFailed)
    assert (failed.code, failed.transient) == ("corrupt", True)


@pytest.mark.parametrize("status", [Status.KEPT, Status.SKIPPED, Status.WOULD_TAG, Status.PREDICTED])
def test_outcomes_that_changed_nothing_are_not_told(status: Status) -> None:
    assert event_of(replace(TAGGED, status=status), at=AT) is None


def test_the_same_write_told_twice_is_the_same_event_and_another_write_is_not() -> None:
    later = AT + timedelta(hours=1)
    first, again = event_of(TAGGED, at=AT), event_of(TAGGED, at=later)
    elsewhere = replace(CHANGE, version_after=replace(VERSION, device=5))
    others = [replace(TAGGED, change=elsewhere), replace(TAGGED, entry=6)]  # of another ledger, and of ours
    assert first is not None
    assert again is not None
    assert first.key == again.key
    for other in (event_of(outcome, at=AT) for outcome in others):
        assert other is not None
        assert other.key != first.key


def test_keys_do_not_confuse_where_one_part_ends() -> None:
    assert event_key("ab", "c") != event_key("a", "bc")
    assert event_key(Path("/m/\udcff")) == event_key(Path("/m/\udcff"))


def test_an_event_follows_its_track() -> None:
    assert relocated(EVENTS[0], Path("/n")).path == Path("/n")  # type: ignore[union-attr]
    assert relocated(EVENTS[5], Path("/n")) == EVENTS[5]


def test_moves_and_idleness_have_keys_of_their_own() -> None:
    move = moved_event(Path("/a"), Path("/b"), cause="x", at=AT)
    assert move.key == moved_event(Path("/a"), Path("/b"), cause="x", at=AT + timedelta(1)).key
    assert move.key != moved_event(Path("/a"), Path("/b"), cause="y", at=AT).key
    assert idle_event(at=AT).key != idle_event(at=AT + timedelta(1)).key
