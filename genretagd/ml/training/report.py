"""The report: one self-contained HTML file for a person, `metrics.json` for a program, PNGs for both."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import UsageError
from genretagd.ml.training import figures, state
from genretagd.ml.training.metrics import Outcomes, coverage_curve
from genretagd.ml.training.page import MADE_BY, PAGE

MISTAKES: Final = 12
HTML: Final = "report.html"
PART: Final = f"{HTML}.part"
METRICS: Final = "metrics.json"
FIGURES: Final = "figures"


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What a report is made of.

    Attributes
    ----------
    title : str
        The model's name, and what was measured.
    metrics : mapping
        As `metrics.measure` returns it.
    outcomes : Outcomes
        What it was measured on.
    tracks : sequence of str [length=tracks]
        Names to show.
    picture_of : callable
        From a track's position to its spectrogram `[shape=(n_mels, columns), dtype=uint8]`.
    card : mapping of str to str
        The model card: headings and plain text, paragraphs separated by blank lines.
    histories : sequence of sequence of mapping
        One list of epochs for each training run.
    notes : sequence of str
        What a reader should know beforehand: files left out, tracks without a known artist.
    """

    title: str
    metrics: Mapping[str, Any]
    outcomes: Outcomes
    tracks: Sequence[str]
    picture_of: Callable[[int], NDArray[np.uint8]]
    card: Mapping[str, str]
    histories: Sequence[Sequence[Mapping[str, float]]] = field(default=())
    notes: Sequence[str] = field(default=())


@contextlib.contextmanager
def place_for_report(folder: Path) -> Iterator[None]:
    """Make sure of a folder for a report before time is spent on what stands in it.

    Other files may be there; an earlier report is replaced by `write_report`, not before, and so is an empty
    page, which holds nothing to lose. A folder that stays empty is removed.

    Raises
    ------
    UsageError
        A file of another origin bears a name that a report needs, or nothing can be written there.
    """
    known = _is_report(folder / HTML)
    for name, ours in (
        (HTML, known or _is_empty(folder / HTML)),
        (PART, _is_report(folder / PART) or _is_empty(folder / PART)),
        (METRICS, known),
        (FIGURES, known),
    ):
        if not ours and (folder / name).exists():
            raise UsageError(f"{folder}: {name} there is of no report, name another folder for it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise UsageError(
            f"{folder}: no report can be written there ({exc.strerror}), name another folder for it"
        ) from exc
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _is_report(page: Path) -> bool:
    try:
        with page.open(encoding="utf-8", errors="replace") as text:
            return MADE_BY in text.read(1000)
    except OSError:
        return False


def _is_empty(page: Path) -> bool:
    """Say whether a file has no content to lose: what a full disk leaves of a page."""
    return page.is_file() and page.stat().st_size == 0


def write_report(report: Report, folder: Path) -> Path:
    """Write ``report.html``, ``metrics.json`` and ``figures/*.png`` into a folder.

    The page comes first, and whole or not at all: it is what the folder is known by as a report's.

    Returns
    -------
    Path
        Of ``report.html``.
    """
    pictures = _draw(report)
    mistakes = _mistakes(report)
    pngs = pictures | {f"mistake-{number:02}": item.png for number, item in enumerate(mistakes, start=1)}
    path = folder / HTML
    folder.mkdir(parents=True, exist_ok=True)
    page = _html(report, pictures, mistakes).encode("utf-8")
    with state.whole(path) as file:
        file.write(page)
    metrics = json.dumps(report.metrics, indent=2, ensure_ascii=False, allow_nan=False)
    with state.named(folder):
        (folder / METRICS).write_text(metrics + "\n", encoding="utf-8")
        (folder / FIGURES).mkdir(exist_ok=True)
        for stale in (folder / FIGURES / "learning.png", *(folder / FIGURES).glob("mistake-[0-9][0-9].png")):
            stale.unlink(missing_ok=True)
        for name, png in pngs.items():
            (folder / FIGURES / f"{name}.png").write_bytes(png)
    return path


@dataclass(frozen=True, slots=True)
class _Mistake:
    track: str
    true: str
    said: str
    confidence: float
    png: bytes


def _draw(report: Report) -> dict[str, bytes]:
    metrics = report.metrics
    inside = report.outcomes.part(report.outcomes.truth >= 0)
    decided = metrics["decided"]
    chosen = (decided["share"], decided["precision"]) if decided["share"] > 0 else None
    pictures = {
        "confusion": figures.confusion(np.asarray(metrics["confusion"]), metrics["labels"]),
        "reliability": figures.reliability(metrics["reliability"], error=metrics["ece"]),
        "coverage": figures.coverage(*coverage_curve(inside), decided=chosen),
    }
    learning = figures.learning(report.histories)
    return pictures | ({"learning": learning} if learning else {})


def _mistakes(report: Report) -> list[_Mistake]:
    outcomes = report.outcomes
    wrong = np.flatnonzero((outcomes.said != outcomes.truth) & ((outcomes.truth >= 0) | outcomes.decided))
    worst = wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")][:MISTAKES]
    return [
        _Mistake(
            report.tracks[index],
            outcomes.names[outcomes.truth[index]] if outcomes.truth[index] >= 0 else "none of the labels",
            outcomes.names[outcomes.said[index]],
            float(outcomes.confidence[index]),
            figures.spectrogram(report.picture_of(int(index))),
        )
        for index in worst
    ]


def _html(report: Report, pictures: Mapping[str, bytes], mistakes: Sequence[_Mistake]) -> str:
    metrics = report.metrics
    sections = [
        _tiles(metrics),
        _notes(report.notes),
        _section("What is taken for what", _wide(pictures["confusion"], "Confusion matrix")),
        _section("Genre by genre", _genre_table(metrics)),
        _section(
            "Can its confidence be trusted?",
            '<div class="pair">'
            + _figure(
                pictures["reliability"],
                "Reliability diagram",
                "Of the tracks it is 70 % sure of, is it right on 70 %? On the diagonal it is.",
            )
            + _figure(
                pictures["coverage"],
                "Accuracy against coverage",
                "How often it is right if only the surest tracks are decided and the others left alone.",
            )
            + "</div>",
        ),
        _section("Music outside the labels", _outside(metrics["outside"])),
    ]
    if "pool" in metrics:
        sections.append(_section("Music of other sources", _pool(metrics["pool"])))
    if "learning" in pictures:
        sections.append(_section("How it learnt", _wide(pictures["learning"], "Learning curves")))
    if mistakes:
        sections.append(_section("The most confident mistakes", _gallery(mistakes)))
    sections.append(_section("Model card", _card(report.card)))
    body = "\n".join(section for section in sections if section)
    return PAGE.format(made_by=MADE_BY, title=escape(report.title), body=body)


def _tiles(metrics: Mapping[str, Any]) -> str:
    intervals, decided = metrics["intervals"], metrics["decided"]

    def percent(name: str, value: float) -> tuple[str, str]:
        low, high = intervals[name]
        return f"{value:.1%}", f"95 % interval {low:.1%} to {high:.1%}"

    low, high = intervals["ece"]
    right = f"{decided['precision']:.1%} of them right, " if decided["share"] else ""
    tiles = [
        ("accuracy", *percent("accuracy", metrics["accuracy"])),
        ("macro F1", *percent("macro_f1", metrics["macro_f1"])),
        ("calibration error", f"{metrics['ece']:.3f}", f"95 % interval {low:.3f} to {high:.3f}"),
        (
            "right on the surest 80 %",
            *percent("accuracy_at_80_percent_coverage", metrics["accuracy_at_80_percent_coverage"]),
        ),
        (
            "decided at the threshold",
            f"{decided['share']:.0%}",
            f"{right}from confidence {decided['min_confidence']:.2f} on",
        ),
    ]
    if metrics["outside"]:
        outside = metrics["outside"]
        tiles.append(
            (
                "foreign music left alone",
                f"{outside['undecided']:.0%}",
                f"of {outside['tracks']} tracks outside the labels",
            )
        )
    cells = "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{value}</b><small>{escape(detail)}</small></div>'
        for name, value, detail in tiles
    )
    scope = f"{metrics['tracks']} tracks of {metrics['groups']} artists or groups, "
    scope += f"{len(metrics['labels'])} labels"
    return f'<p class="scope">{scope}</p><div class="tiles">{cells}</div>'


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return '<aside class="notes">' + "".join(f"<p>{escape(note)}</p>" for note in notes) + "</aside>"


def _genre_table(metrics: Mapping[str, Any]) -> str:
    head = "<tr><th>genre</th><th class='n'>tracks</th><th>precision</th><th>recall</th><th>F1</th></tr>"
    rows = []
    for name, row in metrics["per_genre"].items():
        shown = [_bar(row[key]) if row["tracks"] else "&ndash;" for key in ("precision", "recall", "f1")]
        cells = "".join(f"<td>{cell}</td>" for cell in shown)
        rows.append(f"<tr><th scope='row'>{escape(name)}</th><td class='n'>{row['tracks']}</td>{cells}</tr>")
    caption = (
        "Bars show the value, thin lines the 95 % interval of a bootstrap over artists. It is too narrow for "
        "a genre of few artists, and says nothing where it has no width."
    )
    return f"<table>{head}{''.join(rows)}</table><p class='caption'>{caption}</p>"


def _bar(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    return (
        f"<div class='value'><div class='bar' title='{low:.1%} to {high:.1%}'>"
        f"<i style='width:{figure['value']:.1%}'></i>"
        f"<u style='left:{low:.1%};width:{max(high - low, 0.004):.1%}'></u></div>"
        f"{figure['value']:.0%} <small>{low * 100:.0f}&ndash;{high * 100:.0f}</small></div>"
    )


def _outside(outside: Mapping[str, Any] | None) -> str:
    if outside is None:
        return (
            "<p>Nothing outside the labels was measured. Name folders of other music with "
            "<code>--outside</code>.</p>"
        )
    text = (
        f"<p>{_share(outside['undecided'], outside['intervals']['undecided'])} of "
        f"{outside['tracks']} tracks that are none of the labels are left undecided, as they should be."
    )
    taken = _taken_for(outside)
    text += f" The others are taken for: {taken}.</p>" if taken else "</p>"
    return text + (_kinds_table(outside["kinds"]) if len(outside["kinds"]) > 1 else "")


def _kinds_table(kinds: Mapping[str, Any]) -> str:
    head = "<tr><th>kind</th><th class='n'>tracks</th><th>left alone</th><th>taken for</th></tr>"
    rows = []
    for name, kind in kinds.items():
        left = _bar({"value": kind["undecided"], "interval": kind["intervals"]["undecided"]})
        rows.append(
            f"<tr><th scope='row'>{escape(name)}</th><td class='n'>{kind['tracks']}</td><td>{left}</td>"
            f"<td>{_taken_for(kind)}</td></tr>"
        )
    return f"<table>{head}{''.join(rows)}</table>"


def _taken_for(foreign: Mapping[str, Any]) -> str:
    return ", ".join(f"{escape(name)} {count}" for name, count in foreign["taken_for"].items())


def _pool(pool: Mapping[str, Any]) -> str:
    decided, intervals = pool["decided"], pool["intervals"]
    told = (
        f"{_share(pool['accuracy'], intervals['accuracy'])} of the {pool['tracks']} tracks of the pool that "
        f"state one of the labels are told right, {_share(decided['share'], intervals['decided_share'])} of "
        "them are decided"
    )
    if decided["share"]:
        told += f", {_share(decided['precision'], intervals['decided_precision'])} of the decided are right"
    note = (
        "How the model fares on music that was collected elsewhere, with labels as its sources state them. "
        "No other figure here counts these tracks."
    )
    return f"<p>{told}.</p><p class='caption'>{note}</p>"


def _share(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"<b>{value:.0%}</b> (95 % interval {low:.0%} to {high:.0%})"


def _gallery(mistakes: Sequence[_Mistake]) -> str:
    cards = "".join(
        f"<figure>{_image(m.png, f'Spectrogram of {m.track}')}<figcaption><b>{escape(m.true)}</b> said to be "
        f"<b class='wrong'>{escape(m.said)}</b> <span>{m.confidence:.0%}</span>"
        f"<small>{escape(m.track)}</small>"
        "</figcaption></figure>"
        for m in mistakes
    )
    return f'<div class="gallery">{cards}</div>'


def _card(card: Mapping[str, str]) -> str:
    parts = []
    for heading, text in card.items():
        paragraphs = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))
        parts.append(f"<dt>{escape(heading)}</dt><dd>{paragraphs}</dd>")
    return f"<dl>{''.join(parts)}</dl>"


def _figure(png: bytes, title: str, caption: str) -> str:
    return f"<figure>{_image(png, title)}<figcaption>{escape(caption)}</figcaption></figure>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _wide(png: bytes, alt: str) -> str:
    """Show a figure as large as its letters need: of many genres, or on a telephone, it is scrolled."""
    return _image(png, alt, f'class="wide" width="{figures.width_on_screen(png)}" ')


def _image(png: bytes, alt: str, attributes: str = "") -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img {attributes}alt="{escape(alt)}" src="data:image/png;base64,{data}">'
