"""One daemon per root: each running instance holds a locked file that names its roots."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from genretagd.errors import LedgerError, UsageError
from genretagd.lease import lock


@dataclass(frozen=True, slots=True)
class Instance:
    """A daemon that runs or ran: its process, its roots, and where its status is written."""

    pid: int
    roots: tuple[str, ...]
    running: bool
    status_file: Path


def instance_name(roots: Iterable[str]) -> str:
    """Return a file name for a set of roots, the same in whatever order they are given."""
    text = "\0".join(sorted(roots))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def instances(directory: Path) -> list[Instance]:
    """Return the instances that left their file in a directory, the running ones first."""
    found = []
    for path in sorted(directory.glob("*.lock")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), path.open("r+") as file:
            held = json.load(file)
            running = _held(file)
            status_file = path.with_suffix(".json")
            found.append(Instance(int(held["pid"]), tuple(held["roots"]), running, status_file))
    return sorted(found, key=lambda instance: not instance.running)


class InstanceLock:
    """The lock of one instance, held until `release` or the end of the process, however it ends.

    Parameters
    ----------
    directory : Path
        Where the instances of this ledger are listed; made where it is missing.
    roots : sequence of str
        Absolute paths.
    instead_of : InstanceLock, optional
        One of this process, which is to be given up for this one: its roots may be among these.

    Raises
    ------
    UsageError
        A running daemon watches one of the roots, or something above or below it.
    LedgerError
        The directory cannot be made or written, or its file system knows no locks.
    """

    def __init__(
        self, directory: Path, roots: Sequence[str], *, instead_of: InstanceLock | None = None
    ) -> None:
        path = directory / f"{instance_name(roots)}.lock"
        self._path, self._roots = path, tuple(roots)
        self.status_file = path.with_suffix(".json")
        self._file: IO[str] | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with _alone(directory):
                for other in instances(directory):
                    if instead_of is None or other.status_file != instead_of.status_file:
                        _refuse_common_roots(roots, other)
                self._file = path.open("a+")
                _lock(self._file, roots[0])
                self._file.seek(0)
                self._file.truncate()
                json.dump({"pid": os.getpid(), "roots": list(roots)}, self._file)
                self._file.flush()
        except UsageError:
            self.release()
            raise
        except OSError as exc:
            self.release()
            raise LedgerError(
                f"{directory}: no daemon can be listed there ({exc.strerror}), keep the ledger on a local "
                "disk that can be written ([ledger] ledger)"
            ) from exc

    def for_roots(self, roots: Sequence[str]) -> InstanceLock:
        """Return a lock for other roots, to be held instead of this one; this one where they are the same.

        Raises
        ------
        UsageError, LedgerError
            As when it is made; this one is still held.
        """
        if instance_name(roots) == instance_name(self._roots):
            return self
        return InstanceLock(self._path.parent, roots, instead_of=self)

    def discard(self) -> None:
        """Let go, and leave nothing behind: nobody asks any more how this instance was."""
        with contextlib.suppress(OSError), _alone(self._path.parent):
            for path in (self._path, self.status_file):
                path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go; safe to call twice."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what a full disk did not take is told already
                self._file.close()
            self._file = None


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with (directory / "starting").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _held(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _lock(file: IO[str], root: str) -> None:
    for _ in range(20):  # somebody who only asks holds it for a moment
        ours = lock(file.fileno())
        if ours is None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        if ours:
            return
        time.sleep(0.05)
    raise UsageError(f"{root}: already watched, stop the other daemon first")


def _refuse_common_roots(roots: Sequence[str], other: Instance) -> None:
    for root in roots if other.running else ():
        for taken in other.roots:
            if _inside(root, taken) or _inside(taken, root):
                raise UsageError(
                    f"{root}: process {other.pid} watches {taken} already, stop it first or name other roots"
                )


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
