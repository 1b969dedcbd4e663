from __future__ import annotations

import io
import json
import logging

import pytest

from genretagd import logs


@pytest.fixture
def lines():
    """Start logging in a format and return a function that gives what was logged."""
    streams: list[io.StringIO] = []

    def start(log_format: str, level: str = "info"):
        streams.append(io.StringIO())
        logs.start_logging(level=level, log_format=log_format, stream=streams[0])
        return lambda: streams[0].getvalue().splitlines()

    yield start
    logger = logging.getLogger(logs.NAME)
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
    logger.propagate = True


TRACK = {"status": "tagged", "path": '/m/a "b" c.mp3', "before": [], "after": ["Rock", "Pop"], "code": None}


def test_json_lines_hold_every_field_that_is_known(lines):
    written = lines("json")
    logs.say("info", "tagged", event="track", fields=TRACK)
    found = json.loads(written()[0])
    assert found["path"] == TRACK["path"]
    assert found["after"] == ["Rock", "Pop"]
    assert found["level"] == "info"
    assert "code" not in found


def test_logfmt_quotes_what_needs_it_and_nothing_else(lines):
    written = lines("logfmt")
    logs.say("info", "tagged", event="track", fields=TRACK)
    assert r'status=tagged path="/m/a \"b\" c.mp3" before="" after="Rock, Pop"' in written()[0]


def test_logfmt_leaves_letters_of_every_language_as_they_are(lines):
    written = lines("logfmt")
    logs.say("info", "tagged", event="track", fields={"path": "/m/Björk - Jóga/東京 ☃\x85.mp3"})
    assert r'path="/m/Björk - Jóga/東京 ☃\u0085.mp3"' in written()[0]


@pytest.mark.parametrize("log_format", ["human", "logfmt", "json"])
def test_one_event_is_one_line_whatever_is_in_a_file_name(lines, log_format):
    written = lines(log_format)
    logs.say("warning", "a\nb\udcff", event="track", fields={"path": "/m/\n\udcff\x1b[31m.mp3"})
    assert len(written()) == 1
    assert "\x1b" not in written()[0]


def test_a_terminal_gets_human_lines_and_a_pipe_logfmt():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, formatter in ((Terminal(), logs.Human), (io.StringIO(), logs.Logfmt)):
        logger = logs.start_logging(stream=stream)
        assert isinstance(logger.handlers[0].formatter, formatter)


def test_lines_below_the_level_are_not_written(lines):
    written = lines("human", "warning")
    logs.say("info", "quiet")
    logs.say("error", "loud")
    assert len(written()) == 1
    assert "error: loud" in written()[0]


def record(text: str, event: str = "message") -> logging.LogRecord:
    made = logging.LogRecord("genretagd", logging.WARNING, "", 0, text, (), None)
    made.event = event
    return made


def test_repeats_are_counted_and_told_with_the_next_line_after_a_minute():
    now = [0.0]
    limit = logs.RateLimit(clock=lambda: now[0])
    assert [limit.filter(record("same")) for _ in range(8)] == [True] * 5 + [False] * 3
    assert limit.filter(record("another"))
    now[0] = 61.0
    later = record("same")
    assert limit.filter(later)
    assert later.repeats == 3


def test_lines_about_tracks_are_never_taken_for_repeats():
    limit = logs.RateLimit(clock=lambda: 0.0)
    assert all(limit.filter(record("same", "track")) for _ in range(100))


def test_the_memory_of_repeats_is_bounded():
    limit = logs.RateLimit(clock=lambda: 0.0)
    for number in range(3 * logs.MOST_KEYS):
        limit.filter(record(str(number)))
    assert len(limit._seen) <= logs.MOST_KEYS
