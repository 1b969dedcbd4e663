"""What the running daemon tells of itself: a small JSON file, replaced whole, readable when it is down."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from genretagd.daemon.stats import Summary
from genretagd.watcher.report import RootReport

SCHEMA: Final = 1
HANGING_SECONDS: Final = 120.0
"""A root that has not got on for so long hangs on its share."""


def root_object(report: RootReport, *, now: float) -> dict[str, Any]:
    """Return a root's report for the status file; `now` is on the monotonic clock."""
    found = dataclasses.asdict(report)
    silent = now - found.pop("got_on_at")
    found["state"] = str(report.state)
    found["healthy"] = report.state == "watching" and report.problem is None
    if report.got_on_at and silent > HANGING_SECONDS:
        found |= {"healthy": False, "problem": f"not answering for {silent:.0f} s, is its share there?"}
    found["scan_seconds"] = round(report.scan_seconds, 3)
    return found


def status_object(
    *,
    state: str,
    pid: int,
    version: str,
    started_at: float,
    updated_at: float,
    roots: Sequence[dict[str, Any]],
    queue: dict[str, Any],
    plugins: Sequence[dict[str, Any]],
    summary: Summary,
    bundle: str,
    ledger: str,
) -> dict[str, Any]:
    """Return the whole status as plain JSON values; times are seconds since the epoch."""
    return {
        "schema": SCHEMA,
        "state": state,
        "pid": pid,
        "version": version,
        "started_at": started_at,
        "updated_at": updated_at,
        "bundle": bundle,
        "ledger": ledger,
        "problem": summary.problem,
        "roots": list(roots),
        "queue": queue,
        "plugins": list(plugins),
        "files": summary.by_status,
        "failures": summary.failures,
        "files_per_minute": summary.per_minute,
        "working_seconds": round(summary.seconds, 3),
        "last": list(summary.last),
    }


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replace the status file; a full disk is no reason to stop, so nothing is raised."""
    temporary = path.with_name(path.name + ".new")
    text = json.dumps(status)
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        with contextlib.suppress(OSError):
            path.write_text(text)  # on a full disk it is in the room of the old one that this can be said


def read_status(path: Path) -> dict[str, Any] | None:
    """Return what the status file says, or None where there is none that can be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None
