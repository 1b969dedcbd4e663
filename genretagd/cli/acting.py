"""Wire the action plugins of a configuration to a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genretagd.config import Config

if TYPE_CHECKING:
    from genretagd.actions.runner import Runner
    from genretagd.ledger.database import Database


def actions_state(ledger: Path) -> Path:
    """Return the directory beside a ledger in which its actions and their plugins keep what they need."""
    return ledger.with_name(ledger.stem + "-actions")


def make_runner(config: Config, database: Database) -> Runner:
    """Return the runner for the [[actions]] of a configuration, its plugins loaded but not yet started.

    Parameters
    ----------
    config : Config
        The configuration.
    database : Database
        The open ledger: events told inside a transaction of its are kept if that commits.

    Raises
    ------
    ConfigError
        With every problem of the actions and their options.
    LedgerError
        The ledger cannot be opened a second time.
    """
    from genretagd.actions.catalog import Catalog
    from genretagd.actions.plan import plan_actions
    from genretagd.actions.runner import Runner
    from genretagd.ledger.database import Database as Connection
    from genretagd.ledger.outbox import Outbox

    specs = plan_actions(config.actions, Catalog(config.plugins.directories)) if config.actions else ()
    keep = Outbox(database)
    deliver = Outbox(Connection(database.path, durable=False)) if specs else keep
    runner = Runner(specs, keep=keep, deliver=deliver, state=actions_state(database.path))
    try:
        runner.load()
    except BaseException:
        runner.close(drain_seconds=0)
        raise
    return runner
