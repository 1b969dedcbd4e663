"""Which directories of a watched tree nobody hears of, so that they are polled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from genretagd.watcher.events import watched_inodes

COVERAGE_SECONDS: Final = 5.0
"""Directories that nobody watches are looked for again after so long, before it is believed."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """What nobody hears of.

    Attributes
    ----------
    directories : int
        How many directories.
    polled : tuple of str
        What is to be polled: the highest of these, and what was polled from the start.
    certain : bool
        Whether the last two looks agree; look again after `COVERAGE_SECONDS` if not.
    """

    directories: int
    polled: tuple[str, ...]
    certain: bool


class Coverage:
    """Compares the directories there are with those that the kernel watches for us.

    Right after lost events a directory may be unwatched for a moment: only what stays unheard counts.

    Parameters
    ----------
    polled : sequence of str
        Directories that are polled with all below, and need no watches.
    """

    def __init__(self, polled: Sequence[str] = ()) -> None:
        self._polled = tuple(polled)
        self._suspects: frozenset[str] = frozenset()

    def look(self, directories: Sequence[tuple[str, int]]) -> Unheard | None:
        """Return what is unheard of the directories there are (path, inode); None where nobody can tell."""
        watched = watched_inodes()
        if not watched:  # another system, or a source that is not inotify
            return None
        unheard = frozenset(d for d, inode in directories if inode not in watched and not self._is_polled(d))
        deaf = unheard & self._suspects
        self._suspects = unheard
        tops = sorted(d for d in deaf if os.path.dirname(d) not in deaf)  # noqa: PTH120 - strings here
        return Unheard(len(deaf), (*self._polled, *tops), certain=unheard == deaf)

    def _is_polled(self, path: str) -> bool:
        return any(path == top or path.startswith(f"{top}/") for top in self._polled)
