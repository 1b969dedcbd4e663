"""``genretagd predict``: what tracks sound like; changes nothing."""

from __future__ import annotations

import typer

from genretagd.cli import options as o


def predict(
    ctx: typer.Context,
    paths: o.Paths,
    json: o.Json = False,
    config: o.ConfigFile = None,
    bundle: o.Bundle = None,
    excerpts: o.Excerpts = None,
    min_confidence: o.MinConfidence = None,
    min_margin: o.MinMargin = None,
    max_genres: o.MaxGenres = None,
    min_seconds: o.MinSeconds = None,
    silence_dbfs: o.SilenceDbfs = None,
    genre: o.GenreNames = None,
    symlinks: o.Symlinks = None,
    ignore: o.Ignore = None,
    workers: o.Workers = None,
    track_seconds: o.TrackSeconds = None,
    nice: o.Nice = None,
) -> None:
    """Print for each track the most probable genres, with calibrated probabilities; changes nothing."""
    from genretagd.cli.common import configuration, named_tracks
    from genretagd.cli.output import Reporter
    from genretagd.cli.running import make_pool, run
    from genretagd.domain import Outcome
    from genretagd.pipeline import listen
    from genretagd.policy import FolderPolicies

    settings = configuration(ctx.params)
    problems: list[Outcome] = []
    policy_for = FolderPolicies(settings)
    with make_pool(settings) as pool:
        pool.start_one()
        tracks = list(named_tracks(paths, settings, problems.append))
        reporter = Reporter(len(tracks), as_json=json)
        for problem in problems:
            reporter.outcome(problem)
        status = run(
            [[track] for track in tracks],
            pool,
            lambda worker, unit: [listen(path, worker, policy_for) for path in unit],
            reporter,
        )
    raise typer.Exit(status)
