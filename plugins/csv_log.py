"""Append every tagged track to a CSV file that spreadsheets open."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from genretagd.api import PluginError, TrackTagged, event_to_json

COLUMNS = ("at", "path", "before", "after", "confidence", "model", "key")


@dataclass(frozen=True)
class CsvLog:
    """Append every tagged track to a CSV file that spreadsheets open.

    An event that is delivered twice stands there twice, with the same ``key``. A text that a
    spreadsheet would run as a formula gets an apostrophe in front.

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
        with self.path.open("ab") as file:
            text = io.StringIO(newline="")
            writer = csv.writer(text)
            if not file.tell():
                writer.writerow(COLUMNS)
            writer.writerow([_harmless(cell) for cell in row])
            file.write(text.getvalue().encode("utf-8"))


def _harmless(cell: str) -> str:
    return "'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
