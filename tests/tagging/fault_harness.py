"""Failing, cutting short, or killing at each single operation by which a write changes the file system.

The operations are those of `os` and `fcntl` through which the store does everything that changes
anything. One fault-free write counts them; then each is hit in every mode, one write at a time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tag_cases import Case

from genretagd.domain import HardlinkPolicy, WriteOptions
from genretagd.errors import TagError
from genretagd.tagging.store import FileTagStore
from genretagd.tagging.sweeping import sweep

OPERATIONS = (
    "copy_file_range",
    "fchmod",
    "fchown",
    "fsync",
    "ftruncate",
    "link",
    "open",
    "posix_fallocate",
    "pwrite",
    "removexattr",
    "rename",
    "replace",
    "setxattr",
    "unlink",
    "utime",
    "write",
)
MODES = ("EIO", "ENOSPC", "kill before", "kill after", "kill half way", "short")
GENRES = ("Hip-Hop", "Jazz")


@dataclass
class Fault:
    """One fault: at which operation (counted from 0) and in which mode; counts what passes by."""

    at: int
    mode: str
    count: int = 0
    hit: str = ""

    def around(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            if name == "open" and not args[1] & os.O_CREAT:
                return real(*args, **kwargs)
            number, self.count = self.count, self.count + 1
            if number != self.at:
                return real(*args, **kwargs)
            self.hit = name
            if self.mode in {"EIO", "ENOSPC"}:
                raise OSError(getattr(errno, self.mode), os.strerror(getattr(errno, self.mode)))
            if self.mode == "kill before":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mode in {"short", "kill half way"} and name == "pwrite" and len(args[1]) > 1:
                args = (args[0], args[1][: len(args[1]) // 2], *args[2:])
            if self.mode in {"short", "kill half way"} and name == "copy_file_range" and args[2] > 1:
                args = (*args[:2], args[2] // 2, *args[3:])
            try:
                return real(*args, **kwargs)
            finally:
                if self.mode.startswith("kill"):
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrapped


@contextlib.contextmanager
def injected(fault: Fault) -> Iterator[None]:
    real = {name: getattr(os, name) for name in OPERATIONS if hasattr(os, name)}
    ioctl, flock = fcntl.ioctl, fcntl.flock
    try:
        for name, function in real.items():
            setattr(os, name, fault.around(name, function))
        fcntl.ioctl, fcntl.flock = fault.around("ioctl", ioctl), fault.around("flock", flock)
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)
        fcntl.ioctl, fcntl.flock = ioctl, flock


def write(path: Path, policy: HardlinkPolicy) -> None:
    store = FileTagStore()
    tag = store.read_genres(path)
    options = WriteOptions(hardlinks=policy, mtime="keep")
    store.write_genres(path, GENRES, expected=tag.version, options=options)


class Subject:
    """A file that is written again and again, each time from the same old content."""

    def __init__(self, case: Case, directory: Path, *, policy: HardlinkPolicy = "skip") -> None:
        self.directory = directory
        self.policy = policy
        self.path = case.build(directory)
        self.other = directory / "other name" if policy == "in-place" else None
        self.old = self.path.read_bytes()
        self.reset()
        counter = Fault(-1, "none")
        with injected(counter):
            write(self.path, policy)
        self.operations = counter.count
        self.new = self.path.read_bytes()
        assert self.new != self.old

    def reset(self) -> None:
        for path in self.directory.iterdir():
            path.unlink()
        self.path.write_bytes(self.old)
        self.path.chmod(0o640)
        if hasattr(os, "setxattr"):
            with contextlib.suppress(OSError):
                os.setxattr(self.path, "user.note", b"kept")
        os.utime(self.path, ns=(10**18, 10**18 + 123))
        if self.other:
            os.link(self.path, self.other)

    def try_fault(self, at: int, mode: str) -> str:
        """Inject one fault, check everything that must hold, and return what was hit (empty if nothing)."""
        self.reset()
        if mode.startswith("kill"):
            hit, failed = self._killed(Fault(at, mode)), True
        else:
            fault = Fault(at, mode)
            failed = False
            with injected(fault):
                try:
                    write(self.path, self.policy)
                except TagError:
                    failed = True
            hit = fault.hit
            assert failed or self.path.read_bytes() == self.new, (at, mode, hit)
            if mode == "short":
                assert not failed, (at, mode, hit)
        if self.policy != "in-place":
            content = self.path.read_bytes()
            assert content in (self.old, self.new), (at, mode, hit)
        sweep(self.directory)
        content = self.path.read_bytes()
        assert content == self.new or (failed and content == self.old), (at, mode, hit)
        status = self.path.stat()
        assert status.st_mode & 0o7777 == 0o640, (at, mode, hit)
        assert status.st_mtime_ns == 10**18 + 123, (at, mode, hit)
        names = {p.name for p in self.directory.iterdir()}
        expected = {self.path.name} | ({self.other.name} if self.other else set())
        assert names == expected, (at, mode, hit, names)
        if self.other:
            assert self.other.stat().st_ino == status.st_ino, (at, mode, hit)
        return hit

    def _killed(self, fault: Fault) -> str:
        read_end, write_end = os.pipe()
        child = os.fork()
        if not child:
            try:
                hit = fault.around

                def telling(name: str, real: Callable[..., object]) -> Callable[..., object]:
                    inner = hit(name, real)

                    def wrapped(*args: object, **kwargs: object) -> object:
                        if fault.count == fault.at and not (name == "open" and not args[1] & os.O_CREAT):
                            os_write(write_end, name.encode())
                        return inner(*args, **kwargs)

                    return wrapped

                os_write = os.write
                fault.around = telling  # type: ignore[method-assign]
                with injected(fault):
                    write(self.path, self.policy)
            finally:
                os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as told:
            hit_name = told.read().decode()
        _, status = os.waitpid(child, 0)
        assert not hit_name or status == signal.SIGKILL, (fault, hit_name, status)
        return hit_name
