"""``genretagd undo``: put back the tags that a run replaced, where they still are what it wrote."""

from __future__ import annotations

import contextlib
import datetime as dt
import json as json_format
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genretagd.cli import options as o
from genretagd.errors import EXIT_OK, EXIT_SOME_FAILED, ConfigError, UsageError

if TYPE_CHECKING:
    from genretagd.actions.runner import Runner
    from genretagd.config import Config
    from genretagd.domain import Outcome
    from genretagd.ledger.change import Change
    from genretagd.ledger.database import Database
    from genretagd.ledger.journal import Journal

_SPAN = re.compile(r"(\d+)\s*(s|min|h|d|w)\Z")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


@o.configurable(["mtime", "hardlinks", "ledger"])
def undo(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=o.named_path, metavar="PATH", help="Only these files, and files below these directories."
        ),
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="All changes of this run.", metavar="ID")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="All changes since: 2h, 3d, 1w, 2031-05-01 or 2031-05-01T20:00.", metavar="WHEN"
        ),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="All changes of the last run.")] = False,
    any_audio: Annotated[
        bool,
        typer.Option(
            "--any-audio", help="Also where the file's audio is no longer what was tagged, as after mp3gain."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would come back and change nothing.")
    ] = False,
    json: o.Json = False,
    config: o.ConfigFile = None,
) -> None:
    """Put back the tags that were there before.

    Only where the file still holds what was written. With paths alone, the last change of each file is
    taken back. An undo is a run of its own and can be undone.
    """
    from genretagd.cli.common import configuration

    settings = configuration(ctx)
    wishes = (run is not None) + (since is not None) + last
    if wishes > 1:
        raise UsageError("undo: --run, --since and --last exclude one another, give one of them")
    if not wishes and not paths:
        raise UsageError("undo: nothing to undo was named, give paths, --run ID, --since WHEN or --last")

    def select(journal: Journal) -> list[Change]:
        return _selected(journal, paths or [], run=run, since=since, last=last)

    raise typer.Exit(_undo(select, settings, any_audio=any_audio, dry_run=dry_run, as_json=json))


def instant(text: str, *, now: float) -> float:
    """Return the instant that ``--since`` means, in seconds since the epoch.

    Parameters
    ----------
    text : str
        A span back from now (``90s``, ``30min``, ``2h``, ``3d``, ``1w``) or an ISO 8601 date or
        date and time, in local time where it names no zone.
    now : float
        In seconds since the epoch.

    Raises
    ------
    UsageError
        It is neither.
    """
    span = _SPAN.match(text.strip())
    try:
        if span:
            return now - int(span[1]) * _SECONDS[span[2]]
        return dt.datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as exc:
        raise UsageError(
            f'--since {text}: not a time, give a span such as "2h" or "3d", or a date such as "2031-05-01"'
        ) from exc


def _selected(
    journal: Journal, paths: Sequence[Path], *, run: str | None, since: str | None, last: bool
) -> list[Change]:
    from genretagd.cli.common import check_recorded

    check_recorded(paths, journal)
    if last:
        run = journal.last_run()
        return journal.changes(run=run, below=paths) if run else []
    if run is not None:
        if not journal.has_run(run):
            raise UsageError(f'--run {run}: no such run, "genretagd history PATH" shows the runs of a file')
        return journal.changes(run=run, below=paths)
    if since is not None:
        return journal.changes(since=instant(since, now=time.time()), below=paths)
    latest = {change.path: change for change in journal.changes(below=paths)}
    return list(latest.values())


def _undo(
    select: Callable[[Journal], list[Change]],
    config: Config,
    *,
    any_audio: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    from genretagd.cli.common import ledger_path
    from genretagd.cli.recording import Records
    from genretagd.cli.running import make_pool
    from genretagd.domain import Status
    from genretagd.ledger.database import Database
    from genretagd.ledger.journal import Journal
    from genretagd.logs import one_line
    from genretagd.policy import FolderPolicies, of_target
    from genretagd.undoing import plan, undo

    policy_for = partial(of_target, FolderPolicies(config))
    place = ledger_path(config)
    if not place.exists():
        raise UsageError(f"{place}: there is no ledger, so nothing was changed that could be undone")
    outcomes: list[Outcome] = []
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(contextlib.closing(Database(place)))
        journal = Journal(database, command="undo", any_audio=any_audio)
        records = Records(journal, _runner(config, database))
        pool = stack.enter_context(make_pool(config))
        with pool.worker() as worker, records.keeping() if dry_run else records.delivering():
            records.recover(worker)
            for step in plan(journal, select(journal)):
                outcome = undo(
                    step,
                    worker,
                    None if dry_run else journal,
                    policy_for,
                    tell=partial(records.tell, undo=True),
                )
                outcomes.append(outcome)
                print(_as_json(outcome) if as_json else one_line(_as_line(outcome)), flush=True)
    if not as_json:
        print(_summary(outcomes, run=None if dry_run else journal.run))
    return EXIT_SOME_FAILED if any(o.status is Status.FAILED for o in outcomes) else EXIT_OK


def _runner(config: Config, database: Database) -> Runner | None:
    """Return what tells action plugins; where they are configured wrongly, undo goes on without them."""
    from genretagd.cli.acting import make_runner

    if not config.actions:
        return None
    try:
        return make_runner(config, database)
    except ConfigError as exc:
        for problem in (*exc.problems, "undo: going on, action plugins are not told"):
            print(f"genretagd: {problem}", file=sys.stderr)
        return None


def _as_json(outcome: Outcome) -> str:
    return json_format.dumps(
        {
            "path": str(outcome.path),
            "status": _word(outcome),
            "before": list(outcome.before),
            "after": list(outcome.after),
            "reason": outcome.reason,
            "code": outcome.code,
        }
    )


def _as_line(outcome: Outcome) -> str:
    head, reason = f"{_word(outcome):<10}  {outcome.path}: ", outcome.reason
    if _word(outcome) not in {"undone", "would undo"}:
        return f"{head}{reason}"
    change = f"{', '.join(outcome.before) or '(none)'} -> {', '.join(outcome.after) or '(none)'}"
    return f"{head}{change} ({reason})" if reason else head + change


def _word(outcome: Outcome) -> str:
    return {"tagged": "undone", "would tag": "would undo"}.get(str(outcome.status), str(outcome.status))


def _summary(outcomes: Sequence[Outcome], *, run: str | None) -> str:
    if not outcomes:
        return "nothing to undo"
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[_word(outcome)] = counts.get(_word(outcome), 0) + 1
    told = ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))
    again = f"; undo this with: genretagd undo --run {run}" if run and counts.get("undone") else ""
    return f"{told}{again}"
