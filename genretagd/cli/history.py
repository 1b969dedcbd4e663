"""``genretagd history``: what was done to a file, when, by which run and model."""

from __future__ import annotations

import contextlib
import datetime as dt
import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretagd.cli import options as o

if TYPE_CHECKING:
    from genretagd.ledger.change import Change


@o.configurable(["ledger"])
def history(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(parser=o.named_path, metavar="PATH", help="The files.")],
    json: o.Json = False,
    config: o.ConfigFile = None,
) -> None:
    """Tell what was done to files."""
    from genretagd.cli.common import check_recorded, configuration, ledger_path
    from genretagd.ledger.database import Database
    from genretagd.ledger.journal import Journal
    from genretagd.logs import one_line

    place = ledger_path(configuration(ctx))
    if not place.exists():
        if not json:
            print(f"{place}: there is no ledger, nothing was changed yet")
        return
    with contextlib.closing(Database(place, read_only=True)) as database:
        journal = Journal(database, command="history")
        check_recorded(paths, journal)
        for path in paths:
            found = journal.history(path)
            if json:
                for change in found:
                    print(json_format.dumps(_as_object(change)))
                continue
            nothing = "is a directory, name files in it" if path.is_dir() else "nothing was done to it"
            print(one_line(f"{path}:" if found else f"{path}: {nothing}"))
            for change in found:
                print(one_line(f"  {_as_line(change)}"))


def _when(change: Change) -> dt.datetime:
    return dt.datetime.fromtimestamp(change.at, tz=dt.UTC).astimezone()


def _as_line(change: Change) -> str:
    before, after = ", ".join(change.genres_before) or "(none)", ", ".join(change.genres_after) or "(none)"
    who = f"undoes change {change.undoes}" if change.undoes else f"{change.model} {change.confidence:.0%}"
    state = {"done": "", "intended": "  [interrupted]", "failed": f"  [failed: {change.reason}]"}[
        change.state
    ]
    return (
        f"{change.id:>6}  {_when(change):%Y-%m-%d %H:%M:%S}  {before} -> {after}"
        f"  ({who}; {change.command}, run {change.run}){state}"
    )


def _as_object(change: Change) -> dict[str, Any]:
    def shown(fields: Any) -> dict[str, list[str]]:
        return {name: list(values) for name, values in (fields or {}).items() if not name.startswith("_")}

    return {
        "id": change.id,
        "path": str(change.path),
        "state": change.state,
        "at": _when(change).isoformat(timespec="seconds"),
        "run": change.run,
        "command": change.command,
        "before": list(change.genres_before),
        "after": list(change.genres_after),
        "fields_before": shown(change.fields_before),
        "fields_after": shown(change.fields_after),
        "model": change.model,
        "confidence": change.confidence,
        "undoes": change.undoes,
        "reason": change.reason,
    }
