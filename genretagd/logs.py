"""Log lines: for people on a terminal, ``key=value`` or JSON for programs; repeats are counted."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

LogFormat = Literal["auto", "human", "logfmt", "json"]

NAME: Final = "genretagd"
REPEATS: Final = 5
REPEAT_SECONDS: Final = 60.0
MOST_KEYS: Final = 1000


def start_logging(
    *, level: str = "info", log_format: LogFormat = "auto", stream: TextIO | None = None
) -> logging.Logger:
    """Send the project's log lines to a stream; called again, it changes level and format.

    Parameters
    ----------
    level : str
        Least level that is logged.
    log_format : str
        ``"auto"`` is human on a terminal and logfmt elsewhere.
    stream : file, optional
        Standard error by default.
    """
    stream = stream or sys.stderr
    if log_format == "auto":
        log_format = "human" if stream.isatty() else "logfmt"
    handler = logging.StreamHandler(stream)
    handler.setFormatter({"human": Human, "logfmt": Logfmt, "json": Json}[log_format]())
    handler.addFilter(RateLimit())
    logger = logging.getLogger(NAME)
    for old in logger.handlers[:]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False
    watchdog = logging.getLogger("watchdog")  # what it has to say, the watcher says for people
    if not watchdog.handlers:
        watchdog.addHandler(logging.NullHandler())
    return logger


def say(level: str, text: str, /, *, event: str = "message", fields: Mapping[str, Any] | None = None) -> None:
    """Log one line.

    Parameters
    ----------
    level : str
        ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
    text : str
        What a person reads.
    event : str
        A stable word for programs. ``"track"`` lines, of which there is one per track, are never
        taken for repeats.
    fields : mapping, optional
        What a program reads instead of the text.
    """
    number = logging.getLevelName(level.upper())
    extra = {"event": event, "fields": dict(fields or {})}
    logging.getLogger(NAME).log(number, "%s", text, extra=extra)


class Human(logging.Formatter):
    """``16:02:11 text``, with the level where it is worth seeing."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        return one_line(f"{at} {level}{record.getMessage()}{_repeated(record)}") + _trace(record)


class Logfmt(logging.Formatter):
    """``ts=... level=info event=track path="/music/a b.mp3"``: one line, quoted where needed."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return " ".join(f"{key}={_quoted(value)}" for key, value in _fields(record).items())


class Json(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return json.dumps(_fields(record), default=str)


class RateLimit(logging.Filter):
    """Lets the same text through so many times in so many seconds and counts the rest.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[int, str], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`; a line after a silence carries how many were left out."""
        if getattr(record, "event", "") == "track":
            return True
        now = self._clock()
        key = (record.levelno, record.getMessage())
        since, shown, hidden = self._seen.get(key, (now, 0, 0))
        if now - since >= REPEAT_SECONDS:
            record.repeats = int(hidden)
            since, shown, hidden = now, 0, 0
        allowed = shown < REPEATS
        if key not in self._seen and len(self._seen) >= MOST_KEYS:
            self._seen.clear()
        self._seen[key] = [since, shown + allowed, hidden + (not allowed)]
        return allowed


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    event = getattr(record, "event", "message")
    found = {"ts": at, "level": record.levelname.lower(), "event": event}
    given = getattr(record, "fields", {})
    if event != "track" or not given:
        found["message"] = record.getMessage() + _trace(record)
    if getattr(record, "repeats", 0):
        found["repeats"] = record.repeats  # type: ignore[attr-defined]
    return found | {key: value for key, value in given.items() if value is not None}


def _repeated(record: logging.LogRecord) -> str:
    repeats = getattr(record, "repeats", 0)
    return f" (and {repeats} more like this)" if repeats else ""


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    return "\n" + logging.Formatter().formatException(record.exc_info)


def one_line(text: str) -> str:
    """Return text with escapes for what does not print: names and tags may hold line breaks, or worse."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _quoted(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if text and all(c.isprintable() and c not in ' "=\\' for c in text):
        return text
    letters = (c if c.isprintable() and c not in '"\\' else json.dumps(c)[1:-1] for c in text)
    return f'"{"".join(letters)}"'
