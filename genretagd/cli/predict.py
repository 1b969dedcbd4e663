"""``genretagd predict``: what tracks sound like; changes nothing."""

from __future__ import annotations

import typer

from genretagd.cli import options as o


@o.configurable(o.LISTENING, o.DECIDING, o.FINDING, o.WORKING)
def predict(
    ctx: typer.Context,
    paths: o.Paths,
    json: o.Json = False,
    config: o.ConfigFile = None,
    genre: o.GenreNames = None,
) -> None:
    """Print what tracks sound like; changes nothing.

    Each track's most probable genres come with calibrated probabilities.
    """
    from genretagd.cli.common import configuration, named_tracks, warn_of_labels
    from genretagd.cli.output import Reporter
    from genretagd.cli.running import make_pool, run
    from genretagd.domain import Outcome
    from genretagd.pipeline import listen
    from genretagd.policy import FolderPolicies

    settings = configuration(ctx)
    problems: list[Outcome] = []
    policy_for = FolderPolicies(settings)
    with make_pool(settings, spare=ctx.find_root().obj) as pool:
        pool.start_one()  # starts up while we look for the tracks
        tracks = list(named_tracks(paths, settings, problems.append))
        warn_of_labels(pool, tracks, policy_for)
        with Reporter(len(tracks), as_json=json) as reporter:
            for problem in problems:
                reporter.outcome(problem)
            status = run(
                [[track] for track in tracks],
                pool,
                lambda worker, unit: [listen(path, worker, policy_for) for path in unit],
                reporter,
            )
    raise typer.Exit(status)
