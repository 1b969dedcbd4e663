"""Demonstration 2: kill -9 at random moments while tracks keep arriving.

    python -m benchmarks.daemon.kill --kills 200

Afterwards every track that arrived holds the sound it arrived with and a genre, was written once, and
nothing else lies beside them.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from benchmarks.daemon.harness import Daemon, fresh, genre_of, seeds, show, sound, strays

MOST_WAITING = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--longest", type=float, default=5.0, help="seconds a daemon may live after its start"
    )
    parser.add_argument("--every", type=float, default=0.5, help="seconds between arrivals")
    parser.add_argument("--settle", type=float, default=0.5)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "genretagd-kill")
    options = parser.parse_args()

    folder = fresh(options.folder)
    tracks = seeds(folder / "seeds", options.clips)
    daemon = Daemon(folder, settle=options.settle)
    chance = random.Random(options.seed)
    paths: list[str] = []
    ending = threading.Event()
    arrivals = threading.Thread(target=arrive, args=(daemon, tracks, paths, ending, options.every))
    arrivals.start()
    in_hand = ready = 0
    for _ in range(options.kills):
        before = len(daemon.changes()) if daemon.ledger.exists() else 0
        if chance.random() < 0.25:  # while it starts
            daemon.launch()
            time.sleep(chance.uniform(0.0, 2.0))
        else:
            daemon.start()
            time.sleep(chance.uniform(0.0, options.longest))
        daemon.kill()
        after = daemon.changes()
        ready += len(after) > before
        in_hand += any(state == "intended" for _, state, _ in after)
    ending.set()
    arrivals.join()
    daemon.start()
    daemon.wait_idle(len(paths), limit=600)
    exit_status, _ = daemon.stop()

    changes = daemon.changes()
    done = Counter(path for path, state, _ in changes if state == "done")
    sounds = [sound(track) for track in tracks]
    damaged = [path for number, path in enumerate(paths) if sound(Path(path)) != sounds[number % len(sounds)]]
    untagged = [path for path in paths if not genre_of(Path(path))]
    stray = strays(daemon.music, paths)
    twice = [path for path, count in done.items() if count > 1]
    show(
        "kill",
        {
            "kills": options.kills,
            "kills_after_some_work": ready,
            "kills_with_a_write_in_hand": in_hand,
            "files": len(paths),
            "tagged_paths": len(done),
            "damaged": len(damaged),
            "untagged": len(untagged),
            "tagged_more_than_once": len(twice),
            "stray_files": len(stray),
            "entries_left_open": sum(state == "intended" for _, state, _ in changes),
            "exit_status": exit_status,
        },
    )
    if damaged or untagged or twice or stray or exit_status:
        raise SystemExit(1)


def arrive(
    daemon: Daemon, tracks: list[Path], paths: list[str], ending: threading.Event, every: float
) -> None:
    """Copy a track every so often, unless too many wait already for this machine."""
    while not ending.wait(every):
        if daemon.ledger.exists() and len(paths) - len(daemon.versions()) > MOST_WAITING:
            continue
        number = len(paths)
        source = tracks[number % len(tracks)]
        directory = daemon.music / f"album {number % 10}"
        directory.mkdir(exist_ok=True)
        target = directory / f"track {number:05}{source.suffix}"
        shutil.copyfile(source, target)
        paths.append(str(target))


if __name__ == "__main__":
    main()
