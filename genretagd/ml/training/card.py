"""The model card: what a model was made from, how it was measured, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genretagd import __version__
from genretagd.ml.training.prepare import Prepared


def describe(
    prepared: Prepared,
    *,
    command: str,
    licence: str,
    scope: str,
    recipe: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> dict[str, str]:
    """Return the card as headings and text."""
    material = prepared.material
    counts = _counts(prepared)
    labels = ", ".join(f"{name} {counts[name]}" for name in material.label_names)
    pooled = int(material.pooled.sum())
    data = [f"{sum(counts[name] for name in material.label_names)} labelled tracks: {labels}."]
    if material.outside_names:
        data.append(
            "Outside the labels: "
            + ", ".join(f"{name} {counts[name]}" for name in material.outside_names)
            + "."
        )
    if pooled:
        data.append(
            f"A pool of {pooled} further tracks, learnt from and never counted in the figures of the labels."
        )
    if material.opinions:
        data.append("Opinions distilled: " + ", ".join(sorted(material.opinions)) + ".")
    decided = metrics["decided"]
    right = f", {decided['precision']:.0%} of them right" if decided["share"] else ""
    return {
        "Purpose": "Suggests genres for tagging one's own library; leaves alone what it is not sure of.",
        "Data": "\n\n".join(data),
        "Groups": "\n\n".join(prepared.notes),
        "Measured": scope,
        "Threshold": f"From confidence {decided['min_confidence']:.2f} on it decides: "
        f"{decided['share']:.0%} of the tracks{right}.",
        "Limits": "It knows the labels above and the kinds of music behind them. Recordings from other "
        "times, places and production styles than the data's will be judged worse than the figures here say. "
        "Genres are conventions: two people who label music do not agree on all tracks either.",
        "Licence": licence
        or "No licence note was given. Weights carry whatever terms the data they were made "
        "from imposes; check them before passing this model on.",
        "Recipe": ", ".join(f"{name} {value}" for name, value in recipe.items()),
        "Made by": f"genretagd {__version__}" + (f"\n\n{command}" if command else ""),
    }


def data(prepared: Prepared, scope: str, command: str) -> dict[str, Any]:
    """Return what a bundle says of its data: counts and terms, no names of files."""
    return {
        "tracks": _counts(prepared),
        "pool": int(prepared.material.pooled.sum()),
        "teachers": sorted(prepared.material.opinions),
        "groups": dict(prepared.grouping.origins),
        "split": scope,
        "command": command,
    }


def brief(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures that a bundle carries; all of them are in its `metrics.json`."""
    return {
        key: metrics[key]
        for key in (
            "accuracy",
            "macro_f1",
            "ece",
            "accuracy_at_80_percent_coverage",
            "intervals",
            "tracks",
            "decided",
            "outside",
        )
    }


def _counts(prepared: Prepared) -> dict[str, int]:
    material = prepared.material
    names = (*material.label_names, *material.outside_names)
    own = material.labels[~material.pooled]
    stated = material.labels[material.pooled]
    return {
        name: int((own == number).sum())
        + (int((stated == number).sum()) if number >= len(material.label_names) else 0)
        for number, name in enumerate(names)
    }
