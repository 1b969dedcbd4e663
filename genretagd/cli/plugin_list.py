"""What `genretagd plugins` prints: every plugin, how it is, and what it is yet to be told."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from genretagd.actions.catalog import Catalog
from genretagd.actions.hosted import HostedPlugin
from genretagd.actions.plan import ActionSpec, PluginRecord, plan_actions
from genretagd.actions.runner import LOG, hosted_plugin
from genretagd.cli.acting import actions_state
from genretagd.cli.common import ledger_path
from genretagd.config import ActionConfig, Config
from genretagd.delivery import Backlog
from genretagd.errors import EXIT_OK, EXIT_SOME_FAILED, ConfigError
from genretagd.ledger.database import Database
from genretagd.ledger.outbox import Outbox


def show_all(config: Config, *, as_json: bool, check: bool) -> int:
    """Print every plugin, configured or not, and return the exit status.

    Parameters
    ----------
    config : Config
        Says which are configured.
    as_json : bool
        Whether to print one JSON object per plugin.
    check : bool
        Whether to load them, and to let the configured ones check whether they can work.
    """
    catalog = Catalog(config.plugins.directories)
    specs, problems = _specs(config, catalog)
    records = _records(config, specs, check=check)
    backlog = _backlog(config)
    for record in records:
        _show(record, backlog.get(record.name), as_json=as_json)
    for record in _others(config, catalog, {spec.source.name for spec in specs}, check=check):
        _show(record, None, as_json=as_json, configured=False)
    for name in sorted(set(backlog) - {record.name for record in records}):
        _show_bygone(name, backlog[name], as_json=as_json)
    wrong = [*problems, *catalog.problems()]
    for problem in wrong:
        print(f"problem: {problem}", file=sys.stderr if as_json else sys.stdout)
    return EXIT_SOME_FAILED if wrong or any(record.problems for record in records) else EXIT_OK


def _show_bygone(name: str, left: Backlog, *, as_json: bool) -> None:
    if as_json:
        found = {"name": name, "configured": False, "status": None}
        _print_json({**found, "waiting": left.waiting, "given_up": left.dead})
    else:
        print(f"{name:<18} no longer configured, {left.waiting} events wait: ", end="")
        print(f'run "genretagd plugins retry {name} --drop" to forget them')


def _specs(config: Config, catalog: Catalog) -> tuple[Sequence[ActionSpec], tuple[str, ...]]:
    """Return the actions that can be planned, and what is wrong with the others."""
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
    actions = [ActionConfig(name, {}, "not configured") for name in catalog.names() if name not in used]

    def look(plugin: HostedPlugin) -> PluginRecord:
        if check:
            plugin.describe()
        return plugin.record()

    return _look_at(config, plan_actions(actions, catalog), look)


def _look_at(
    config: Config, specs: Sequence[ActionSpec], look: Callable[[HostedPlugin], PluginRecord]
) -> list[PluginRecord]:
    logging.getLogger(LOG).addHandler(logging.NullHandler())  # the records say it all
    state = actions_state(ledger_path(config))
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return list(threads.map(lambda spec: look(hosted_plugin(spec, state=state)), specs))


def _backlog(config: Config) -> dict[str, Backlog]:
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
    print(json.dumps(found))
