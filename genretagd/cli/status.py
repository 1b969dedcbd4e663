"""``genretagd status``: what the daemon does, seen from outside, and what it did when it is down."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import typer

from genretagd.cli import options as o


@o.configurable(["ledger"])
def status(
    ctx: typer.Context,
    json: o.Json = False,
    config: o.ConfigFile = None,
) -> None:
    """Show whether the daemon runs, and what it did.

    Tells its queue, its last files, its failures and each directory's health.
    """
    from json import dumps

    from genretagd.cli.common import configuration, ledger_path

    path = ledger_path(configuration(ctx))
    report = _report(path)
    print(dumps(report) if json else "\n".join(_lines(report)))


def _report(ledger: Path) -> dict[str, Any]:
    from genretagd.daemon.lock import instances
    from genretagd.daemon.status import read_status

    found = []
    here = os.path.realpath(ledger)
    for instance in instances(ledger.parent / "instances"):
        told = read_status(instance.status_file) or {}
        if told.get("ledger", here) != here:  # several ledgers may lie in one directory
            continue
        if not instance.running:
            told |= {"state": "stopped" if told.get("state") == "stopping" else "ended unexpectedly"}
        found.append({"running": instance.running, **told, "pid": instance.pid, "named": instance.roots})
    running = [one for one in found if one["running"]]
    last = sorted(found, key=lambda one: -one.get("updated_at", 0.0))[:1]
    return {"running": bool(running), "daemons": running or last, "ledger": _ledger(ledger)}


def _ledger(path: Path) -> dict[str, Any]:
    from contextlib import closing

    from genretagd.errors import LedgerError
    from genretagd.ledger.database import Database
    from genretagd.ledger.outbox import Outbox
    from genretagd.ledger.versions import Versions

    found: dict[str, Any] = {"path": str(path), "files": {}, "failures": {}, "plugins": {}, "problem": None}
    if not path.exists():
        return found
    try:
        with closing(Database(path, read_only=True)) as database:
            versions = Versions(database)
            found["files"] = dict(versions.counts())
            found["failures"] = dict(versions.failures())
            for name, left in Outbox(database).backlog().items():
                found["plugins"][name] = {"waiting": left.waiting, "given_up": left.dead}
    except LedgerError as exc:
        found["problem"] = str(exc)
    return found


def _lines(report: dict[str, Any]) -> list[str]:
    from genretagd.logs import one_line

    lines = [] if report["daemons"] else ["not running, and never was with this ledger"]
    for daemon in report["daemons"]:
        lines += _daemon_lines(daemon)
    ledger = report["ledger"]
    counts = ", ".join(f"{count} {name}" for name, count in sorted(ledger["files"].items()))
    known = f"{ledger['path']}: {counts or 'no files yet'}"
    lines.append(f"ledger   {ledger['problem'] or known}")
    lines += [f"           {count:>6}  {code}" for code, count in _by_count(ledger["failures"])]
    for name, left in sorted(ledger["plugins"].items()):
        lines.append(f"plugin   {name}: {left['waiting']} waiting, {left['given_up']} given up on")
    return [one_line(line) for line in lines]


def _daemon_lines(daemon: dict[str, Any]) -> list[str]:
    if not daemon["running"]:
        when = f", last heard of {_ago(daemon['updated_at'])}" if "updated_at" in daemon else ""
        lines = [f"not running: {daemon['state']}{when} (process {daemon['pid']})"]
    else:
        since = f", started {_ago(daemon['started_at'])}" if "started_at" in daemon else ""
        lines = [f"running: process {daemon['pid']}{since}"]
    if daemon.get("problem"):
        lines.append(f"problem  {daemon['problem']}")
    for root in daemon.get("roots", ()):
        health = root["problem"] or root["state"]
        seen = f"{root['files']} files at the last scan"
        lines.append(f"root     {root['path']}: {root['mode']}, {seen}, {health}")
    if "queue" in daemon and daemon["running"]:
        queue = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in daemon["queue"].items())
        lines.append(f"queue    {queue}; {daemon['files_per_minute']:g} per minute")
    if daemon.get("files"):
        done = ", ".join(f"{count} {name}" for name, count in sorted(daemon["files"].items()))
        lines.append(f"done     {done}")
    for plugin in daemon.get("plugins", ()) if daemon["running"] else ():
        wrong = "; ".join(plugin["problems"]) or (
            f"last error: {plugin['last_error']}" if plugin["last_error"] else ""
        )
        lines.append(f"plugin   {plugin['name']}: {plugin['status']}{wrong and f' ({wrong})'}")
    lines += [f"failed   {count:>6}  {code}" for code, count in _by_count(daemon.get("failures", {}))]
    for file in daemon.get("last", ())[:10]:
        what = ", ".join(file["genres"]) if file["status"] == "tagged" else file["reason"]
        lines.append(f"last     {_ago(file['at']):>12}  {file['status']:<8} {file['path']}: {what}")
    return lines


def _by_count(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _ago(at: float) -> str:
    seconds = max(0.0, time.time() - at)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
