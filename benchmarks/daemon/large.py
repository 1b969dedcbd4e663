"""Demonstration 3: start with many files in the ledger and unchanged; then idle, by events and by polling.

    python -m benchmarks.daemon.large --files 100000

Ready in under 5 s, idle under 120 MB and 0.2 % of a core; polling at most 2 % of a core.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.daemon.harness import BUNDLE, Daemon, fresh, show
from genretagd.config import Config
from genretagd.config.schema import DecisionConfig
from genretagd.daemon.engine import bundle_fingerprint
from genretagd.domain import FileVersion
from genretagd.ledger.database import Database
from genretagd.policy import FolderPolicies

PER_FOLDER = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--idle", type=float, default=120.0, help="seconds over which idle CPU is measured")
    parser.add_argument(
        "--poll-idle", type=float, default=600.0, help="the same for polling, in whole minutes"
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "genretagd-large")
    options = parser.parse_args()

    daemon = Daemon(fresh(options.folder))
    fill(daemon, options.files)
    figures: dict[str, object] = {"files": options.files}
    for mode, idle in (("events", options.idle), ("poll", options.poll_idle)):
        if not idle:
            continue
        daemon.process = None
        chosen = Daemon(options.folder, "--mode", mode)
        started = time.monotonic()
        ready = chosen.start()
        while not chosen.quick_status().get("roots", [{"scans": 0}])[0]["scans"]:
            time.sleep(0.05)
        scanned = time.monotonic() - started
        usage = chosen.usage()
        figures |= {
            f"{mode}_ready_seconds": round(ready, 2), f"{mode}_scanned_seconds": round(scanned, 2),
            f"{mode}_start_cpu_seconds": round(usage["cpu_seconds"], 2),
        }  # fmt: skip
        time.sleep(75)  # the worker process is let go after a minute
        before = chosen.usage()
        time.sleep(idle)
        after = chosen.usage()
        share = (after["cpu_seconds"] - before["cpu_seconds"]) / idle
        figures |= {
            f"{mode}_idle_memory_mb": after["memory_mb"], f"{mode}_idle_cpu_percent": round(100 * share, 3),
            f"{mode}_idle_seconds": idle, f"{mode}_threads": after["threads"],
        }  # fmt: skip
        figures[f"{mode}_worked_on"] = sum(chosen.quick_status().get("files", {}).values())
        chosen.stop()
    show("large", figures)


def fill(daemon: Daemon, files: int) -> None:
    """Make folders of small files, and a ledger in which each is dealt with already."""
    config = Config(decision=DecisionConfig(min_confidence=0.0))
    policy = FolderPolicies(config)(daemon.music / "x").fingerprint()
    bundle = bundle_fingerprint(str(BUNDLE))
    rows = []
    for number in range(files):
        folder = (
            daemon.music / f"artist {number // (PER_FOLDER * 5):04}" / f"album {number // PER_FOLDER % 5}"
        )
        if number % PER_FOLDER == 0:
            folder.mkdir(parents=True)
        path = folder / f"{number % PER_FOLDER:02} a track with a name of usual length.mp3"
        path.write_bytes(b"x" * 100)
        version = FileVersion.of(path.stat())
        rows.append(
            (str(path).encode(), version.device, version.inode, version.size, version.mtime_ns,
             bundle, policy, "unsure", "below threshold", None, 0, time.time())
        )  # fmt: skip
    Database(daemon.ledger).close()
    with closing(sqlite3.connect(daemon.ledger)) as database, database:
        database.executemany("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", rows)


if __name__ == "__main__":
    main()
