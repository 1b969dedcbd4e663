"""Which files of a directory tree are tracks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

AUDIO_SUFFIXES: Final = frozenset(
    ".mp3 .mp2 .flac .m4a .m4b .mp4 .aac .ogg .oga .opus .spx .wav .wave .rf64 .bwf .aif .aiff .aifc"
    " .wma .asf .ape .wv .mpc .mp+ .mpp .tta .dsf .dff".split()
)
"""File name suffixes of audio, in lower case."""


def is_track_name(name: str) -> bool:
    """Return whether a file name looks like that of a track that is not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES  # noqa: PTH122


def walk(
    root: Path,
    *,
    symlinks: bool = False,
    ignored: Callable[[Path, bool], bool] = lambda _path, _is_directory: False,
    unreadable: Callable[[Path, OSError], None] = lambda _path, _exc: None,
) -> Iterator[Path]:
    """Yield the tracks below a directory, in the order of their names, one folder at a time.

    Parameters
    ----------
    root : Path
        Where to begin.
    symlinks : bool
        Whether links are followed; a directory is entered once, so cycles end.
    ignored : callable
        Asked for each path, and whether it is a directory, if it is to be passed over.
    unreadable : callable
        Told of each directory that cannot be listed, and why.
    """
    seen: set[tuple[int, int]] = set()
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            status = folder.stat()
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as exc:
            unreadable(folder, exc)
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders = []
        for entry in entries:
            path = folder / entry.name
            try:
                is_link = entry.is_symlink()
                is_directory = entry.is_dir(follow_symlinks=symlinks)
            except OSError as exc:
                unreadable(path, exc)
                continue
            if (is_link and not symlinks) or ignored(path, is_directory):
                continue
            if is_directory:
                if not entry.name.startswith("."):
                    folders.append(path)
            elif is_track_name(entry.name):
                yield path
        pending.extend(reversed(folders))
