"""``genretagd spectrogram``: a folder of music as a folder of pictures."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from genretagd.cli import options as o
from genretagd.domain import MOST_EXCERPTS


def spectrogram(
    dataset: Annotated[
        Path,
        typer.Argument(parser=o.named_path, metavar="DATASET", help="Folder of genre folders with audio."),
    ],
    output: Annotated[
        Path,
        typer.Argument(parser=o.named_path, metavar="OUT", help="Where one folder per genre is written."),
    ],
    excerpts: Annotated[
        int, typer.Option(min=1, max=MOST_EXCERPTS, help="At most so many excerpts of 30 s per track.")
    ] = 3,
    jobs: o.Jobs = 0,
) -> None:
    """Write tracks' log-mel spectrograms as grey pictures.

    Each PNG says how it was made; finished ones stay.
    """
    from genretagd.cli.progress import ProgressReporter
    from genretagd.cli.training import found_corpus, require_training
    from genretagd.errors import EXIT_SOME_FAILED, CorpusError, UsageError

    require_training(("librosa", "PIL"))
    from genretagd.ml.bundle import ExcerptChoice
    from genretagd.ml.frontend import FrontEnd
    from genretagd.ml.training.corpus import genre_home
    from genretagd.ml.training.spectra import draw_all, folder_place, mel_filter_bank

    if output.resolve().is_relative_to(dataset.resolve()):
        raise UsageError(
            f"{output}: lies in {dataset}, where its pictures would take the place of the audio, "
            "write into a folder elsewhere"
        )
    with ProgressReporter() as progress:
        corpus = found_corpus(dataset, None, progress, for_training=False)
    audio = sum(source.kind == "audio" for source in corpus.sources)
    if not audio:
        raise CorpusError(f"{genre_home(dataset)}: no audio in it, these are spectrograms already")
    try:
        output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as exc:
        raise UsageError(f"{output}: cannot be written ({exc.strerror}), name a folder that can be") from exc
    front_end = FrontEnd()
    with ProgressReporter() as progress:
        drawn = draw_all(
            corpus.sources,
            place=folder_place(output, corpus.sources),
            front_end=front_end,
            excerpts=ExcerptChoice(count=excerpts),
            mel_basis=lambda: mel_filter_bank(front_end),
            jobs=jobs or os.cpu_count() or 1,
            listener=progress,
        )
    failed = len(drawn.problems)
    print(f"{drawn.made} written, {audio - drawn.made - failed} there already, {failed} failed: {output}")
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)
