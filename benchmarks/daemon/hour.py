"""Demonstration 5b: an hour of real running with tracks arriving, and nothing grows.

    python -m benchmarks.daemon.hour --minutes 60
    python -m benchmarks.daemon.hour --minutes 12 --every 0.15 --keep 300

The second one is quick to show a leak: many tracks in little time, and those before the last 300 are deleted,
so that the daemon has nothing more to know of at the end than at the beginning, but for rows in its ledger.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
import time
from collections import deque
from pathlib import Path

from benchmarks.daemon.harness import Daemon, fresh, seeds, show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between arrivals")
    parser.add_argument("--keep", type=int, help="delete tracks when so many newer ones have arrived")
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "genretagd-hour")
    options = parser.parse_args()

    folder = fresh(options.folder)
    tracks = seeds(folder / "seeds", options.clips)
    daemon = Daemon(folder)
    daemon.start()
    samples: list[dict] = []
    seconds = options.minutes * 60
    started = time.monotonic()
    arrived = 0
    live: deque[Path] = deque()
    while (passed := time.monotonic() - started) < seconds:
        source = tracks[arrived % len(tracks)]
        directory = daemon.music / f"album {arrived // 12:04}"
        directory.mkdir(exist_ok=True)
        target = directory / f"track {arrived:05}{source.suffix}"
        shutil.copyfile(source, target)
        arrived += 1
        live.append(target)
        if options.keep and len(live) > options.keep:
            delete(live.popleft())
        if passed >= seconds * (len(samples) + 1) / options.samples:
            found = daemon.usage()
            size = sum(path.stat().st_size for path in daemon.state.glob("ledger.sqlite3*"))
            samples.append(
                {"minute": round(passed / 60, 1), **found, "files": arrived, "ledger_kb": round(size / 1024)}
            )
        time.sleep(options.every)
    daemon.wait_idle(arrived, limit=300)
    known = daemon.versions()
    exit_status, stopped = daemon.stop()
    show(
        "hour",
        {
            "minutes": options.minutes,
            "files": arrived,
            "tagged": sum(status == "tagged" for status in known.values()),
            "samples": samples,
            "exit_status": exit_status,
            "stopped_in_seconds": round(stopped, 2),
        },
    )
    first, last = samples[len(samples) // 3], samples[-1]
    grown = any(last[key] > first[key] for key in ("threads", "descriptors", "processes"))
    if grown or last["own_mb"] > first["own_mb"] + 3 or len(known) != arrived:
        raise SystemExit(1)


def delete(track: Path) -> None:
    """Delete a track, and its directory with the last one in it."""
    track.unlink()
    with contextlib.suppress(OSError):
        track.parent.rmdir()


if __name__ == "__main__":
    main()
