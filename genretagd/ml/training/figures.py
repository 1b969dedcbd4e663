"""The report's pictures, as PNG bytes: quiet, one hue, readable in black and white."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

INK: Final = "#1f2933"
SOFT: Final = "#7b8794"
GRID: Final = "#e4e7eb"
HUE: Final = "#0b7285"
CONTRAST: Final = "#d9480f"
DPI: Final = 160
FOR_OTHER_SCRIPTS: Final = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "IPAGothic",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)
"""Fonts for names in scripts that matplotlib's own has no letters of, tried in turn where installed."""


def confusion(matrix: NDArray[np.int64], names: Sequence[str]) -> bytes:
    """Draw a confusion matrix: true labels down, said ones across; shares colour, counts are written."""
    size = 2.6 + 0.48 * len(names)
    figure, (axes,) = _canvas(size, size * 0.9)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=_ramp(), vmin=0, vmax=1)
    for row, column in np.argwhere(matrix > 0):
        colour = "white" if shares[row, column] > 0.5 else INK
        weight = "bold" if row == column else "normal"
        axes.text(
            column,
            row,
            str(matrix[row, column]),
            ha="center",
            va="center",
            color=colour,
            weight=weight,
            size=9,
        )
    as_written: dict[str, Any] = {"parse_math": False, "family": _families()}
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", **as_written)
    axes.set_yticks(range(len(names)), names, **as_written)
    axes.set_xlabel("said")
    axes.set_ylabel("true")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    return _png(figure)


def reliability(bins: Sequence[Mapping[str, float]], *, error: float) -> bytes:
    """Draw accuracy against confidence; a calibrated model lies on the diagonal."""
    figure, (axes,) = _canvas(4.8, 4.2)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
    for row in bins:
        axes.bar(
            row["low"],
            row["accuracy"],
            width=row["high"] - row["low"],
            align="edge",
            color=HUE,
            alpha=0.25 + 0.75 * min(1.0, 3 * row["share"]),
            edgecolor="white",
        )
    axes.plot(
        [row["confidence"] for row in bins],
        [row["accuracy"] for row in bins],
        color=CONTRAST,
        marker="o",
        markersize=4,
        linewidth=1.2,
        label="mean of each bin",
    )
    axes.set_title(f"calibration error {error:.3f}", loc="right", size=10, color=INK)
    axes.set_title("darker bars hold more tracks", loc="left", size=8, color=SOFT)
    _unit_axes(axes, "confidence", "share right")
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    return _png(figure)


def coverage(
    shares: NDArray[np.float64], accuracies: NDArray[np.float64], *, decided: tuple[float, float] | None
) -> bytes:
    """Draw the accuracy on the surest tracks against their share, and the point the threshold chooses."""
    figure, (axes,) = _canvas(4.8, 4.2)
    settled = shares >= min(0.05, 10 / len(shares))
    axes.plot(shares[settled], accuracies[settled], color=HUE, linewidth=2)
    if decided is not None:
        axes.plot(*decided, marker="o", markersize=8, color=CONTRAST)
        axes.axvline(decided[0], color=CONTRAST, linewidth=1, linestyle=(0, (2, 3)))
        told = f"at the threshold {decided[0]:.0%} decided, {decided[1]:.0%} of them right"
        axes.set_title(told, loc="right", size=10, color=CONTRAST)
    low = min(0.95, float(accuracies[settled].min())) - 0.12
    _unit_axes(axes, "share of tracks decided, the surest first", "share right")
    axes.set_ylim(max(0.0, low), 1.01)
    return _png(figure)


def learning(histories: Sequence[Sequence[Mapping[str, float]]]) -> bytes | None:
    """Draw loss and accuracy by epoch, one thin line per fold; None where nothing was recorded."""
    from matplotlib.ticker import MaxNLocator

    runs = [history for history in histories if len(history) > 1]
    if not runs:
        return None
    told = {key for run in runs for row in run for key in row}
    panels = [name for name in ("loss", "accuracy") if {name, f"valid_{name}"} & told]
    figure, axes = _canvas(9.4, 3.4, columns=len(panels))
    for place, figure_name in zip(axes, panels, strict=True):
        for prefix, colour, name in (("", HUE, "training"), ("valid_", CONTRAST, "validation")):
            key = prefix + figure_name
            label: str | None = name if len(runs) == 1 else f"{name}, a line for each fold"
            for run in runs:
                points = [(row.get("epoch", i + 1), row[key]) for i, row in enumerate(run) if key in row]
                if points:
                    x, y = zip(*points, strict=True)
                    place.plot(x, y, color=colour, linewidth=1.6, alpha=max(0.35, 1 / len(runs)), label=label)
                    label = None
        place.set_xlabel("epoch")
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
        place.set_title(figure_name, loc="left", size=10, color=INK)
        if place.get_legend_handles_labels()[0]:
            place.legend(frameon=False, fontsize=8)
    return _png(figure)


def width_on_screen(png: bytes) -> int:
    """Return how many pixels of 1/96 inch a figure is wide, as it was drawn."""
    return int.from_bytes(png[16:20], "big") * 96 // DPI


def spectrogram(picture: NDArray[np.uint8]) -> bytes:
    """Colour a spectrogram picture `[shape=(n_mels, columns)]`, the lowest band at the bottom."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    stream = io.BytesIO()
    imsave(stream, colormaps["magma"](picture[::-1]), format="png")
    return stream.getvalue()


def _canvas(width: float, height: float, *, columns: int = 1) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    places = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for axes in places:
        axes.tick_params(colors=INK, labelsize=9)
        axes.xaxis.label.set_color(SOFT)
        axes.yaxis.label.set_color(SOFT)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GRID)
    return figure, places


def _families() -> list[str]:
    """Return the fonts of names: the usual one first, then what is installed for other scripts."""
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    return ["sans-serif", *(name for name in FOR_OTHER_SCRIPTS if name in known)]


def _unit_axes(axes: Any, x: str, y: str) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _ramp() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ramp", ["#f4f8f9", "#66b2be", HUE, "#05404b"])


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)  # the table has the name
        figure.savefig(stream, format="png")
    return stream.getvalue()
