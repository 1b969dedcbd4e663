"""The parts of a bundle's description, and how each is read from JSON with its checks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from genretagd.domain import MOST_EXCERPTS, SHORTEST_SECONDS
from genretagd.ml.checks import Checker
from genretagd.ml.frontend import FrontEnd, PatchGeometry


@dataclass(frozen=True, slots=True)
class ExcerptChoice:
    """So many excerpts per track, of so many seconds each."""

    count: int = 3
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """From logits to probabilities; the formulas stand in docs/architecture.md."""

    temperature: float = 1.0
    outside_temperature: float = 1.0
    outside_bias: float = 0.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least confidence to decide at, and the precision in [0, 1] that it was chosen for."""

    min_confidence: float = 0.5
    precision: float | None = None


def names_of(kind: type) -> set[str]:
    """Return the names of a dataclass's fields."""
    return {item.name for item in fields(kind)}


def parse_front_end(checker: Checker, content: Any) -> FrontEnd:
    """Return how spectrograms are made, from its part of a description."""
    table = checker.table("front_end", content, known=names_of(FrontEnd), required=names_of(FrontEnd))
    sr = checker.whole("front_end.sr", table.get("sr"), 1000, 768_000)
    fmax = table.get("fmax")
    return FrontEnd(
        sr=sr,
        n_fft=checker.whole("front_end.n_fft", table.get("n_fft"), 16, 1 << 20),
        hop_length=checker.whole("front_end.hop_length", table.get("hop_length"), 1, 1 << 20),
        n_mels=checker.whole("front_end.n_mels", table.get("n_mels"), 1, 4096),
        fmin=checker.number("front_end.fmin", table.get("fmin"), 0.0, sr / 2),
        fmax=None if fmax is None else checker.number("front_end.fmax", fmax, 0.0, sr / 2),
        power=checker.number("front_end.power", table.get("power"), 0.1, 10.0),
        top_db=checker.number("front_end.top_db", table.get("top_db"), 1.0, 1000.0),
        window=checker.one_of("front_end.window", table.get("window"), ("hann",)),
        center=checker.truth("front_end.center", table.get("center")),
        scaling=checker.one_of("front_end.scaling", table.get("scaling"), ("min-max",)),
        filter_bank=checker.file_name("front_end.filter_bank", table.get("filter_bank")),
    )


def parse_excerpts(checker: Checker, content: Any) -> ExcerptChoice:
    """Return what is listened to, from its part of a description."""
    names = names_of(ExcerptChoice)
    table = checker.table("excerpts", content, known=names, required=names)
    return ExcerptChoice(
        count=checker.whole("excerpts.count", table.get("count"), 1, MOST_EXCERPTS),
        seconds=checker.number("excerpts.seconds", table.get("seconds"), SHORTEST_SECONDS, 600.0),
    )


def parse_patch(checker: Checker, content: Any) -> PatchGeometry:
    """Return what the network takes, from its part of a description."""
    table = checker.table("patch", content, known=names_of(PatchGeometry), required={"frames", "per_excerpt"})
    frames, resize, colormap = table.get("frames"), table.get("resize_to"), table.get("colormap")
    if frames is None:
        checker.require(resize is not None, "patch", "frames null (the whole excerpt) needs resize_to")
    if resize is not None:
        is_pair = isinstance(resize, list | tuple) and len(resize) == 2
        checker.require(is_pair, "patch.resize_to", "not a pair of height and width")
        resize = resize if is_pair else (1, 1)
        resize = (
            checker.whole("patch.resize_to[0]", resize[0], 1, 4096),
            checker.whole("patch.resize_to[1]", resize[1], 1, 4096),
        )
    return PatchGeometry(
        frames=None if frames is None else checker.whole("patch.frames", frames, 1, 1 << 20),
        per_excerpt=checker.whole("patch.per_excerpt", table.get("per_excerpt"), 1, 1000),
        resize_to=resize,
        colormap=None if colormap is None else checker.file_name("patch.colormap", colormap),
    )


def parse_calibration(checker: Checker, content: Any) -> Calibration:
    """Return how logits become probabilities, from its part of a description."""
    names = names_of(Calibration)
    table = checker.table("calibration", content, known=names, required=names)
    return Calibration(
        temperature=checker.number("calibration.temperature", table.get("temperature"), 1e-3, 1e3),
        outside_temperature=checker.number(
            "calibration.outside_temperature", table.get("outside_temperature"), 1e-3, 1e3
        ),
        outside_bias=checker.number("calibration.outside_bias", table.get("outside_bias"), -1e3, 1e3),
    )


def parse_thresholds(checker: Checker, content: Any) -> Thresholds:
    """Return when to decide, from its part of a description."""
    table = checker.table("thresholds", content, known=names_of(Thresholds), required={"min_confidence"})
    precision = table.get("precision")
    return Thresholds(
        min_confidence=checker.number("thresholds.min_confidence", table.get("min_confidence"), 0.0, 1.0),
        precision=None if precision is None else checker.number("thresholds.precision", precision, 0.0, 1.0),
    )
