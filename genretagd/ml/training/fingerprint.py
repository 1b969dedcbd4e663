"""What a network that was learnt depends on: by this an interrupted run is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from genretagd.errors import ModelError
from genretagd.ml.training.lessons import Material, Scores
from genretagd.ml.training.prepare import Ingredients, Prepared
from genretagd.ml.training.recipe import Recipe
from genretagd.ml.training.spectra import as_record


def fingerprint(
    prepared: Prepared, ingredients: Ingredients, *, recipe: Recipe, folds: int, base: Path | None
) -> dict[str, Any]:
    """Return, as JSON, all that networks and their logits depend on.

    Files count by what they hold, wherever they lie. Names of genres count only where a teacher's own genres
    are looked up by them.

    Raises
    ------
    ModelError
        The base cannot be read.
    """
    material = prepared.material
    return {
        "recipe": asdict(recipe),
        "folds": folds,
        "base": _content(base) if base is not None else "",
        "front_end": as_record(ingredients.front_end),
        "excerpts": asdict(ingredients.excerpts),
        "outputs": [len(material.label_names), len(material.outside_names)],
        "names": [*material.label_names, *material.outside_names] if material.opinions else [],
        "teachers": [_said(scores, material) for scores in material.opinions.values()],
        "data": _data(prepared),
    }


def _content(base: Path) -> str:
    try:
        with base.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ModelError(f"{base}: cannot be read ({exc.strerror}), train without --base") from exc


def _said(scores: Mapping[str, Scores], material: Material) -> str:
    """Sum up what a teacher says about the tracks there are."""
    digest = hashlib.sha256()
    for track_id in material.ids:
        if track_id in scores:
            row = scores[track_id]
            digest.update(f"{track_id}\n{row.shape}\n".encode())
            digest.update(np.ascontiguousarray(row).tobytes())
    return digest.hexdigest()


def _data(prepared: Prepared) -> str:
    """Sum up the pictures, and what is known of each track."""
    material, pictures = prepared.material, prepared.material.pictures
    digest = hashlib.sha256()
    for known in (material.labels, material.pooled, pictures.widths, pictures.track_of):
        digest.update(known.tobytes())
    for row in pictures.values:
        digest.update(row.tobytes())
    digest.update("\n".join([*prepared.groups.tolist(), *material.ids]).encode())
    return digest.hexdigest()
