"""Notice changes without events, at the cost of one look per directory.

A directory's modification time changes when an entry comes, goes or is renamed. So most passes look
at directories only; every so often a full pass looks at the files too, for those that were
overwritten in place. Where a file system does not keep such times, every pass is full.
"""

# Paths are plain strings here: a Path per file costs more than looking at the file.
# ruff: noqa: PTH116

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from genretagd.settling import Look
from genretagd.watcher.scanning import AWAY, GONE, Listing, Walk

RACY_NS: Final = 3_000_000_000
"""A directory listed so soon after its last change may change again without a new time (coarse clocks)."""


@dataclass(frozen=True, slots=True)
class _Known:
    mtime_ns: int | None  # None: too fresh to be trusted
    digest: bytes


class Snapshot:
    """What was last seen of one or more trees: per directory a time and a digest, no file names.

    Parameters
    ----------
    wall_ns : callable
        The time of day in nanoseconds, which directory times are compared with.
    """

    def __init__(self, *, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._known: dict[str, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def full_pass(self, walk: Walk, tops: Iterable[str]) -> Iterator[tuple[tuple[str, Look], ...]]:
        """List everything; yield the files of each directory in which something differs.

        Raises
        ------
        OSError
            The root cannot be listed.
        """
        seen: set[str] = set()
        tops = list(tops)
        for top in tops:
            for listing in walk.below(top):
                seen.add(listing.directory)
                yield from self._compare(listing)
        if not walk.unreadable:
            for directory in [d for d in self._known if d not in seen]:
                del self._known[directory]

    def light_pass(self, walk: Walk) -> Iterator[tuple[tuple[str, Look], ...]]:
        """Look at every known directory; list those whose time changed, and new ones below them.

        Raises
        ------
        OSError
            The root cannot be listed.
        """
        away: str | None = None
        for directory, known in list(self._known.items()):
            if away is not None and directory.startswith(away):  # each might be waited for
                continue
            try:
                mtime_ns = os.stat(directory).st_mtime_ns
            except OSError as exc:
                walk.miss(directory, exc)
                if exc.errno in GONE:
                    self._known.pop(directory, None)
                elif exc.errno in AWAY:
                    away = f"{directory}/"
                continue
            if mtime_ns == known.mtime_ns or directory not in self._known:
                continue
            yield from self._descend(walk, directory)

    def _descend(self, walk: Walk, directory: str) -> Iterator[tuple[tuple[str, Look], ...]]:
        listed = False
        for listing in walk.below(directory, enter=lambda path: path not in self._known):
            listed |= listing.directory == directory
            yield from self._compare(listing)
        if not listed:
            self._known.pop(directory, None)

    def _compare(self, listing: Listing) -> Iterator[tuple[tuple[str, Look], ...]]:
        digest = _digest(listing)
        before = self._known.get(listing.directory)
        fresh = self._wall_ns() - listing.mtime_ns < RACY_NS
        self._known[listing.directory] = _Known(None if fresh else listing.mtime_ns, digest)
        if before is None or before.digest != digest:
            yield listing.files


def _digest(listing: Listing) -> bytes:
    digest = hashlib.blake2b(digest_size=8)
    for path, look in sorted(listing.files):
        version = look.version
        text = f"{path}\0{version.inode} {version.size} {version.mtime_ns}\0"
        digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.digest()
