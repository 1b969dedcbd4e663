"""Every error this project raises on purpose, and the exit status each one means.

::

    GenretagdError                  1
    ├── UsageError                  2   the command line asks for something that cannot be
    │   ├── ConfigError             2   the configuration file, with every problem in it
    │   └── CorpusError             2   a training corpus that cannot be trained on
    ├── ModelError                  3   no usable model bundle
    ├── MissingExtraError           2   an optional part of the installation is needed
    ├── LedgerError                 1   the ledger cannot be opened, read or written
    ├── PluginError                 2   an action plugin cannot be loaded or configured
    ├── DeliveryError               1   an action plugin could not act on one event
    ├── WorkerError                 1   a worker process cannot be started
    └── TrackError                  1   one track; the run goes on with the next
        ├── DecodeError                 its audio cannot be read
        ├── TagError                    its tags cannot be read or written
        │   ├── WriteRefusedError       a safety rule or a failed verification forbids the write
        │   └── FileChangedError        somebody else changed the file meanwhile
        └── TimeLimitError              it took longer than a track may take

Exit statuses: 0 fine, 1 some tracks failed, 2 usage or configuration, 3 no usable model, 130
interrupted. A message reads "subject: what is wrong, what to do".
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

EXIT_OK = 0
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_MODEL = 3
EXIT_INTERRUPTED = 130

DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""What the system says of a disk that is full, write-protected or broken: no fault of the program's."""

_WORKER_ENDED = frozenset({"time limit", "hangs", "crashed"})


class GenretagdError(Exception):
    """The root of the tree; `exit_status` is what the command line exits with."""

    exit_status: ClassVar[int] = EXIT_SOME_FAILED


class UsageError(GenretagdError):
    """The command line asks for something that cannot be."""

    exit_status = EXIT_USAGE


class ConfigError(UsageError):
    """A configuration with one or more problems, all of them in `problems`.

    Parameters
    ----------
    problems : sequence of str
        One complete message each: ``file:line: key: what is wrong, what to do``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class CorpusError(UsageError):
    """A training corpus that cannot be trained on, said before time is spent on it."""


class ModelError(GenretagdError):
    """A model bundle that is missing, damaged or of another schema."""

    exit_status = EXIT_NO_MODEL


class MissingExtraError(GenretagdError):
    """An optional part of the installation is needed; the message says how to install it."""

    exit_status = EXIT_USAGE


class LedgerError(GenretagdError):
    """The ledger cannot be opened, read or written; nothing is tagged without it."""


class PluginError(GenretagdError):
    """An action plugin cannot be loaded or is wrongly configured."""

    exit_status = EXIT_USAGE


class DeliveryError(GenretagdError):
    """An action plugin could not act on one event; raised by plugins.

    Parameters
    ----------
    problem : str
        What is wrong; shown to the user.
    permanent : bool
        Whether trying this event again cannot help.
    retry_after_seconds : float or None
        When to try again, where the other side said so.
    """

    def __init__(
        self, problem: str, *, permanent: bool = False, retry_after_seconds: float | None = None
    ) -> None:
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds
        super().__init__(problem)


class WorkerError(GenretagdError):
    """A worker process cannot be started, was ended by us, or does not speak our protocol."""


class TrackError(GenretagdError):
    """One track cannot be processed.

    Parameters
    ----------
    path : Path
        The track.
    problem : str
        What is wrong and, where something can be done, what to do.
    code : str
        A short stable word for programs and statistics, such as ``"corrupt"``.
    transient : bool
        Whether trying again later may help (a locked file, a share that went away).
    """

    def __init__(self, path: Path, problem: str, *, code: str, transient: bool = False) -> None:
        self.path = path
        self.problem = problem
        self.code = code
        self.transient = transient
        super().__init__(f"{path}: {problem}")

    @property
    def worker_ended(self) -> bool:
        """Return whether the worker is gone, so that only the file can say how far a change came."""
        return self.code in _WORKER_ENDED


class DecodeError(TrackError):
    """The audio of a track cannot be read."""


class TagError(TrackError):
    """The tags of a track cannot be read or written."""


class WriteRefusedError(TagError):
    """A safety rule or a failed verification forbids the write; the file is as it was."""


class FileChangedError(TagError):
    """The file is no longer the one that was looked at; it is left to its new owner."""


class TimeLimitError(TrackError):
    """A track took longer than a track may take; its worker was ended."""
