"""Demonstration 4: from the close of a written file to the tag on disk.

    python -m benchmarks.daemon.latency --files 50

The median must stay under settle_seconds + 0.3 s.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.daemon.harness import Daemon, fresh, genre_of, seeds, show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--settle", type=float, default=1.0)
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between tracks")
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "genretagd-latency")
    options = parser.parse_args()

    folder = fresh(options.folder)
    tracks = seeds(folder / "seeds", options.clips)
    daemon = Daemon(folder, settle=options.settle)
    daemon.start()
    seconds = []
    for number in range(options.files):
        source = tracks[number % len(tracks)]
        target = daemon.music / f"track {number:03}{source.suffix}"
        shutil.copyfile(source, target)
        closed, inode = time.monotonic(), target.stat().st_ino
        while target.stat().st_ino == inode:
            if time.monotonic() > closed + 60:
                raise SystemExit(f"{target}: not tagged after 60 s")
            time.sleep(0.005)
        seconds.append(time.monotonic() - closed)
        assert genre_of(target)
        time.sleep(options.pause)
    exit_status, _ = daemon.stop()
    over = [value - options.settle for value in seconds]
    median = statistics.median(over)
    show(
        "latency",
        {
            "files": options.files, "settle_seconds": options.settle,
            "median_beyond_settling": round(median, 3), "worst_beyond_settling": round(max(over), 3),
            "load_average": os.getloadavg()[0], "exit_status": exit_status,
        },
    )  # fmt: skip
    if median >= 0.3:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
