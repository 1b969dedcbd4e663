"""``genretagd evaluate``: how good a model is on music whose genre is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from genretagd.cli import options as o


def evaluate(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help='Directory of a model bundle, or the word "default".')
    ],
    dataset: Annotated[
        Path, typer.Argument(parser=o.named_path, metavar="DATASET", help="Folder of genre folders.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", parser=o.named_path, metavar="OUT", help="Where report and metrics go."
        ),
    ] = Path("evaluation"),
    groups: o.Groups = None,
    group_pattern: o.GroupPattern = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling behind the intervals.")] = 0,
    cache: o.Cache = None,
    jobs: o.Jobs = 0,
    json: o.MetricsJson = False,
) -> None:
    """Measure a model on folders of music, one per genre.

    Folders that it has no label for are foreign music.
    """
    from genretagd.cli.progress import ProgressReporter
    from genretagd.cli.training import found_corpus, print_result, require_training, spectrogram_cache
    from genretagd.ml.bundle import load_bundle

    model = load_bundle(bundle)
    require_training(("matplotlib", "PIL"))
    from genretagd.ml.training.evaluate import evaluate as run
    from genretagd.ml.training.prepare import Ingredients

    with ProgressReporter() as progress:
        corpus = found_corpus(dataset, None, progress, for_training=False)
    ingredients = Ingredients(
        cache=spectrogram_cache(cache),
        front_end=model.front_end,
        excerpts=model.excerpts,
        groups_file=groups,
        group_pattern=group_pattern,
        jobs=jobs or os.cpu_count() or 1,
    )
    with ProgressReporter() as progress:
        result = run(model, corpus, ingredients, report=output, listener=progress, seed=seed)
    print_result(result.metrics, report=result.report, problems=result.problems, as_json=json)
