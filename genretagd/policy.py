"""What the user decided about how tracks are decided on and written, folder by folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from genretagd.config import Config, did_you_mean, load_folder_config
from genretagd.decision import DecisionPolicy
from genretagd.domain import ExistingPolicy, FileVersion, WriteOptions, written_at
from genretagd.errors import ConfigError, TagError
from genretagd.serial import to_json

FOLDER_CONFIG: Final = ".genretagd.toml"

_JOINED: Final = re.compile(r"[;,/|\\\0]")
"""What programs put between several genres in one value."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decides what becomes of a track, besides the track and the model.

    `placeholders` and `protected` are folded, see `is_placeholder` and `protects`. `album` is about the
    tracks of a folder that are at hand together.
    """

    decision: DecisionPolicy
    existing: ExistingPolicy
    placeholders: frozenset[str]
    protected: frozenset[str]
    write: WriteOptions
    provenance: bool
    album: bool

    @classmethod
    def of(cls, config: Config) -> Policy:
        """Return the policy that a configuration describes."""
        wanted, tags = config.decision, config.tags
        return cls(
            decision=DecisionPolicy(
                min_confidence=wanted.min_confidence,
                min_margin=wanted.min_margin,
                max_genres=wanted.max_genres,
                min_seconds=wanted.min_seconds,
                silence_dbfs=wanted.silence_dbfs,
                genre_names=config.genres,
            ),
            existing=tags.existing,
            placeholders=frozenset(map(_folded, tags.placeholders)),
            protected=frozenset(map(_folded, tags.protected)),
            write=WriteOptions(mtime=tags.mtime, hardlinks=tags.hardlinks, id3v1=tags.id3v1),
            provenance=tags.provenance,
            album=wanted.album,
        )

    def is_placeholder(self, genre: str) -> bool:
        """Return whether a genre counts as absent."""
        return _folded(genre) in self.placeholders

    def protects(self, genre: str) -> bool:
        """Return whether a genre is never removed: itself, or one of several that a program joined in it."""
        parts = (genre, *(part.strip() for part in _JOINED.split(genre)))
        return not self.protected.isdisjoint(map(_folded, parts))

    def fingerprint(self) -> str:
        """Return a short hash that changes whenever the policy would treat a track by itself differently."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "album"}
        values |= {name: sorted(values[name]) for name in ("placeholders", "protected")}
        text = json.dumps(to_json(values), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _folded(genre: str) -> str:
    """Return what two ways to write a genre have in common: case and accents may be stored differently."""
    return unicodedata.normalize("NFC", genre.casefold())


def unknown_labels(named: Mapping[str, Path | None], known: Sequence[str]) -> Iterator[str]:
    """Yield a message for each of `FolderPolicies.labels` that is none of the model's."""
    for label, file in named.items():
        if label not in known:
            where = f"{file}: " if file else ""
            hint = did_you_mean(label, known) or f", its labels are {', '.join(known)}"
            yield f'{where}genres: the model has no label "{label}", its name is never used{hint}'


def of_target(policy_for: Callable[[Path], Policy], path: Path) -> Policy:
    """Return the policy for a track by its own folder, where a link in another one leads to it.

    Raises
    ------
    TagError
        See `FolderPolicies`.
    """
    return policy_for(written_at(path))


class FolderPolicies:
    """The policy in force per folder: the user's, as the ``.genretagd.toml`` files above it override it.

    The files of all parent directories apply, the nearest one last: where links lead to a track, of those
    that it was named by, and then of its own. A file is read once and again when it changes. Safe for
    several threads: a race reads a file twice.

    Parameters
    ----------
    config : Config
        What holds where no folder says otherwise.

    Attributes
    ----------
    labels : dict of str to (Path or None)
        The labels that are given a name, each with the folder's file that does, as far as these were read, or
        None where the user's own configuration does.
    """

    def __init__(self, config: Config) -> None:
        self.labels: dict[str, Path | None] = dict.fromkeys(config.genres)
        self._base = config
        self._policies: dict[tuple[tuple[Path, FileVersion, int], ...], Policy] = {}

    def __call__(self, path: Path, /) -> Policy:
        """Return the policy in force for a track.

        Raises
        ------
        TagError
            A folder's configuration above it is not valid, or cannot be looked for: the track is
            left alone.
        """
        found = []
        ways = dict.fromkeys((os.path.abspath(path), os.path.realpath(path)))  # noqa: PTH100 - links stay in one
        for folder in (folder for way in ways for folder in reversed(Path(way).parents)):
            file = folder / FOLDER_CONFIG
            try:
                status = file.stat()
                found.append((file, FileVersion.of(status), status.st_ctime_ns))
            except NotADirectoryError:
                continue
            except FileNotFoundError as exc:
                if os.path.islink(file):  # noqa: PTH114 - must not fail
                    problem = f"{file}: leads nowhere, mend the link or remove it"
                    raise TagError(path, problem, code="folder configuration", transient=True) from exc
            except OSError as exc:
                problem = f"{file}: cannot be looked for ({exc.strerror})"
                raise TagError(path, problem, code="folder configuration", transient=True) from exc
        key = tuple(found)
        if key not in self._policies:
            config = self._base
            for file, *_ in found:
                try:
                    config = load_folder_config(file, config)
                except ConfigError as exc:
                    problem = f"its folder's configuration is not valid: {exc}"
                    raise TagError(path, problem, code="folder configuration") from exc
                for label in config.genres:
                    self.labels.setdefault(label, file)
            self._policies[key] = Policy.of(config)
        return self._policies[key]
