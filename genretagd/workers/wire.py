"""How parent and worker speak: one JSON object per line, a request and its reply.

Request: ``{"op": "predict", "path": "...", "limit": 60.0, "arguments": {...}}``.
Reply: ``{"ok": <result>}`` or ``{"error": {"type": "DecodeError", "problem": ..., "code": ...,
"transient": ...}}``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genretagd import errors
from genretagd.domain import GenreTag, Prediction, TagChange
from genretagd.errors import GenretagdError, ModelError, TrackError, WorkerError
from genretagd.serial import from_json, to_json

RESULTS: dict[str, Any] = {
    "warm": tuple[str, ...],
    "predict": Prediction,
    "read_genres": GenreTag,
    "digest_audio": str | None,
    "write_genres": TagChange,
    "check_writable": type(None),
    "restore_fields": TagChange,
}


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as one line of ASCII."""
    return json.dumps(to_json(message), separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line.

    Raises
    ------
    WorkerError
        The line is no message.
    """
    try:
        message = json.loads(line)
    except ValueError as exc:
        raise WorkerError(f"worker: not a message: {line[:80]!r}") from exc
    if not isinstance(message, dict):
        raise WorkerError(f"worker: not a message: {line[:80]!r}")
    return message


def error_message(exc: GenretagdError) -> dict[str, Any]:
    """Return the reply that carries an error of ours."""
    error: dict[str, Any] = {"type": type(exc).__name__, "message": str(exc)}
    if isinstance(exc, TrackError):
        error |= {"problem": exc.problem, "code": exc.code, "transient": exc.transient}
    return {"error": error}


def result_of(reply: dict[str, Any], op: str, path: Path) -> Any:
    """Return the result that a reply carries.

    Raises
    ------
    TrackError, ModelError
        The error that the reply carries instead.
    WorkerError
        The reply is no reply to this operation.
    """
    if "error" in reply:
        error = reply["error"]
        kind = getattr(errors, error["type"], None)
        if isinstance(kind, type) and issubclass(kind, TrackError):
            raise kind(path, error["problem"], code=error["code"], transient=error["transient"])
        if kind is ModelError:
            raise ModelError(error["message"])
        raise WorkerError(f"worker: {error['message']}")
    kind = RESULTS[op]
    try:
        return from_json(kind, reply["ok"])
    except (KeyError, ValueError) as exc:
        raise WorkerError(f"worker: not a reply to {op}: {exc}") from exc
