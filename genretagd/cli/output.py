"""What a run over tracks prints: a line per track, progress, and a closing summary."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from genretagd.domain import Outcome, Status
from genretagd.errors import EXIT_OK, EXIT_SOME_FAILED
from genretagd.logs import one_line
from genretagd.serial import to_json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PROGRESS_SECONDS = 10.0
SHOWN_LABELS = 3


def as_object(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the JSON object that docs/json.md describes."""
    prediction = outcome.prediction
    decided = outcome.status in (Status.PREDICTED, Status.TAGGED, Status.WOULD_TAG)
    return {
        "path": str(outcome.path),
        "status": str(outcome.status),
        "genres": list(outcome.after) if decided or outcome.status is Status.KEPT else [],
        "probabilities": to_json(prediction.probabilities) if prediction else {},
        "confidence": outcome.confidence,
        "outside": prediction.outside if prediction and prediction.probabilities else None,
        "reason": outcome.reason,
        "code": outcome.code,
        "before": list(outcome.before),
        "after": list(outcome.after),
        "model": prediction.model if prediction else None,
        "seconds": round(outcome.seconds, 4),
    }


def as_line(outcome: Outcome) -> str:
    """Return an outcome as a line for a person."""
    head = f"{outcome.status:<9}  {outcome.path}: "
    if outcome.status is Status.PREDICTED:
        return head + _ranking(outcome)
    if outcome.status in (Status.TAGGED, Status.WOULD_TAG):
        before = ", ".join(outcome.before) or "(none)"
        return f"{head}{before} -> {', '.join(outcome.after)}  ({outcome.confidence or 0:.0%})"
    if outcome.status is Status.UNSURE and outcome.prediction and outcome.prediction.probabilities:
        return f"{head}{outcome.reason}  [{_ranking(outcome)}]"
    return f"{head}{outcome.reason}"


def _ranking(outcome: Outcome) -> str:
    assert outcome.prediction is not None
    best = outcome.prediction.ranked()[:SHOWN_LABELS]
    text = ", ".join(f"{label} {probability:.0%}" for label, probability in best)
    if outcome.prediction.outside >= 0.5:
        text += f"; {outcome.prediction.outside:.0%} likely none of the labels"
    return text


class Reporter:
    """Prints outcomes as they come, keeps count, and says at the end what became of all.

    Use it as a context manager: a bar that is not taken away leaves the terminal without its cursor.

    Parameters
    ----------
    total : int
        How many tracks there are.
    as_json : bool
        Whether standard output is for a program: one object per line; all else goes to standard error.
    """

    def __init__(self, total: int, *, as_json: bool) -> None:
        self._total = total
        self._as_json = as_json
        self._counts: Counter[Status] = Counter()
        self._reasons: Counter[tuple[Status, str]] = Counter()
        self._started = self._said = time.monotonic()
        self._bar = _Bar(total) if sys.stderr.isatty() and total > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar:
            self._bar.close()

    def outcome(self, outcome: Outcome) -> None:
        """Print one outcome and count it."""
        self._counts[outcome.status] += 1
        if outcome.code:
            self._reasons[outcome.status, outcome.code] += 1
        line = json.dumps(as_object(outcome)) if self._as_json else one_line(as_line(outcome))
        if self._bar:
            self._bar.line(line)
            self._bar.advance()
        else:
            print(line, flush=True)
            self._say_progress()

    def finish(self) -> int:
        """Print the summary and return the exit status."""
        if self._bar:
            self._bar.close()
        stream = sys.stderr if self._as_json else sys.stdout
        for line in self.summary():
            print(line, file=stream)
        return EXIT_SOME_FAILED if self._counts[Status.FAILED] else EXIT_OK

    def summary(self) -> list[str]:
        """Return the closing summary as lines: the counts, then each reason with its count."""
        done = sum(self._counts.values())
        seconds = max(time.monotonic() - self._started, 1e-9)
        counts = ", ".join(f"{self._counts[status]} {status}" for status in Status if self._counts[status])
        tracks = "1 track" if done == 1 else f"{done} tracks"
        lines = [
            f"{tracks} in {seconds:.1f} s ({done / seconds:.1f} per second): {counts or 'nothing to do'}"
        ]
        for (status, code), count in sorted(self._reasons.items(), key=lambda item: (item[0][0], -item[1])):
            lines.append(f"  {status:<9}  {count:>5}  {code}")
        return lines

    def _say_progress(self) -> None:
        now = time.monotonic()
        if not self._as_json or now - self._said < PROGRESS_SECONDS:
            return
        self._said = now
        done = sum(self._counts.values())
        rate = done / (now - self._started)
        left = (self._total - done) / rate
        print(f"{done}/{self._total} tracks, {rate:.1f} per second, {left:.0f} s left", file=sys.stderr)


class _Bar:
    """A progress bar on standard error, and lines on standard output that do not disturb it."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress: Progress = Progress(
            TextColumn("tracks"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        self._task: TaskID = self._progress.add_task("tracks", total=total, rate="")
        self._progress.start()

    def line(self, text: str) -> None:
        if sys.stdout.isatty():
            self._progress.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)

    def advance(self) -> None:
        speed = self._progress.tasks[0].speed
        self._progress.update(self._task, advance=1, rate=f"{speed:.1f}/s" if speed else "")

    def close(self) -> None:
        self._progress.stop()
