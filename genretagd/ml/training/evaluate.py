"""Measure any bundle on any labelled music: the whole of `genretagd evaluate`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genretagd.errors import CorpusError
from genretagd.ml.bundle import Bundle
from genretagd.ml.training import measured, verdict
from genretagd.ml.training.corpus import Corpus
from genretagd.ml.training.genres import genre_key
from genretagd.ml.training.listener import Listener
from genretagd.ml.training.listening import track_logits
from genretagd.ml.training.metrics import measure
from genretagd.ml.training.pictures import printable
from genretagd.ml.training.prepare import Ingredients, prepare
from genretagd.ml.training.report import Report, place_for_report, write_report


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What came of it: the figures, the report's page, what could not be used."""

    metrics: Mapping[str, Any]
    report: Path
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def evaluate(
    bundle: Bundle,
    corpus: Corpus,
    ingredients: Ingredients,
    *,
    report: Path,
    listener: Listener,
    seed: int = 0,
) -> Evaluation:
    """Measure a bundle on the tracks of a corpus and write the report.

    Genre folders whose name is one of the bundle's labels (exactly, else spelled alike but for case, spaces
    and hyphens) are what it should say; all other folders are music outside the labels.

    Parameters
    ----------
    bundle : Bundle
        Read from its directory.
    corpus : Corpus
        As `from_folders` finds it.
    ingredients : Ingredients
        Its front end and excerpts are replaced by the bundle's.
    report : Path
        The report's directory.
    listener : Listener
        Told what happens.
    seed : int
        Of the bootstrap.

    Raises
    ------
    CorpusError
        No folder bears one of the bundle's labels, or no file can be used.
    UsageError
        The report cannot be written there, or a file of another origin is in its place.
    """
    renamed = {name: _said(name, bundle) for name in (*corpus.labels, *corpus.outside)}
    inside = tuple(label for label in bundle.labels if label in renamed.values())
    if not inside:
        raise CorpusError(
            f"{corpus.root}: none of its folders ({', '.join(sorted(renamed))}) is one of the model's labels "
            f"({', '.join(bundle.labels)}), rename folders to what the model says"
        )
    foreign = tuple(sorted(set(renamed.values()) - set(inside)))
    sources = tuple(replace(source, genre=renamed[source.genre]) for source in corpus.sources)
    corpus = replace(corpus, labels=inside, outside=foreign, sources=sources)
    ingredients = replace(ingredients, front_end=bundle.front_end, excerpts=bundle.excerpts)
    with place_for_report(report), tempfile.TemporaryDirectory(prefix="genretagd-") as work:
        prepared = prepare(
            corpus, ingredients, work=Path(work), parts=0, listener=listener, mel_basis=bundle.mel_basis
        )
        for note in prepared.notes:
            listener.note(note)
        pictures = prepared.material.pictures
        tracks = np.arange(len(prepared.names), dtype=np.int32)
        logits = track_logits(bundle, pictures, tracks, listener)
        place = np.asarray(
            [*(bundle.labels.index(label) for label in inside), *(-1 for _ in foreign)], np.int32
        )
        truth = place[prepared.material.labels]
        if not (truth >= 0).any():
            raise CorpusError(f"{corpus.root}: no usable track of the model's labels in it")
        outcomes = replace(
            verdict.outcomes(bundle, logits, truth, groups=prepared.groups), kinds=measured.kinds(prepared)
        )
        listener.stage("measuring and writing the report", 0)
        metrics = measure(outcomes, min_confidence=bundle.thresholds.min_confidence, seed=seed)
        page = write_report(
            Report(
                title=f"{bundle.name} {bundle.version} on {printable(corpus.root.resolve().name)}",
                metrics=metrics,
                outcomes=outcomes,
                tracks=prepared.names,
                picture_of=pictures.strip,
                card=_card(bundle),
                notes=prepared.notes,
            ),
            report,
        )
    return Evaluation(metrics, page, prepared.notes, prepared.problems)


def _said(folder: str, bundle: Bundle) -> str:
    """Return the label that a genre folder stands for, or its own name."""
    if folder in (*bundle.labels, *bundle.outside_labels):
        return folder
    key = genre_key(folder)
    return next((label for label in bundle.labels if key and genre_key(label) == key), folder)


def _card(bundle: Bundle) -> dict[str, str]:
    return {
        "Model": f"{bundle.identity}",
        "Labels": ", ".join(bundle.labels),
        "Made from": json.dumps(bundle.data, ensure_ascii=False) if bundle.data else "not stated",
        "Licence": bundle.licence or "not stated",
        "Caution": "Music that the model has learnt from is in no measure of it. This report does not know "
        "whether the tracks measured here were among it.",
    }
