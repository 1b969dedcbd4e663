"""How a root is to be watched, and how it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal


class RootState(enum.StrEnum):
    """What a root is doing."""

    STARTING = "starting"
    WATCHING = "watching"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class RootSettings:
    """How one root is watched; times are in seconds."""

    path: str
    mode: Literal["auto", "events", "poll"] = "auto"
    ignore: tuple[str, ...] = ()
    follow: bool = False
    settle_seconds: float = 5.0
    poll_seconds: float = 30.0
    rescan_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class RootReport:
    """How a root is, for people.

    Attributes
    ----------
    path : str
        The root.
    state : RootState
        What it is doing.
    mode : str
        ``"events"``, ``"poll"``, or both where parts cannot be watched.
    file_system : str
        Type of the file system.
    problem : str or None
        What is wrong, and what to do.
    waiting : int
        Files waiting to be whole.
    overflows, restarts, scans : int
        How often events were lost, the observer was started again, and the tree was scanned.
    files : int
        Audio files seen by the last scan.
    unlisted : int
        Directories that it could not list, and what is in them could not be seen.
    scan_seconds : float
        How long it took.
    got_on_at : float
        When it last began a step or listed a directory, on the monotonic clock; a share that hangs stops it.
    """

    path: str
    state: RootState
    mode: str
    file_system: str
    problem: str | None
    waiting: int
    overflows: int
    restarts: int
    scans: int
    files: int
    unlisted: int
    scan_seconds: float
    got_on_at: float
