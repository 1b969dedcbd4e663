"""Progress of the long commands: a bar on a terminal, plain lines with time left elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SILENCE_SECONDS = 10.0


class ProgressReporter:
    """Says on standard error what training is doing, and when it will have ended.

    Use it as a context manager.

    Parameters
    ----------
    terminal : bool, optional
        Whether to draw a bar; decided by standard error where it is not given.
    """

    def __init__(self, *, terminal: bool | None = None) -> None:
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title, self._total, self._done = "", 0, 0
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def stage(self, title: str, /, total: int) -> None:
        """Begin a stage of so many steps."""
        self._title, self._total, self._done = title, total, 0
        self._began = self._said = time.monotonic()
        if self._terminal:
            self._begin_bar(title, total)
        elif total > 0:
            self._say(f"{title}: {total} to do")
        else:
            self._say(title)

    def step(self, detail: str = "", /, *, seconds_left: float | None = None) -> None:
        """End one step of the stage; time left is estimated from the second step on."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1)
            if detail:
                self._bar.console.print(
                    f"{self._title}: {detail}", markup=False, emoji=False, highlight=False
                )
            return
        now = time.monotonic()
        if detail or self._done == self._total or now - self._said >= SILENCE_SECONDS:
            self._said = now
            text = f"{self._title}: {detail or f'{self._done}/{self._total}'}"
            if seconds_left is None and self._done > 1:
                seconds_left = (now - self._began) / self._done * (self._total - self._done)
            self._say(text if seconds_left is None else f"{text}, {_clock(seconds_left)} left")

    def note(self, message: str, /) -> None:
        """Say something a person should know now."""
        if self._bar is not None:
            self._bar.console.print(message, markup=False, emoji=False, highlight=False, soft_wrap=True)
        else:
            self._say(message)

    def _begin_bar(self, title: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        if self._bar is not None:
            self._bar.stop()
        left = (MofNCompleteColumn(), TimeRemainingColumn(compact=True), TextColumn("left")) if total else ()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *left,
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total or None)
        self._bar.start()

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
