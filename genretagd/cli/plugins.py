"""The `plugins` commands: which there are and how they are, one tried by hand, dead letters tried again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genretagd.cli import options as o
from genretagd.errors import (
    EXIT_OK,
    EXIT_SOME_FAILED,
    DeliveryError,
    PluginError,
    UsageError,
)

if TYPE_CHECKING:
    from genretagd.actions.plan import ActionSpec
    from genretagd.config import Config
    from genretagd.events import TrackEvent
    from genretagd.ledger.database import Database
    from genretagd.ledger.outbox import Outbox

RETRY_SECONDS = 60.0
"""So long `retry` waits for what it tries again; what is left is delivered by the next run."""

plugins = typer.Typer(
    help="Show action plugins, try one by hand, and try again what was given up on.",
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@plugins.callback()
@o.configurable(["ledger"])
def overview(
    ctx: typer.Context,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Load the configured plugins and let them check.")
    ] = True,
    json: o.Json = False,
    config: o.ConfigFile = None,
) -> None:
    """List every plugin: where it comes from, its options, how it is and what went wrong last."""
    if ctx.invoked_subcommand is None:
        from genretagd.cli.common import configuration
        from genretagd.cli.plugin_list import show_all

        raise typer.Exit(show_all(configuration(ctx), as_json=json, check=check))


@plugins.command("test")
@o.configurable(["ledger"])
def try_one(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="An action of the configuration, or a plugin.")],
    event: Annotated[
        Path | None,
        typer.Option("--event", metavar="FILE", help="Event as JSON, such as a line of jsonl_log."),
    ] = None,
    config: o.ConfigFile = None,
) -> None:
    """Tell one plugin an event by hand, and on_idle after it; a sample if no event is named."""
    from genretagd.cli.common import configuration

    raise typer.Exit(_try(configuration(ctx), name, event))


@plugins.command("retry")
@o.configurable(["ledger"])
def retry(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="An action; all of them if unset.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Only list what was given up on.")] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Forget everything that NAME is yet to be told instead.")
    ] = False,
    config: o.ConfigFile = None,
) -> None:
    """Tell plugins again what was given up on."""
    from genretagd.cli.common import configuration

    raise typer.Exit(_retry(configuration(ctx), name, show=show, drop=drop))


def _try(config: Config, name: str, event_file: Path | None) -> int:
    import logging

    from genretagd.actions.runner import hosted_plugin
    from genretagd.cli.acting import actions_state
    from genretagd.cli.common import ledger_path
    from genretagd.events import idle_event

    event = _event(event_file)
    spec = _named_spec(config, name)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    plugin = hosted_plugin(spec, state=actions_state(ledger_path(config)))
    try:
        if not plugin.ready():
            raise PluginError("\n".join(plugin.record().problems))
        if not plugin.handles(event.kind):
            raise UsageError(f"{spec.name}: has no on_{event.kind}, try it with another event")
        moved = plugin.tell(event)
        if plugin.has_idle:
            plugin.tell(idle_event(at=event.at))
    except DeliveryError as exc:
        print(f"{spec.name}: failed: {plugin.note(exc)}")
        return EXIT_SOME_FAILED
    finally:
        plugin.close()
    print(f"{spec.name}: {event.kind}: done" + (f", moved to {moved.path}" if moved else ""))
    return EXIT_OK


def _event(file: Path | None) -> TrackEvent:
    """Return the event in a file, with what a hand-written one may leave out; or a sample."""
    import json
    from datetime import UTC, datetime

    from genretagd.event_json import event_from_json
    from genretagd.events import Idle, event_key

    sample = {
        "version": 1,
        "kind": "tagged",
        "path": "/music/sample/track.mp3",
        "before": [],
        "after": ["Rock"],
        "confidence": 0.9,
    }
    try:
        found = json.loads(file.read_text("utf-8")) if file else sample
        if isinstance(found, dict):
            now = datetime.now(UTC)
            found = {"version": 1, "key": event_key("test", now), "at": now.isoformat(), **found}
        event = event_from_json(found)
    except (OSError, ValueError) as exc:
        raise UsageError(f"{file}: no event: {exc}") from exc
    if isinstance(event, Idle):
        raise UsageError(f"{file}: on_idle is told after each event, name an event of a track")
    return event


def _named_spec(config: Config, name: str) -> ActionSpec:
    """Return the configured action of a name, or an unconfigured plugin with no options."""
    from genretagd.actions.catalog import Catalog
    from genretagd.actions.plan import plan_actions
    from genretagd.config import ActionConfig, did_you_mean

    catalog = Catalog(config.plugins.directories)
    specs = plan_actions(config.actions, catalog)
    for spec in specs:
        if spec.name == name:
            return spec
    if catalog.find(name):
        return plan_actions([ActionConfig(name, {}, "command line")], catalog)[0]
    known = [*(spec.name for spec in specs), *catalog.names()]
    raise UsageError(f"{name}: no such action or plugin{did_you_mean(name, known)}")


def _retry(config: Config, name: str | None, *, show: bool, drop: bool) -> int:
    import contextlib
    import time

    from genretagd.actions.redaction import Redactor
    from genretagd.cli.common import ledger_path
    from genretagd.ledger.database import Database
    from genretagd.ledger.outbox import Outbox

    path = ledger_path(config)
    if not path.is_file():
        print("nothing was ever given up on")
        return EXIT_OK
    with contextlib.closing(Database(path)) as database:
        outbox = Outbox(database)
        if show:
            printable = Redactor({}, environment={})
            for letter in outbox.dead_letters(name):
                track = printable(str(letter.event.path))
                print(f"{letter.action}: {letter.event.kind} {track}: {letter.last_error}")
            return EXIT_OK
        if drop:
            if name is None:
                raise UsageError("--drop: needs the name of the action whose events are to be forgotten")
            print(f"{name}: {outbox.forget(name)} events forgotten")
            return EXIT_OK
        number = outbox.retry(name, now=time.time())
        print(f"{number} events wait again")
        return _deliver(config, database, outbox) if number else EXIT_OK


def _deliver(config: Config, database: Database, outbox: Outbox) -> int:
    """Deliver here and now, unless a daemon does."""
    import logging

    from genretagd.cli.acting import make_runner

    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    runner = make_runner(config, database)
    runner.start()
    if not runner.delivers:
        runner.close(drain_seconds=0)
        print("they are delivered by the genretagd that is running, or by the next that does")
        return EXIT_OK
    runner.close(drain_seconds=RETRY_SECONDS)
    left = sum(found.waiting + found.dead for found in outbox.backlog().values())
    print(f"{left} events are left" if left else "all are delivered")
    return EXIT_SOME_FAILED if left else EXIT_OK
