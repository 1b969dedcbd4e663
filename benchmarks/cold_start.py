"""How long a person waits: `--help`, one cold `tag`, and the memory of a run over 200 files.

    python benchmarks/cold_start.py TRACK.mp3

Medians of ten cold processes, beside a bare Python start in the same run. The track is copied to a
temporary folder; nothing else is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RUNS = 10


def median_seconds(command: list[str], prepare) -> float:
    times = []
    for _ in range(RUNS):
        prepare()
        started = time.perf_counter()
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def peak_megabytes(command: list[str]) -> tuple[float, float]:
    """Return the peak resident memory of a command's process tree, and its wall time in seconds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak, done = 0, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, sum(map(resident, tree(process.pid))))

    sampler = threading.Thread(target=sample)
    started = time.perf_counter()
    sampler.start()
    process.wait()
    seconds = time.perf_counter() - started
    done.set()
    sampler.join()
    return peak / 1e6, seconds


def tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        except OSError:
            continue
        found += map(int, children)
    return found


def resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("track", type=Path)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    genretagd = [sys.executable, "-m", "genretagd"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENRETAGD_LEDGER"] = f"{folder}/ledger.sqlite3"
        os.environ["GENRETAGD_MIN_CONFIDENCE"] = "0"
        one = Path(folder) / f"one{arguments.track.suffix}"

        def fresh() -> None:
            shutil.copyfile(arguments.track, one)

        many = Path(folder) / "many"
        many.mkdir()
        for number in range(arguments.files):
            shutil.copyfile(arguments.track, many / f"{number:04}{arguments.track.suffix}")
        replace = ["--existing", "replace"]
        figures = {
            "python_seconds": median_seconds([sys.executable, "-c", "pass"], lambda: None),
            "help_seconds": median_seconds([*genretagd, "--help"], lambda: None),
            "tag_one_seconds": median_seconds([*genretagd, "tag", str(one), *replace], fresh),
        }
        peak, seconds = peak_megabytes([*genretagd, "tag", str(many), *replace])
        figures |= {"tag_many_peak_megabytes": peak, "tag_many_per_second": arguments.files / seconds}
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:<26} {figure:8.3f}")


if __name__ == "__main__":
    main()
