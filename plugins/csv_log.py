"""Append every tagged track to a CSV file that spreadsheets open."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from genretagd.api import PluginError, TrackTagged, append_line, event_to_json

COLUMNS = ("at", "path", "before", "after", "confidence", "model", "key")


@dataclass(frozen=True)
class CsvLog:
    """Append every tagged track to a CSV file that spreadsheets open.

    An event that is delivered twice stands there twice, with the same ``key``. A text that a
    spreadsheet would run as a formula gets an apostrophe in front. A row that a power cut has left
    unfinished stays a row of its own.

    Attributes
    ----------
    path : Path
        The file; made, with a header, where it is missing.
    separator : str
        Between several genres in one cell.
    """

    api_version = "1.0"

    path: Path
    separator: str = "; "

    def check(self) -> None:
        """See that the file can be appended to, and is empty or this plugin's."""
        start = ",".join(COLUMNS[:2]).encode("ascii")
        try:
            with self.path.open("ab+") as file:
                file.seek(0)
                found = file.read(len(start))
        except OSError as exc:
            raise PluginError(f"{self.path}: cannot be written: {exc.strerror}") from exc
        if found not in (b"", start):
            raise PluginError(f"{self.path}: holds something else than this log, name another file")

    def on_tagged(self, event: TrackTagged) -> None:
        """Append one row."""
        found = event_to_json(event)
        row = (
            found["at"],
            found["path"],
            self.separator.join(found["before"]),
            self.separator.join(found["after"]),
            "" if event.confidence is None else f"{event.confidence:.4f}",
            event.prediction.model if event.prediction else "",
            event.key,
        )
        append_line(self.path, _open_cell(self.path) + _csv(row), header=_csv(COLUMNS))


def _csv(row: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([_harmless(cell) for cell in row])
    return text.getvalue().encode("utf-8")


def _open_cell(path: Path) -> bytes:
    """Return what ends a cell in which the file breaks off; nothing where its last row is whole."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if file.seek(0, os.SEEK_END) and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
            file.seek(0)
            if sum(block.count(b'"') for block in iter(partial(file.read, 1 << 20), b"")) % 2:
                return b'"\r\n'
    return b""


def _harmless(cell: str) -> str:
    return "'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
