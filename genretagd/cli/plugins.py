"""The `plugins` commands: which there are and how they are, one tried by hand, what is left told."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genretagd.cli import options as o
from genretagd.errors import (
    EXIT_OK,
    EXIT_SOME_FAILED,
    EXIT_USAGE,
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
"""So long `retry` tells plugins what they are yet to be told; what is left is delivered by the next run."""

plugins = typer.Typer(
    help="Show action plugins, try one, tell them what waits.",
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
    for flag, given in (("--json", json), ("--no-check", not check)):
        if given:
            raise UsageError(f"{flag}: belongs to the list of plugins, not to {ctx.invoked_subcommand}")


@plugins.command("test")
@o.configurable(["ledger"])
def try_one(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An action of the configuration, or a plugin.")],
    event: Annotated[
        Path | None,
        typer.Option(
            "--event", parser=o.named_path, metavar="FILE", help="Event as JSON, such as a line of jsonl_log."
        ),
    ] = None,
    config: o.ConfigFile = None,
) -> None:
    """Tell one plugin an event by hand, and on_idle after it.

    A sample, if no event is named. The plugin really acts.
    """
    raise typer.Exit(_try(_configuration(ctx), name, event))


@plugins.command("retry")
@o.configurable(["ledger"])
def retry(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An action; all of them if unset.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List what was given up on instead.")] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Forget everything that NAME is yet to be told instead.")
    ] = False,
    config: o.ConfigFile = None,
) -> None:
    """Tell plugins what waits and, again, what was given up on."""
    if show and drop:
        raise UsageError("--list and --drop exclude one another, give one of them")
    if drop and name is None:
        raise UsageError("--drop: needs the name of the action whose events are to be forgotten")
    raise typer.Exit(_retry(_configuration(ctx), name, show=show, drop=drop))


def _configuration(ctx: typer.Context) -> Config:
    """Return the configuration in force; options may stand before the subcommand as well as after it."""
    from genretagd.cli.common import configuration

    assert ctx.parent is not None
    before = ctx.parent.params
    ctx.params["config"] = ctx.params["config"] or before["config"]
    ctx.obj = {name: before[name] if value is None else value for name, value in ctx.obj.items()}
    return configuration(ctx)


def _ledger(config: Config, stack: contextlib.ExitStack) -> Database | None:
    """Return the ledger, which is closed with the stack; None where there is none yet."""
    from genretagd.cli.common import ledger_path
    from genretagd.ledger.database import Database

    path = ledger_path(config)
    return stack.enter_context(contextlib.closing(Database(path))) if path.is_file() else None


def _try(config: Config, name: str, event_file: Path | None) -> int:
    import logging

    from genretagd.actions.plan import PluginStatus
    from genretagd.actions.runner import hosted_plugin
    from genretagd.cli.acting import actions_state
    from genretagd.cli.common import ledger_path
    from genretagd.events import idle_event
    from genretagd.ledger.following import follow, version_at

    event = _event(event_file)
    spec = _named_spec(config, name)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with contextlib.ExitStack() as stack:
        database = _ledger(config, stack)  # one that is not well is told of before the plugin acts
        plugin = hosted_plugin(spec, state=actions_state(ledger_path(config)))
        stack.callback(plugin.close)
        if not plugin.ready():
            if plugin.status is not PluginStatus.CONFIG_INVALID:
                return EXIT_USAGE  # it is logged
            raise PluginError("\n".join(plugin.record().problems))
        if not plugin.handles(event.kind):
            raise UsageError(f"{spec.name}: has no on_{event.kind}, try it with another event")
        try:
            moved = plugin.tell(event)
            if moved and database:
                version = version_at(moved.path)
                with database.transaction() as connection:
                    follow(connection, moved.moved_from, moved.path, version)
            if plugin.has_idle:
                plugin.tell(idle_event(at=event.at))
        except DeliveryError as exc:
            print(f"{spec.name}: failed: {plugin.note(exc)}")
            return EXIT_SOME_FAILED
    print(f"{spec.name}: {event.kind}: done" + (f", moved to {moved.path}" if moved else ""))
    return EXIT_OK


def _event(file: Path | None) -> TrackEvent:
    """Return the event in a file, with what a hand-written one may leave out; or a sample."""
    import json
    from dataclasses import replace
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
    return replace(event, path=event.path.absolute())  # a plugin runs elsewhere


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
    from genretagd.config import did_you_mean
    from genretagd.ledger.outbox import Outbox

    configured = {
        str(action.options.get("name") or action.use): action.options.get("enabled") is not False
        for action in config.actions
    }
    with contextlib.ExitStack() as stack:
        database = _ledger(config, stack)
        outbox = Outbox(database) if database else None
        known = {*configured, *(outbox.backlog() if outbox else ())}
        if name is not None and name not in known:
            raise UsageError(f"{name}: no such action{did_you_mean(name, known)}")
        if database is None or outbox is None:
            print("nothing was ever told to plugins")
            return EXIT_OK
        if show:
            return _show_dead(outbox, name)
        if drop and name is not None:
            print(f"{name}: {outbox.forget(name)} events forgotten")
            return EXIT_OK
        names = _to_deliver(outbox, configured, name)
        if names:
            return _deliver(config, database, outbox, names)
        if name is not None and name in outbox.backlog():
            return EXIT_SOME_FAILED
        print("there is nothing to tell")
        return EXIT_OK


def _show_dead(outbox: Outbox, name: str | None) -> int:
    from genretagd.actions.redaction import Redactor

    printable = Redactor({}, environment={})
    for letter in outbox.dead_letters(name):
        track = printable(str(letter.event.path))
        print(f"{letter.action}: {letter.event.kind} {track}: {letter.last_error}")
    return EXIT_OK


def _to_deliver(outbox: Outbox, configured: Mapping[str, bool], name: str | None) -> list[str]:
    """Return the actions to deliver to, and say why nothing is delivered to the others that have events."""
    names = []
    for action, left in sorted(outbox.backlog().items()):
        if name not in (None, action):
            continue
        number = left.waiting + left.dead
        if action not in configured:
            hint = f'"genretagd plugins retry {action} --drop" forgets them'
            print(f"{action}: no longer configured, {number} events wait: {hint}")
        elif not configured[action]:
            print(f"{action}: is switched off, {number} events wait until enabled = true")
        else:
            names.append(action)
    return names


def _deliver(config: Config, database: Database, outbox: Outbox, names: Sequence[str]) -> int:
    """Deliver here and now, unless a daemon does."""
    import logging
    import time

    from genretagd.cli.acting import make_runner

    def left() -> int:
        found = outbox.backlog()
        return sum(found[name].waiting + found[name].dead for name in names if name in found)

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    runner = make_runner(config, database)
    for name in names:
        outbox.retry(name, now=time.time())
    print(f"{left()} events are to be told")
    runner.start()
    if not runner.delivers:
        runner.close(drain_seconds=0)
        print("they are delivered by the genretagd that is running, or by the next that does")
        return EXIT_OK
    runner.close(drain_seconds=RETRY_SECONDS, patient=True)
    number = left()
    print(f"{number} events are left" if number else "all are delivered")
    return EXIT_SOME_FAILED if number else EXIT_OK
