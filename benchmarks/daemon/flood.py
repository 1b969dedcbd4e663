"""Demonstration 1: many tracks at once, by copy, by rename, slowly, replaced while in work, with lost events.

    python -m benchmarks.daemon.flood --files 10000

Every track must be tagged exactly once per content that settled, memory must stay flat, and the daemon
must be idle afterwards. Needs permission to lower fs.inotify.max_queued_events, which is done for as long as
there is work, to make every queue overflow that the daemon opens.
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

from benchmarks.daemon.harness import Daemon, fresh, genre_of, queue_limit, seeds, show, sound, strays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--directories", type=int, default=40)
    parser.add_argument("--queued-events", type=int, default=64)
    parser.add_argument("--settle", type=float, default=2.0)
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds to wait at most")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds over which idle CPU is measured")
    parser.add_argument("--clips", type=Path, help="recordings to cut 6 s clips from, beside the samples")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "genretagd-flood")
    options = parser.parse_args()

    folder = fresh(options.folder)
    tracks = seeds(folder / "seeds", options.clips)
    daemon = Daemon(folder, settle=options.settle)
    with queue_limit(options.queued_events) as lowered:
        daemon.start()
        while not any(root["scans"] for root in daemon.quick_status().get("roots", ())):
            time.sleep(0.05)
        started, before = time.monotonic(), daemon.usage()
        placed, replaced = flood(daemon, tracks, options.files, options.directories)
        copied = time.monotonic() - started
        highest = daemon.wait_idle(len(placed), limit=options.limit)
        seconds = time.monotonic() - started
    time.sleep(65)  # the workers are let go after a minute
    resting = daemon.usage()
    time.sleep(options.idle)
    idle = (daemon.usage()["cpu_seconds"] - resting["cpu_seconds"]) / options.idle
    status = daemon.status()["daemons"][0]
    exit_status, stopped = daemon.stop()

    done = Counter(path for path, state, _ in daemon.changes() if state == "done")
    versions = Counter((path, version) for path, state, version in daemon.changes() if state == "done")
    untagged = [path for path in placed if not genre_of(Path(path))]
    sounds = {track: sound(track) for track in tracks}
    damaged = [path for path, source in placed.items() if sound(Path(path)) != sounds[source]]
    stray = strays(daemon.music, placed)
    more = [path for path, count in done.items() if count > 1 and path not in replaced]
    show(
        "flood",
        {
            "files": len(placed), "queue_limit": options.queued_events if lowered else None,
            "overflows": status["roots"][0]["overflows"],
            "copied_in_seconds": round(copied, 1), "seconds": round(seconds, 1),
            "tagged_paths": len(done), "untagged": len(untagged), "damaged": len(damaged),
            "tagged_more_than_once": len(more),
            "same_content_twice": sum(count > 1 for count in versions.values()),
            "replaced_while_in_work": len(replaced), "stray_files": len(stray),
            "memory_mb_before": before["memory_mb"], "memory_mb_highest": highest,
            "memory_mb_after": resting["memory_mb"], "own_mb_before": before["own_mb"],
            "own_mb_after": resting["own_mb"], "idle_cpu_percent": round(100 * idle, 3),
            "exit_status": exit_status, "stopped_in_seconds": round(stopped, 2),
        },
    )  # fmt: skip
    repeated = any(count > 1 for count in versions.values())
    if untagged or damaged or more or repeated or stray or len(done) < len(placed) or exit_status:
        raise SystemExit(1)


def flood(
    daemon: Daemon, tracks: list[Path], files: int, directories: int
) -> tuple[dict[str, Path], set[str]]:
    """Put files there in five ways; return what lies where in the end, and what was replaced."""
    chance = random.Random(1)
    placed: dict[str, Path] = {}
    replaced: set[str] = set()
    slow: list[threading.Thread] = []
    outside = fresh(daemon.state / "outside")
    for number in range(files):
        source = tracks[number % len(tracks)]
        directory = daemon.music / f"album {number % directories:02}"
        directory.mkdir(exist_ok=True)
        target = directory / f"track {number:05}{source.suffix}"
        placed[str(target)] = source
        way = chance.random()
        if way < 0.70:
            shutil.copyfile(source, target)
        elif way < 0.85:  # moved in from elsewhere
            shutil.copyfile(source, outside / target.name)
            (outside / target.name).rename(target)
        elif way < 0.95:  # rsync: a hidden temporary name, then the real one
            temporary = directory / f".{target.name}.Xy12Zw"
            shutil.copyfile(source, temporary)
            temporary.rename(target)
        elif way < 0.98 or len(slow) > 40:
            shutil.copyfile(source, target)
            replaced.add(str(target))
        else:
            thread = threading.Thread(target=copy_slowly, args=(source, target, daemon.settle))
            thread.start()
            slow.append(thread)
    replacer = threading.Thread(target=replace, args=(sorted(replaced), placed, tracks, daemon))
    replacer.start()
    for thread in (*slow, replacer):
        thread.join()
    return placed, replaced


def copy_slowly(source: Path, target: Path, settle: float) -> None:
    """Copy in three parts with pauses longer than it takes to settle."""
    data = source.read_bytes()
    with target.open("wb") as file:
        for part in range(3):
            file.write(data[part * len(data) // 3 : (part + 1) * len(data) // 3])
            file.flush()
            time.sleep(1.5 * settle)


def replace(paths: list[str], placed: dict[str, Path], tracks: list[Path], daemon: Daemon) -> None:
    """Replace files, some of which are being worked on, by others of the same format where there are."""
    time.sleep(daemon.settle)
    for number, path in enumerate(paths):
        alike = [track for track in tracks if Path(path).suffix == track.suffix]
        source = placed[path] = alike[number % len(alike)]
        temporary = Path(path).with_name("." + Path(path).name + ".new")
        shutil.copyfile(source, temporary)
        temporary.rename(path)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
