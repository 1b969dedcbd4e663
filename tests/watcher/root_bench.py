"""A root with an injected clock and an event source of the tests' own, over real files."""

from __future__ import annotations

import os

from genretagd.watcher.events import NoticeKind
from genretagd.watcher.filesystems import Mount
from genretagd.watcher.report import RootSettings, RootState
from genretagd.watcher.root import RootWatcher


class Source:
    """Events that the tests send."""

    def __init__(self) -> None:
        self.alive = True
        self.closed = 0

    def healthy(self) -> bool:
        return self.alive

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A root watcher, what it delivered and what it said."""

    def __init__(self, root, *, mount="ext4", refuse=None, known=None, **settings) -> None:
        self.sources: list[Source] = []
        self.delivered: list[str] = []
        self.said: list[str] = []
        self.scanned: list[str] = []
        self.known: set[str] = set() if known is None else known
        self.refuse = refuse
        self.now = 0.0
        self.root = root
        self.mounts = [Mount("/", mount)]
        self.watcher = RootWatcher(
            RootSettings(str(root), **({"settle_seconds": 5.0} | settings)),
            unknown=lambda files: [file for file in files if file[0] not in self.known],
            deliver=self.deliver,
            say=lambda level, text: self.said.append(f"{level}: {text}"),
            scanned=self.scanned.append,
            watch_events=self.watch,
            list_mounts=lambda: self.mounts,
            clock=lambda: self.now,
        )

    def watch(self, _root, _inbox, *, follow):
        if self.refuse:
            raise self.refuse
        self.sources.append(Source())
        return self.sources[-1]

    def deliver(self, settled) -> None:
        self.delivered.append(os.path.relpath(settled.path, self.root))
        self.known.add(settled.path)

    def event(self, kind: NoticeKind, path) -> None:
        self.watcher.inbox.put(kind, str(self.root / path))

    def run(self, seconds: float) -> list[str]:
        """Let time pass, stepping whenever the watcher asks for it, and return what was delivered."""
        end = self.now + seconds
        self.delivered = []
        while True:
            due = max(self.watcher.step(self.now), self.now + 0.001)
            if due > end:
                self.now = end
                self.watcher.step(self.now)
                return sorted(self.delivered)
            self.now = due

    @property
    def state(self) -> RootState:
        return self.watcher.report().state


def put(path, content=b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
