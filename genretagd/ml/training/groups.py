"""Which tracks belong together: everything of one artist, and every copy of one recording.

Tracks of one group never stand on both sides of a split.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from genretagd.errors import CorpusError
from genretagd.ml.training.artists import NOBODY, artist_key
from genretagd.ml.training.corpus import Source, track_id_of
from genretagd.ml.training.pictures import printable

TABLE_NAME: Final = "tracks.csv"
SEPARATORS: Final = ",;\t"
ID_COLUMNS: Final = ("track_id", "id")
GROUP_COLUMNS: Final = ("artist_group", "split_group", "group", "artist")
GENRE_COLUMNS: Final = ("genre", "my_genre")


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says about a track: its group and its stated genre, each possibly empty."""

    group: str
    genre: str


@dataclass(frozen=True, slots=True)
class Grouping:
    """The group of every track.

    Attributes
    ----------
    groups : tuple of str [length=tracks]
        Tracks with the same value belong together.
    origins : mapping of str to int
        How many tracks were grouped by what: "table", "artist tag", "sub-folder", "file name",
        "alone" (nothing known: a group of its own).
    merged : tuple of tuple of int
        Tracks found to be copies or near-copies of one recording.
    """

    groups: tuple[str, ...]
    origins: Mapping[str, int]
    merged: tuple[tuple[int, ...], ...] = ()


def read_table(path: Path) -> dict[str, Row]:
    """Read a CSV with the columns ``track_id`` (or ``id``) and ``artist_group``, perhaps ``genre``.

    ``split_group``, ``group`` and ``artist`` serve as ``artist_group``, ``my_genre`` as ``genre``. A track
    may be named by its file, with suffix and folders or without. Columns may be separated as spreadsheets do:
    by commas, semicolons or tabs.

    Returns
    -------
    dict of str to Row
        By track id.

    Raises
    ------
    CorpusError
        It cannot be read, lacks a column, or names two groups for one track.
    """
    found: dict[str, Row] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            separator = max(SEPARATORS, key=header.count)
            reader = csv.DictReader(file, delimiter=separator, skipinitialspace=True)
            columns = reader.fieldnames or []
            identity = _column(path, columns, ID_COLUMNS)
            group = _column(path, columns, GROUP_COLUMNS)
            genre = next((name for name in GENRE_COLUMNS if name in columns), None)
            for line in reader:
                given = (line[identity] or "").strip()
                if not given:
                    continue
                name = track_id_of(Path(given))
                row = Row((line[group] or "").strip(), (line[genre] or "").strip() if genre else "")
                if found.setdefault(name, row).group != row.group:
                    raise CorpusError(
                        f"{printable(path)}: two groups for {name} ({found[name].group}, {row.group}), "
                        "name each track once"
                    )
    except UnicodeDecodeError as exc:
        raise CorpusError(
            f"{printable(path)}: is no UTF-8 text, save it as such (spreadsheets call it CSV UTF-8)"
        ) from exc
    except (OSError, csv.Error) as exc:
        raise CorpusError(f"{printable(path)}: cannot be read as a CSV table ({exc})") from exc
    return found


def find_table(root: Path) -> Path | None:
    """Return ``tracks.csv`` in a corpus or in the folder above it, where there is one."""
    above = root.resolve().parent if root.name in ("", "..") else root.parent
    for folder in (root, above):
        if (folder / TABLE_NAME).is_file():
            return folder / TABLE_NAME
    return None


def assign(
    sources: Sequence[Source],
    *,
    table: Mapping[str, Row] | None = None,
    pattern: re.Pattern[str] | None = None,
    copies: Sequence[Sequence[int]] = (),
) -> Grouping:
    """Give each track its group: by table, else artist tag, else sub-folder, else file name.

    Parameters
    ----------
    sources : sequence of Source
        The tracks.
    table : mapping of str to Row, optional
        Groups by track id.
    pattern : re.Pattern, optional
        A search in the file name without suffixes whose first group names the artist.
    copies : sequence of sequence of int
        Tracks known to be copies of one recording; their groups become one.
    """
    groups: list[str] = []
    origins: Counter[str] = Counter()
    for number, source in enumerate(sources):
        group, origin = _group_of(source, number, table or {}, pattern)
        groups.append(group)
        origins[origin] += 1
    parent = {group: group for group in groups}
    for tracks in copies:
        first = _root(parent, groups[tracks[0]])
        for track in tracks[1:]:
            parent[_root(parent, groups[track])] = first
    merged = tuple(tuple(tracks) for tracks in copies)
    return Grouping(tuple(_root(parent, group) for group in groups), dict(origins), merged)


def _group_of(
    source: Source, number: int, table: Mapping[str, Row], pattern: re.Pattern[str] | None
) -> tuple[str, str]:
    row = table.get(source.track_id)
    if row is not None and row.group:
        return f"table:{row.group}", "table"
    artist = artist_key(source.artist)
    if artist not in NOBODY:
        return f"artist:{artist}", "artist tag"
    folder = artist_key("".join(Path(source.folder).parts[:1]))
    if folder not in NOBODY:
        return f"artist:{folder}", "sub-folder"
    match = pattern.search(source.track_id) if pattern is not None else None
    if match is not None and match.group(1):
        return f"artist:{artist_key(match.group(1))}", "file name"
    return f"alone:{number}", "alone"


def _root(parent: dict[str, str], group: str) -> str:
    while parent[group] != group:
        parent[group] = parent[parent[group]]
        group = parent[group]
    return group


def _column(path: Path, columns: Sequence[str], wanted: Sequence[str]) -> str:
    for name in wanted:
        if name in columns:
            return name
    raise CorpusError(
        f"{printable(path)}: no column {' or '.join(wanted)}, found: {', '.join(columns) or 'nothing'}"
    )
