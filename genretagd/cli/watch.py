"""``genretagd watch``: tag every new file once it is whole, until stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from genretagd.cli import options as o

if TYPE_CHECKING:
    from genretagd.config import Config
    from genretagd.daemon.service import Parts

Roots = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DIR", help="Directories to watch; those of the configuration if none is named."),
]
Seconds = Annotated[float | None, typer.Option(help="A file is whole when quiet for so many seconds.")]
Mode = Annotated[
    Literal["auto", "events", "poll"] | None,
    typer.Option(help="How new files are noticed: polling is for network shares."),
]
PollSeconds = Annotated[float | None, typer.Option(help="Pause between looks at a polled directory.")]
RescanSeconds = Annotated[float | None, typer.Option(help="Look at everything again so often.")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Least level that is logged.")
]
LogFormat = Annotated[
    Literal["auto", "human", "logfmt", "json"] | None, typer.Option(help="How log lines look.")
]
MetricsPort = Annotated[
    int | None, typer.Option(metavar="PORT", help="Loopback port of /metrics and /healthz; 0 is off.")
]


def watch(
    ctx: typer.Context,
    directories: Roots = None,
    settle_seconds: Seconds = None,
    mode: Mode = None,
    poll_seconds: PollSeconds = None,
    rescan_seconds: RescanSeconds = None,
    config: o.ConfigFile = None,
    bundle: o.Bundle = None,
    excerpts: o.Excerpts = None,
    min_confidence: o.MinConfidence = None,
    min_margin: o.MinMargin = None,
    max_genres: o.MaxGenres = None,
    min_seconds: o.MinSeconds = None,
    silence_dbfs: o.SilenceDbfs = None,
    genre: o.GenreNames = None,
    existing: o.Existing = None,
    placeholders: o.Placeholders = None,
    protected: o.Protected = None,
    mtime: o.Mtime = None,
    hardlinks: o.Hardlinks = None,
    id3v1: o.Id3v1 = None,
    provenance: o.ProvenanceFields = None,
    symlinks: o.Symlinks = None,
    ignore: o.Ignore = None,
    workers: o.Workers = None,
    track_seconds: o.TrackSeconds = None,
    nice: o.Nice = None,
    ledger: o.Ledger = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Tag every new file once it is whole, and those that came while nobody watched."""
    from genretagd.daemon.service import Service
    from genretagd.logs import start_logging

    parts = _parts(ctx.params, directories or [])
    log = parts.read_config().log
    start_logging(level=log.log_level, log_format=log.log_format)
    raise typer.Exit(Service(parts).run())


def _parts(parameters: dict[str, Any], directories: list[Path]) -> Parts:
    from genretagd.cli.acting import make_runner
    from genretagd.cli.common import configuration, ledger_path
    from genretagd.cli.recording import Records
    from genretagd.cli.running import make_pool
    from genretagd.daemon.engine import PoolEngine, bundle_fingerprint
    from genretagd.daemon.service import Parts
    from genretagd.ledger.database import Database
    from genretagd.ledger.journal import Journal
    from genretagd.policy import FolderPolicies

    def read_config() -> Config:
        from dataclasses import replace

        config = configuration(parameters)
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
        )

    def make_actions(config: Config, database: Database) -> Any:
        return make_runner(config, database) if config.actions else None

    def recover(engine: Any, actions: Any) -> None:
        records = Records(engine.journal, actions)
        with engine.pool.worker() as worker:
            records.recover(worker)

    first = read_config()
    return Parts(
        read_config=read_config,
        ledger=ledger_path(first),
        make_engine=make_engine,
        make_actions=make_actions,
        recover=recover,
    )
