"""The `plugins` commands: which there are and how they are, one tried by hand, dead letters tried again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genretagd.cli import options as o
from genretagd.errors import (
    EXIT_OK,
    EXIT_SOME_FAILED,
    ConfigError,
    DeliveryError,
    PluginError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from genretagd.actions.catalog import Catalog
    from genretagd.actions.hosted import HostedPlugin
    from genretagd.actions.plan import ActionSpec, PluginRecord
    from genretagd.config import Config
    from genretagd.delivery import Backlog
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

        raise typer.Exit(_overview(configuration(ctx), as_json=json, check=check))


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


def _overview(config: Config, *, as_json: bool, check: bool) -> int:
    from genretagd.actions.catalog import Catalog

    catalog = Catalog(config.plugins.directories)
    specs, problems = _specs(config, catalog)
    records = _records(config, specs, check=check)
    backlog = _backlog(config)
    for record in records:
        _show(record, backlog.get(record.name), as_json=as_json)
    for record in _others(config, catalog, {spec.source.name for spec in specs}, check=check):
        _show(record, None, as_json=as_json, configured=False)
    for name in sorted(set(backlog) - {record.name for record in records}):
        left = backlog[name]
        print(f"{name:<18} no longer configured, {left.waiting} events wait: ", end="")
        print(f'run "genretagd plugins retry {name} --drop" to forget them')
    _print_problems([*problems, *catalog.problems()])
    failed = problems or any(record.problems for record in records)
    return EXIT_SOME_FAILED if failed else EXIT_OK


def _specs(config: Config, catalog: Catalog) -> tuple[Sequence[ActionSpec], tuple[str, ...]]:
    """Return the actions that can be planned, and what is wrong with the others."""
    from genretagd.actions.plan import plan_actions

    try:
        return plan_actions(config.actions, catalog), ()
    except ConfigError as exc:
        problems = exc.problems
    specs: list[ActionSpec] = []
    for action in config.actions:
        try:
            specs += plan_actions([action], catalog)
        except ConfigError:  # it is among the problems
            continue
    return specs, problems


def _records(config: Config, specs: Sequence[ActionSpec], *, check: bool) -> list[PluginRecord]:
    """Return how the configured actions are; with `check`, after each has loaded and checked."""

    def look(plugin: HostedPlugin) -> PluginRecord:
        if check and plugin.spec.common.enabled:
            plugin.ready()
        plugin.close()
        return plugin.record()

    return _look_at(config, specs, look)


def _others(config: Config, catalog: Catalog, used: set[str], *, check: bool) -> list[PluginRecord]:
    """Return what there is besides, and which options it has."""
    from genretagd.actions.plan import plan_actions
    from genretagd.config import ActionConfig

    actions = [ActionConfig(name, {}, "not configured") for name in catalog.names() if name not in used]

    def look(plugin: HostedPlugin) -> PluginRecord:
        if check:
            plugin.describe()
        return plugin.record()

    return _look_at(config, plan_actions(actions, catalog), look)


def _look_at(
    config: Config, specs: Sequence[ActionSpec], look: Callable[[HostedPlugin], PluginRecord]
) -> list[PluginRecord]:
    import logging
    import os
    from concurrent.futures import ThreadPoolExecutor

    from genretagd.actions.runner import LOG, hosted_plugin
    from genretagd.cli.acting import actions_state
    from genretagd.cli.common import ledger_path

    logging.getLogger(LOG).addHandler(logging.NullHandler())  # the records say it all
    state = actions_state(ledger_path(config))
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return list(threads.map(lambda spec: look(hosted_plugin(spec, state=state)), specs))


def _backlog(config: Config) -> dict[str, Backlog]:
    from genretagd.cli.common import ledger_path
    from genretagd.ledger.database import Database
    from genretagd.ledger.outbox import Outbox

    path = ledger_path(config)
    if not path.is_file():
        return {}
    outbox = Outbox(Database(path, read_only=True))
    try:
        return dict(outbox.backlog())
    finally:
        outbox.close()


def _show(record: PluginRecord, left: Backlog | None, *, as_json: bool, configured: bool = True) -> None:
    last_error = record.last_error or (left.last_error if left else None)
    status = record.status if configured or record.problems else "not configured"
    waiting, dead = (left.waiting, left.dead) if left else (0, 0)
    if as_json:
        _print_json(
            {
                "name": record.name,
                "use": record.source.name,
                "origin": record.source.origin,
                "location": record.source.location,
                "configured": configured,
                "status": record.status if configured or record.problems else None,
                "problems": record.problems,
                "options": record.options,
                "settings": dict(record.settings),
                "handlers": record.handlers,
                "waiting": waiting,
                "given_up": dead,
                "last_error": last_error,
            }
        )
        return
    print(f"{record.name:<18} {status:<16} {record.source.origin}: {record.source.location}")
    if record.summary:
        print(f"    {record.summary}")
    for name, what in (record.options or {}).items():
        value = record.settings.get(name)
        print(f"    {name}: {what}" if value is None else f"    {name} = {value}  ({what})")
    if waiting or dead:
        print(f"    events: {waiting} wait, {dead} were given up on")
    _print_problems(record.problems)
    if last_error and last_error not in record.problems:
        print(f"    last error: {last_error}")


def _print_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        print(f"    problem: {problem}")


def _print_json(found: object) -> None:
    import json

    print(json.dumps(found))


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
