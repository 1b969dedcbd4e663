"""Every option there is: its section, name, type, default, meaning and bounds.

Option names are unique over all sections, so that an option has one flag (``--min-confidence``)
and one environment variable (``GENRETAGD_MIN_CONFIDENCE``) of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from genretagd.config.convert import between, option
from genretagd.config.patterns import all_patterns
from genretagd.domain import SILENCE_DBFS, ExistingPolicy, HardlinkPolicy, Id3v1Policy, MtimePolicy

RootMode = Literal["auto", "events", "poll"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """[model]: what listens."""

    bundle: str = option(
        "default",
        'directory of a model bundle, or "default"',
        check=lambda bundle: None if bundle else 'must be a path or "default"',
    )
    excerpts: int | None = option(
        None, "excerpts to listen to per track; the bundle's own number if unset", check=between(1, 32)
    )


@dataclass(frozen=True, slots=True)
class DecisionConfig:
    """[decision]: when to decide, and when to leave a track alone."""

    min_confidence: float | None = option(
        None,
        "decide from this confidence on; the bundle's own threshold if unset, 0 always decides",
        check=between(0, 1),
    )
    min_margin: float = option(0.0, "least difference between the two best labels", check=between(0, 1))
    max_genres: int = option(1, "at most so many genres per track", check=between(1, 10))
    min_seconds: float = option(5.0, "shorter audio is not judged", check=between(0))
    silence_dbfs: float = option(
        -60.0, "audio with a lower peak is not judged", check=between(SILENCE_DBFS, 0)
    )
    album: bool = option(False, "give the tracks of a folder one genre, from their average")


@dataclass(frozen=True, slots=True)
class TagsConfig:
    """[tags]: what is written, and how."""

    existing: ExistingPolicy = option(
        "keep", "what happens to a genre that is there: keep, append, replace, replace-ours"
    )
    placeholders: tuple[str, ...] = option((), "genres that count as absent, compared without case")
    protected: tuple[str, ...] = option((), "genres that are never removed, compared without case")
    mtime: MtimePolicy = option("update", "modification time of a tagged file: update or keep")
    hardlinks: HardlinkPolicy = option("skip", "files with several names: skip, break or in-place")
    id3v1: Id3v1Policy = option("sync", "an ID3v1 tag's genre: sync follows, leave stays")
    provenance: bool = option(False, "also write which model decided, and its confidence")


@dataclass(frozen=True, slots=True)
class LibraryConfig:
    """[library]: which files are looked at."""

    ignore: tuple[str, ...] = option((), "gitignore-style patterns, relative to the root", check=all_patterns)
    symlinks: bool = option(False, "follow symbolic links to directories and files")


@dataclass(frozen=True, slots=True)
class WorkConfig:
    """[work]: how much of the machine is used."""

    workers: int = option(0, "worker processes; 0 is half the cores", check=between(0, 256))
    track_seconds: float = option(60.0, "time limit per track", check=between(1, 3600))
    nice: int = option(0, "CPU niceness of the workers, 0 to 19", check=between(0, 19))


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """[watch]: the daemon."""

    roots: tuple[Path, ...] = option((), "directories to watch when none is named")
    settle_seconds: float = option(5.0, "a file is whole when quiet for so long", check=between(0, 86400))
    mode: RootMode = option("auto", "how to notice files: auto, events or poll; [[roots]] sets it per root")
    poll_seconds: float = option(30.0, "pause between looks at a polled root", check=between(1, 86400))
    rescan_seconds: float = option(
        3600.0, "look at everything again so often, in case an event was lost", check=between(60, 604800)
    )
    idle_disk: bool = option(False, "use the disk only when nobody else does")


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """[ledger]: what was done, for undo and for not doing it twice."""

    ledger: Path | None = option(None, "the ledger's file; in the user's state directory if unset")
    retention_days: int = option(0, "forget changes older than this; 0 keeps them", check=between(0))


@dataclass(frozen=True, slots=True)
class LogConfig:
    """[log]: what the daemon says."""

    log_level: Literal["debug", "info", "warning", "error"] = option("info", "least level that is logged")
    log_format: Literal["auto", "human", "logfmt", "json"] = option(
        "auto", "auto is human on a terminal and logfmt elsewhere"
    )


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """[metrics]: for monitoring; off by default."""

    metrics_port: int = option(0, "loopback port of /metrics and /healthz; 0 is off", check=between(0, 65535))


@dataclass(frozen=True, slots=True)
class PluginsConfig:
    """[plugins]: where action plugins come from besides the shipped and the installed ones."""

    directories: tuple[Path, ...] = option((), "directories with plugin files, writable by you alone")


@dataclass(frozen=True, slots=True)
class RootConfig:
    """One [[roots]] table: a watched directory with settings of its own."""

    path: Path = field(metadata={"help": "the directory", "check": None})
    mode: RootMode = option("auto", "how to notice files: auto, events or poll")


@dataclass(frozen=True, slots=True)
class ActionConfig:
    """One [[actions]] table: the plugin's name and its options, checked by the plugin loader.

    `where` is ``file:line`` for messages.
    """

    use: str
    options: Mapping[str, Any]
    where: str


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `genres` maps labels to the genre names to write."""

    model: ModelConfig = field(default_factory=ModelConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)
    tags: TagsConfig = field(default_factory=TagsConfig)
    library: LibraryConfig = field(default_factory=LibraryConfig)
    work: WorkConfig = field(default_factory=WorkConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    ledger: LedgerConfig = field(default_factory=LedgerConfig)
    log: LogConfig = field(default_factory=LogConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    plugins: PluginsConfig = field(default_factory=PluginsConfig)
    genres: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[RootConfig, ...] = ()
    actions: tuple[ActionConfig, ...] = ()
    source: Path | None = None


SECTIONS: Mapping[str, type] = {
    "model": ModelConfig,
    "decision": DecisionConfig,
    "tags": TagsConfig,
    "library": LibraryConfig,
    "work": WorkConfig,
    "watch": WatchConfig,
    "ledger": LedgerConfig,
    "log": LogConfig,
    "metrics": MetricsConfig,
    "plugins": PluginsConfig,
}

FOLDER_SECTIONS = ("decision", "tags")
"""The sections that a folder's own ``.genretagd.toml`` may set, besides [genres]."""
