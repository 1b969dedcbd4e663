"""``genretagd tag``: decide on the genres of tracks and write them into the files' tags, once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genretagd.cli import options as o
from genretagd.errors import TrackError

if TYPE_CHECKING:
    from subprocess import Popen

    from genretagd.cli.recording import Records
    from genretagd.config import Config
    from genretagd.domain import DigestAudio, GenreTag, Outcome
    from genretagd.workers.pool import WorkerPool


@o.configurable(o.LISTENING, o.DECIDING, ["album"], o.WRITING, o.FINDING, o.WORKING)
def tag(
    ctx: typer.Context,
    paths: o.Paths,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show before -> after and change nothing.")
    ] = False,
    json: o.Json = False,
    config: o.ConfigFile = None,
    genre: o.GenreNames = None,
) -> None:
    """Write the genre into the tags of files.

    Of a directory, all files below it are taken.
    """
    from genretagd.cli.common import configuration

    settings = configuration(ctx)
    raise typer.Exit(_tag(paths, settings, dry_run=dry_run, as_json=json, spare=ctx.find_root().obj))


def _tag(
    paths: list[Path], config: Config, *, dry_run: bool, as_json: bool, spare: Popen[bytes] | None
) -> int:
    from genretagd.cli.common import named_tracks, warn_of_labels
    from genretagd.cli.output import Reporter
    from genretagd.cli.running import in_units, make_pool, run
    from genretagd.pipeline import Pipeline
    from genretagd.policy import FolderPolicies, of_target
    from genretagd.workers.pool import Worker

    policy_for = FolderPolicies(config)
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(make_pool(config, spare=spare))
        pool.start_one()  # starts up while we look for the tracks
        records = None if dry_run else stack.enter_context(_records(config, pool))
        wrote = stack.enter_context(_remembering(config)) if dry_run else None

        def handle(worker: Worker, unit: Sequence[Path]) -> list[Outcome]:
            pipeline = Pipeline(
                tags=worker,
                classifier=worker,
                policy_for=lambda track: of_target(policy_for, track),
                journal=records.journal if records else None,
                wrote=wrote,
                tell=records.tell if records else _nothing,
            )
            outcomes = pipeline.process_album(unit) if len(unit) > 1 else [pipeline.process(unit[0])]
            if records:
                records.tell_others(outcomes)
            return outcomes

        def is_album(track: Path) -> bool:
            try:
                return policy_for(track).album
            except TrackError:  # the track's outcome tells it
                return False

        problems: list[Outcome] = []
        tracks = list(named_tracks(paths, config, problems.append))
        warn_of_labels(pool, tracks, policy_for)
        reporter = stack.enter_context(Reporter(len(tracks), as_json=as_json))
        for problem in problems:
            reporter.outcome(problem)
        return run(in_units(tracks, is_album), pool, handle, reporter)


def _nothing(_outcome: Outcome) -> None:
    """Tell nobody: in a dry run."""


@contextlib.contextmanager
def _remembering(config: Config) -> Iterator[Callable[[Path, GenreTag, DigestAudio], bool | None] | None]:
    """Open the ledger, where there is one, to ask it what we wrote; nothing is written to it."""
    from genretagd.cli.common import ledger_path
    from genretagd.ledger.database import Database
    from genretagd.ledger.journal import Journal

    place = ledger_path(config)
    if not place.exists():
        yield None
        return
    with contextlib.closing(Database(place, read_only=True)) as database:
        yield Journal(database, command="tag").wrote


@contextlib.contextmanager
def _records(config: Config, pool: WorkerPool) -> Iterator[Records]:
    """Open the ledger, settle what a crash left open, and deliver events until the end of the run."""
    from genretagd.cli.acting import make_runner
    from genretagd.cli.common import ledger_path
    from genretagd.cli.recording import Records
    from genretagd.ledger.database import Database
    from genretagd.ledger.journal import Journal

    with contextlib.closing(Database(ledger_path(config))) as database:
        journal = Journal(database, command="tag")
        records = Records(journal, make_runner(config, database) if config.actions else None)
        journal.forget(days=config.ledger.retention_days)
        with pool.worker() as worker:
            records.recover(worker)
        with records.delivering():
            yield records
