"""Events for the tests of plugins, and the hostile names that they go through."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from genretagd.actions.hosted import HostedPlugin
from genretagd.domain import Prediction
from genretagd.events import (
    Idle,
    TrackFailed,
    TrackMoved,
    TrackTagged,
    TrackUnsure,
    event_key,
    idle_event,
    moved_event,
)

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

PREDICTION = Prediction(
    probabilities={"Rock": 0.9, "Jazz": 0.1},
    outside=0.05,
    seconds=240.0,
    peak_dbfs=-1.0,
    model="default-1@3f2a9c",
    min_confidence=0.6,
)

HOSTILE = {
    "separators": "../../../etc/AC\u2044DC\\..\\x",
    "line-break": "one\ntwo\r\nthree",
    "shell": "$(touch pwned); `id` & | > < * ? ' \" #",
    "option": "-rf --help",
    "formula": '=HYPERLINK("http://x","y")',
    "not-utf8": os.fsdecode(b"caf\xe9 \xff\xfe"),
    "controls": "\x01\x1b[31mred\x07\u202eevil\u2028",
    "255-bytes": "ä" * 125 + ".mp3x",
    "dots": "..",
    "template": "{path} %s ${HOME} {{ value }}",
    "quotes": 'a","b\'c\\',
}
"""Names that break out where a plugin puts them somewhere without thinking."""


def file_name(hostile: str) -> str:
    """Return a hostile text as a file name that a file system really takes."""
    stem = hostile.replace("/", "\N{DIVISION SLASH}").removesuffix(".mp3x")
    name = stem + ".mp3"
    while len(os.fsencode(name)) > 255:
        stem = stem[:-1]
        name = stem + ".mp3"
    return name


def tagged(path: Path, *after: str, before: tuple[str, ...] = (), version: int = 1) -> TrackTagged:
    return TrackTagged(
        key=event_key("tagged", path, version, *after),
        at=AT,
        path=path,
        before=before,
        after=after,
        confidence=0.855,
        prediction=PREDICTION,
    )


def undone(path: Path, *after: str, before: tuple[str, ...]) -> TrackTagged:
    return TrackTagged(event_key("tagged", path, "undo", *after), AT, path, before, after, undo=True)


def unsure(path: Path) -> TrackUnsure:
    return TrackUnsure(event_key("unsure", path), AT, path, ("Pop",), "below threshold", 0.3, PREDICTION)


def failed(path: Path) -> TrackFailed:
    return TrackFailed(event_key("failed", path), AT, path, "not an audio file", "corrupt")


def moved(old: Path, new: Path) -> TrackMoved:
    return moved_event(old, new, cause="test", at=AT)


def idle() -> Idle:
    return idle_event(at=AT)


Start = Callable[..., HostedPlugin]
