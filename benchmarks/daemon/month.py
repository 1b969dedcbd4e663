"""Demonstration 5a: a simulated month: many events with an injected clock, and nothing grows.

    python -m benchmarks.daemon.month --events 200000

Real files, a real ledger and the daemon's own parts; the clock, the kernel's events and the pipeline are
pretended.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.daemon.harness import fresh, show, usage
from genretagd.daemon.desk import Desk
from genretagd.daemon.queue import WorkQueue
from genretagd.daemon.stats import Stats
from genretagd.domain import Outcome, Status
from genretagd.ledger.database import Database
from genretagd.ledger.versions import Judgement, Versions
from genretagd.watcher.events import NoticeKind
from genretagd.watcher.filesystems import Mount
from genretagd.watcher.report import RootSettings
from genretagd.watcher.root import RootWatcher
from genretagd.watcher.scanning import look_at

DAY = 86_400.0
MONTH = 30 * DAY
STARTED = 1.7e9
LIVE_FILES = 2000
"""About so many files are there at any time."""


class Month:
    """The daemon's parts around a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.music = folder / "music"
        self.music.mkdir(parents=True)
        self.ledger = folder / "ledger.sqlite3"
        self.database = Database(self.ledger)
        self.versions = Versions(self.database)
        self.stats = Stats(clock=self.clock, wall=lambda: STARTED + self.now)
        self.queue = WorkQueue(clock=self.clock)
        self.forgot_at = 0.0
        self.desk = Desk(
            queue=self.queue,
            versions=self.versions,
            judgement_for=lambda _path: Judgement("bundle", "policy"),
            look=look_at,
            told=self,
            unsettle=lambda path: self.watcher.inbox.put(NoticeKind.FILE, path),
            clock=self.clock,
            wall=lambda: STARTED + self.now,
        )
        self.watcher = RootWatcher(
            RootSettings(str(self.music)),
            unknown=self.desk.unknown,
            deliver=self.desk.take_in,
            say=lambda _level, _text: None,
            scanned=self.forget,
            watch_events=lambda *_arguments, **_options: self,
            list_mounts=lambda: [Mount("/", "ext4")],
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    # An event source that is always well, and opened anew after events were lost

    def healthy(self) -> bool:
        return True

    def close(self) -> None:
        pass

    # Ears

    def keep(self, outcome: Outcome) -> None:
        pass

    def outcome(self, outcome: Outcome) -> None:
        self.stats.count(outcome)

    def trouble(self, problem: str | None) -> None:
        if problem:
            raise SystemExit(problem)

    def forget(self, root: str) -> None:
        if self.now - self.forgot_at > DAY:
            self.forgot_at = self.now
            self.versions.forget_missing(root, older_than=STARTED + self.now - 7 * DAY)

    # Time

    def pass_time(self, seconds: float) -> None:
        """Let time pass, doing what becomes due."""
        end = self.now + seconds
        while True:
            due = self.watcher.step(self.now)
            while (task := self.queue.take(0.0)) is not None:
                self.desk.work_on(task, process)
            if due > end:
                self.now = end
                return
            self.now = max(due, self.now + 0.001)


def process(path: Path, /, *, tell) -> Outcome:  # noqa: ARG001 - nothing is written
    """Stand in for the pipeline: some files fail, some may heal, most are unsure."""
    number = hash(path.name) % 100
    if number < 3:
        return Outcome(path, Status.FAILED, reason="damaged", code="corrupt")
    if number < 5:
        return Outcome(path, Status.FAILED, reason="locked", code="locked", transient=True)
    return Outcome(path, Status.UNSURE, reason="below the threshold", code="below threshold")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "genretagd-month")
    options = parser.parse_args()

    month = Month(fresh(options.folder))
    chance = random.Random(options.seed)
    live: list[Path] = []
    samples: list[dict] = []
    started = time.monotonic()
    for number in range(options.events):
        happen(month, chance, live, number)
        month.pass_time(MONTH / options.events * chance.uniform(0.0, 2.0))
        if (number + 1) % (options.events // 10) == 0:
            gc.collect()
            found = usage(threading.get_native_id())
            rows = month.database.rows("SELECT count(*) AS n FROM versions")[0]["n"]
            samples.append(
                {
                    "events": number + 1, "day": round(month.now / DAY, 1), "own_mb": found["own_mb"],
                    "threads": found["threads"], "descriptors": found["descriptors"],
                    "ledger_mb": round(month.ledger.stat().st_size / 1e6, 2), "rows": rows, "live": len(live),
                    "waiting": month.watcher.report().waiting, "queue_later": month.queue.later,
                }
            )  # fmt: skip
    month.pass_time(120.0)
    lost = [path for path in live if month.versions.find(str(path)) is None]
    show(
        "month",
        {
            "events": options.events, "seconds": round(time.monotonic() - started, 1), "lost": len(lost),
            "by_status": month.stats.summary().by_status, "samples": samples,
        },
    )  # fmt: skip
    middle, last = samples[len(samples) // 2], samples[-1]
    grown = last["own_mb"] - middle["own_mb"] > 3 or last["ledger_mb"] > 1.5 * middle["ledger_mb"]
    if lost or grown or last["threads"] != middle["threads"] or last["descriptors"] != middle["descriptors"]:
        raise SystemExit(1)


def happen(month: Month, chance: random.Random, live: list[Path], number: int) -> None:
    """Let one thing happen to the library and tell it as the kernel would."""
    what = chance.random()
    inbox = month.watcher.inbox
    if not live or (what < 0.4 and len(live) < LIVE_FILES) or what < 0.2:
        path = month.music / f"album {number % 97}" / f"track {number}.flac"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * (1 + number % 50))
        live.append(path)
        inbox.put(NoticeKind.FILE, str(path))
        return
    index = chance.randrange(len(live))
    path = live[index]
    if what < 0.55:  # written again
        path.write_bytes(b"y" * (1 + number % 60))
        inbox.put(NoticeKind.FILE, str(path))
    elif what < 0.75:  # renamed
        live[index] = path.with_name(f"track {number}.flac")
        path.rename(live[index])
        inbox.put(NoticeKind.FILE_GONE, str(path))
        inbox.put(NoticeKind.FILE, str(live[index]))
    elif what < 0.98:  # deleted
        live[index] = live[-1]
        live.pop()
        path.unlink()
        inbox.put(NoticeKind.FILE_GONE, str(path))
    else:
        inbox.overflow()


if __name__ == "__main__":
    main()
