"""``genretagd watch``: tag every new file once it is whole, until stopped."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from genretagd.cli import options as o

if TYPE_CHECKING:
    from genretagd.config import Config
    from genretagd.daemon.service import Parts

Roots = Annotated[
    list[Path] | None,
    typer.Argument(
        parser=o.named_path,
        metavar="DIR",
        help="Directories to watch; those of the configuration if none is named.",
    ),
]


@o.configurable(o.WATCHING, o.LISTENING, o.DECIDING, o.WRITING, o.FINDING, o.WORKING, o.REPORTING)
def watch(
    ctx: typer.Context,
    directories: Roots = None,
    config: o.ConfigFile = None,
    genre: o.GenreNames = None,
) -> None:
    """Tag every new file once it is whole, until stopped.

    Those that came while nobody watched are tagged, too.
    """
    from genretagd.daemon.service import Service
    from genretagd.logs import start_logging

    parts = _parts(ctx, [directory.absolute() for directory in directories or []])
    log = parts.read_config().log
    start_logging(level=log.log_level, log_format=log.log_format)
    _end(Service(parts).run())


def _end(status: int) -> NoReturn:
    """End this process and wait for no thread, since one may hang; what is to be kept is written already."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _parts(ctx: typer.Context, directories: list[Path]) -> Parts:
    from genretagd.cli.acting import make_runner
    from genretagd.cli.common import configuration, ledger_path
    from genretagd.cli.recording import Records
    from genretagd.cli.running import make_pool
    from genretagd.daemon.engine import PoolEngine, bundle_fingerprint
    from genretagd.daemon.service import Parts
    from genretagd.errors import UsageError
    from genretagd.ledger.database import Database
    from genretagd.ledger.journal import Journal
    from genretagd.policy import FolderPolicies

    ledger = ledger_path(configuration(ctx))

    def read_config() -> Config:
        from dataclasses import replace

        config = configuration(ctx)
        if ledger_path(config) != ledger:
            raise UsageError(f"ledger: {ledger} is in use, restart to use {ledger_path(config)}")
        if directories:
            named = {root.path: root for root in config.roots}
            config = replace(
                config,
                roots=tuple(named[path] for path in directories if path in named),
                watch=replace(config.watch, roots=tuple(path for path in directories if path not in named)),
            )
        return config

    def make_engine(config: Config, database: Database) -> PoolEngine:
        return PoolEngine(
            make_pool(config),
            policy_for=FolderPolicies(config),
            journal=Journal(database, command="watch"),
            bundle=bundle_fingerprint(config.model.bundle),
            retention_days=config.ledger.retention_days,
        )

    def make_actions(config: Config, database: Database) -> Any:
        return make_runner(config, database) if config.actions else None

    def recover(engine: Any, actions: Any) -> None:
        engine.forget_old()
        records = Records(engine.journal, actions)
        with engine.pool.worker() as worker:
            records.recover(worker)

    return Parts(
        read_config=read_config,
        ledger=ledger,
        make_engine=make_engine,
        make_actions=make_actions,
        recover=recover,
    )
