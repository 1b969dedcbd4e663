"""``genretagd train``: from folders of music to a model bundle and a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from genretagd.cli import options as o
from genretagd.domain import MOST_EXCERPTS
from genretagd.errors import UsageError


def train(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            parser=o.named_path, metavar="DATASET", help="Folder of genre folders with audio or spectrograms."
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=o.named_path,
            metavar="BUNDLE",
            help="Directory of the model bundle to write.",
        ),
    ] = Path("model"),
    from_library: Annotated[
        Path | None,
        typer.Option(
            parser=o.named_path,
            metavar="DIR",
            help="Take labels from the genres in the tags of this library.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            parser=o.named_path, metavar="DIR", help="Where the report goes; <BUNDLE>-report if not given."
        ),
    ] = None,
    arch: Annotated[str, typer.Option(help="Network: default or seed.")] = "default",
    base: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE", help='Keep the trunk of this bundle ("default" is ours), fit a new head.'
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Rounds of learning.")] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Cross-validate over so many folds; 0 splits once into three parts.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Everything drawn at random follows from it.")] = 0,
    min_tracks: Annotated[int, typer.Option(min=1, help="A genre needs so many tracks.")] = 10,
    outside: Annotated[
        list[str] | None,
        typer.Option(metavar="GENRE", help="A genre folder to be recognised as none of the labels."),
    ] = None,
    groups: o.Groups = None,
    group_pattern: o.GroupPattern = None,
    pool: Annotated[
        list[Path] | None,
        typer.Option(parser=o.named_path, metavar="DIR", help="Further music without labels to learn from."),
    ] = None,
    pool_genre: Annotated[
        list[str] | None,
        typer.Option(metavar="STATED=LABEL", help="What a genre stated in a pool's table means; * matches."),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(parser=o.named_path, metavar="FILE.npz", help="Another model's opinions, to distil."),
    ] = None,
    precision: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of right decisions to choose the threshold for.")
    ] = 0.85,
    excerpts: Annotated[
        int, typer.Option(min=1, max=MOST_EXCERPTS, help="Excerpts per track to learn from and listen to.")
    ] = 3,
    name: Annotated[
        str | None, typer.Option(help="Name of the model; the bundle's directory if not given.")
    ] = None,
    model_version: Annotated[str, typer.Option(help="Version of the model.")] = "1",
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="What the data's licence means for users.")
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any further setting of the recipe."),
    ] = None,
    cache: o.Cache = None,
    jobs: o.Jobs = 0,
    json: o.MetricsJson = False,
) -> None:
    """Make a model out of folders of music, one per genre.

    It is measured on artists that it has not heard.
    """
    from genretagd.cli.progress import ProgressReporter
    from genretagd.cli.training import (
        base_network,
        command_line,
        found_corpus,
        pairs,
        print_result,
        recipe_of,
        refuse_unheard,
        require_training,
        spectrogram_cache,
    )

    require_training()
    from genretagd.ml.bundle import ExcerptChoice
    from genretagd.ml.frontend import FrontEnd
    from genretagd.ml.training.naming import place_for_bundle
    from genretagd.ml.training.pictures import printable
    from genretagd.ml.training.prepare import Ingredients
    from genretagd.ml.training.train import Plan
    from genretagd.ml.training.train import train as run

    if folds == 1:
        raise UsageError("--folds 1: must be 0, for one split into three parts, or 2 at least")
    output = place_for_bundle(output)
    front_end = FrontEnd()
    trunk = base_network(base, front_end=front_end)
    recipe = recipe_of({"arch": arch, "epochs": epochs, "seed": seed}, settings or [])
    refuse_unheard(recipe, pools=pool or (), teachers=teacher or ())
    foreign = tuple(dict.fromkeys(outside or []))
    with ProgressReporter() as progress:
        corpus = found_corpus(dataset, from_library, progress, outside=foreign, min_tracks=min_tracks)
    plan = Plan(
        output=output,
        report=report or output.with_name(f"{output.name}-report"),
        ingredients=Ingredients(
            cache=spectrogram_cache(cache),
            front_end=front_end,
            excerpts=ExcerptChoice(count=excerpts),
            groups_file=groups,
            group_pattern=group_pattern,
            pools=tuple(pool or ()),
            pool_genres=pairs("--pool-genre", pool_genre or []),
            teachers=tuple(teacher or ()),
            min_tracks=min_tracks,
            jobs=jobs or os.cpu_count() or 1,
        ),
        recipe=recipe,
        folds=folds,
        precision=precision,
        name=printable(name or output.name),
        version=printable(model_version),
        licence=printable(licence),
        base=trunk,
        command=command_line(),
    )
    with ProgressReporter() as progress:
        result = run(corpus, plan, progress)
    print_result(
        result.metrics, report=result.report, problems=result.problems, as_json=json, bundle=plan.output
    )
