"""Which files below a root are looked at: names, litter of other programs, and ignore files."""

# Paths are plain strings here: a Path per file costs more than looking at the file.
# ruff: noqa: PTH114, PTH116, PTH122, PTH123

from __future__ import annotations

import codecs
import contextlib
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genretagd.config.patterns import NO_PATTERN, pattern_problem

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

AUDIO_SUFFIXES: Final = frozenset(
    ".mp3 .mp2 .flac .m4a .m4b .mp4 .ogg .oga .opus .spx .wma .asf .ape .wv .mpc .mp+ .tta .ofr .dsf .dff"
    " .wav .wave .aif .aiff .aifc .aac .tak".split()
)
"""Suffixes, in lower case, of the formats whose tags can be written."""

LITTER: Final = frozenset(
    name.casefold()
    for name in (
        "@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "@tmp", "$RECYCLE.BIN",
        "RECYCLER", "System Volume Information", "lost+found", "__MACOSX", "Network Trash Folder",
        "Temporary Items", "aquota.user", "aquota.group",
    )
)  # fmt: skip
"""Names that NAS boxes, file servers and sync tools use for themselves, compared without case."""

UNFINISHED: Final = (
    ".part", ".partial", ".crdownload", ".download", ".filepart", ".!qb", ".!ut", ".!bt", ".bc!", ".aria2",
    ".opdownload", ".unfinished", ".tmp", ".temp", ".ytdl", ".swp", ".bak", "~tmp", "~",
)  # fmt: skip
"""Ends of the names, or of the names before the suffix, that programs give to files they are writing."""

IGNORE_FILE: Final = ".genretagdignore"
OTHER_IGNORE_FILE: Final = ".ndignore"
STOP_FILE: Final = ".nomedia"
FOLDER_CONFIG: Final = ".genretagd.toml"
MARKERS: Final = frozenset({IGNORE_FILE, OTHER_IGNORE_FILE, STOP_FILE, FOLDER_CONFIG})
"""Files that say what is done in a folder; when one comes or goes, everything is looked at again."""

CACHED_DIRECTORIES: Final = 20_000
LONGEST_IGNORE_FILE: Final = 1 << 20


def is_audio_name(name: str, suffixes: Collection[str] = AUDIO_SUFFIXES) -> bool:
    """Return whether a file name is that of a finished, visible audio file."""
    if name.startswith((".", "~")):
        return False
    stem, suffix = os.path.splitext(name.casefold())
    return suffix in suffixes and not stem.endswith(UNFINISHED)


def is_directory_name(name: str) -> bool:
    """Return whether a directory of this name may hold a user's music."""
    return not name.startswith(".") and name.casefold() not in LITTER


@dataclass(frozen=True, slots=True)
class DirectoryRules:
    """The patterns in force in a directory: (its base directory, patterns), the outermost first."""

    specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def ignore(self, path: str, *, directory: bool = False) -> bool:
        """Return whether the patterns ignore a path; the innermost file that mentions it decides."""
        for base, spec in reversed(self.specs):
            relative = _composed(path[len(base.rstrip("/")) + 1 :] + ("/" if directory else ""))
            decided = spec.check_file(relative).include
            if decided is not None:
                return bool(decided)
        return False


class IgnoreRules:
    """Decides for every path below one root whether it is looked at.

    Directories are judged from the root downwards and what is found is kept until `clear`, so
    that a burst of events in one directory reads its ignore files once.

    Parameters
    ----------
    root : str
        The root, absolute.
    patterns : sequence of str
        gitignore-style patterns relative to the root.
    warn : callable
        Told once of each ignore file that cannot be read, and of each line of one that is no pattern.
    """

    def __init__(
        self, root: str, patterns: Sequence[str] = (), *, warn: Callable[[str], None] = lambda _text: None
    ) -> None:
        self.root = root.rstrip("/") or "/"
        self._warn = warn
        self._warned: set[str] = set()
        self._first = DirectoryRules(((self.root, self._spec(patterns, "ignore")),) if patterns else ())
        self._known: dict[str, DirectoryRules | None] = {}

    def clear(self) -> None:
        """Read ignore files anew from now on."""
        self._known.clear()

    def wants(self, path: str) -> bool:
        """Return whether a file is looked at, judging by its name and all directories above it."""
        directory, _, name = path.rpartition("/")
        if not is_audio_name(name):
            return False
        rules = self.enter(directory or "/")
        return rules is not None and not rules.ignore(path)

    def enter(self, directory: str) -> DirectoryRules | None:
        """Return the rules inside a directory, or None where nothing in it is looked at."""
        if directory in self._known:
            return self._known[directory]
        if directory == self.root:
            rules = self._inside(directory, self._first)
        else:
            parent, _, name = directory.rpartition("/")
            if not directory.startswith(self.root.rstrip("/") + "/") or not is_directory_name(name):
                rules = None
            else:
                outer = self.enter(parent or "/")
                ignored = outer is None or outer.ignore(directory, directory=True)
                rules = None if ignored or outer is None else self._inside(directory, outer)
        if len(self._known) >= CACHED_DIRECTORIES:
            self._known.clear()
        self._known[directory] = rules
        return rules

    def _inside(self, directory: str, outer: DirectoryRules) -> DirectoryRules | None:
        if os.path.lexists(f"{directory}/{STOP_FILE}"):
            return None
        specs = outer.specs
        for name in (OTHER_IGNORE_FILE, IGNORE_FILE):
            try:
                lines = _lines(f"{directory}/{name}")
            except OSError as exc:  # what it would keep us from is not known
                reason = exc.strerror or str(exc)
                self._warn_once(
                    f"{directory}/{name}: cannot be read ({reason}), its directory is passed over"
                )
                return None
            if lines is None:
                continue
            if name == OTHER_IGNORE_FILE and not any(line.strip() for line in lines):
                return None  # an empty one means the whole directory
            specs = (*specs, (directory, self._spec(lines, f"{directory}/{name}")))
        return DirectoryRules(specs) if specs is not outer.specs else outer

    def _spec(self, lines: Sequence[str], where: str) -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec  # noqa: PLC0415 - most libraries have no patterns

        lines = [_composed(line) for line in lines]
        with contextlib.suppress(*NO_PATTERN):
            return GitIgnoreSpec.from_lines(lines)
        return GitIgnoreSpec.from_lines(self._readable(lines, where))

    def _readable(self, lines: Sequence[str], where: str) -> Iterator[str]:
        for line in lines:
            problem = pattern_problem(line)
            if problem is None:
                yield line
                continue
            self._warn_once(f'{where}: "{line}" is no pattern ({problem}), it is taken as it is written')
            literal = re.sub(r"[\[\]\\]", r"\\\g<0>", line)
            if pattern_problem(literal) is None:
                yield literal

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)


def _composed(text: str) -> str:
    """Return text with its accents stored as people type them; macOS stores them otherwise in names."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _lines(path: str) -> list[str] | None:
    """Return the lines of an ignore file, None where there is none, or nothing there can be looked at.

    Raises
    ------
    OSError
        There is one that cannot be read.
    """
    try:
        status = os.stat(path)
    except OSError:
        if os.path.islink(path):
            raise
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    if status.st_size > LONGEST_IGNORE_FILE:
        raise OSError(f"longer than {LONGEST_IGNORE_FILE >> 20} MiB")
    with open(path, "rb") as file:
        data = file.read()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as Windows calls "Unicode"
        text = data.decode("utf-16", "replace")
    else:
        text = data.decode("utf-8-sig", "surrogateescape")
    return re.split("\r\n|\n|\r", text)  # names may hold what else Unicode calls the end of a line
