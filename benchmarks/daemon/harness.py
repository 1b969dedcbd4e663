"""Shared by the daemon's demonstrations: a daemon of its own, small tracks, and what a process tree uses."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import mutagen

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = REPOSITORY / "tests" / "data" / "formats"
BUNDLE = REPOSITORY / "tests" / "data" / "tiny-bundle"
SUFFIXES = (".mp3", ".flac", ".opus", ".ogg", ".m4a", ".wav")
QUEUED_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def seeds(folder: Path, clips: Path | None = None, *, count: int = 12, seconds: float = 6.0) -> list[Path]:
    """Return small tracks: the samples, and clips cut from recordings (MP3, FLAC) without decoding them."""
    samples = (path for path in SAMPLES.iterdir() if path.suffix in SUFFIXES)
    cut = sorted(path for path in samples if path.stem != "mp3-no-header")
    if clips is None:
        return cut
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(path for path in clips.rglob("*") if path.suffix in {".mp3", ".flac"})[:count]:
        target = folder / f"clip{len(cut):02}{source.suffix}"
        with av.open(str(source)) as given, av.open(str(target), "w") as made:
            stream = given.streams.audio[0]
            copy = made.add_stream_from_template(stream)
            for packet in given.demux(stream):
                if packet.pts is None or packet.pts * stream.time_base > seconds:
                    break
                packet.stream = copy
                made.mux(packet)
        if target.suffix == ".flac":
            _forget_length(target)
        cut.append(target)
    return cut


def _forget_length(flac: Path) -> None:
    """Make the number of samples and their MD5 unknown, which are those of the whole recording."""
    data = bytearray(flac.read_bytes())
    streaminfo = 8  # after "fLaC" and the header of the first block
    data[streaminfo + 13] &= 0xF0
    data[streaminfo + 14 : streaminfo + 34] = bytes(20)
    flac.write_bytes(data)


class Daemon:
    """`genretagd watch` in a folder of its own: ``music`` is watched, ``state`` holds ledger and log."""

    def __init__(
        self, folder: Path, *options: str, settle: float = 2.0, roots: tuple[Path, ...] = ()
    ) -> None:
        self.music = folder / "music"
        self.state = folder / "state"
        self.ledger = self.state / "ledger.sqlite3"
        self.log = self.state / "log.jsonl"
        self.settle = settle
        self._roots = roots or (self.music,)
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None
        for directory in (self.music, self.state):
            directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> float:
        """Start it, wait until it says that it is ready, and return how many seconds that took."""
        started = time.monotonic()
        at = self.log.stat().st_size if self.log.exists() else 0
        self.launch()
        assert self.process is not None
        while True:
            with self.log.open("rb") as log:
                log.seek(at)
                if b'"event": "started"' in log.read():
                    return time.monotonic() - started
            if self.process.poll() is not None:
                raise SystemExit(f"the daemon ended: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def launch(self) -> None:
        """Start it and do not wait."""
        command = [
            sys.executable, "-m", "genretagd", "watch", *map(str, self._roots),
            "--ledger", str(self.ledger), "--bundle", str(BUNDLE), "--min-confidence", "0",
            "--settle-seconds", str(self.settle), "--log-format", "json", *self._options,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stderr=log, stdout=log)

    def stop(self) -> tuple[int, float]:
        """End it with SIGTERM and return its exit status and how many seconds that took."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        return status, time.monotonic() - started

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def status(self) -> dict:
        """Return what `genretagd status --json` says."""
        command = [sys.executable, "-m", "genretagd", "status", "--json", "--ledger", str(self.ledger)]
        return json.loads(subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout)

    def quick_status(self) -> dict:
        """Return the status file as it is, without starting a process."""
        for path in (self.state / "instances").glob("*.json"):
            with contextlib.suppress(ValueError):
                return json.loads(path.read_text())
        return {}

    def changes(self) -> list[tuple[str, str, str]]:
        """Return (path, state, version before) of every journal entry."""
        if not self.ledger.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT path, state, version_before FROM changes").fetchall()
        return [(os.fsdecode(path), state, version) for path, state, version in rows]

    def versions(self) -> dict[str, str]:
        """Return the status of every path the ledger knows."""
        with contextlib.closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as database:
            try:
                return {os.fsdecode(p): s for p, s in database.execute("SELECT path, status FROM versions")}
            except sqlite3.OperationalError:  # killed before its tables were made
                return {}

    def track_lines(self) -> list[dict]:
        """Return the log's lines about tracks."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == "track"]

    def usage(self) -> dict[str, float]:
        """See `usage`, of this daemon."""
        assert self.process is not None
        return usage(self.process.pid)

    def wait_idle(self, expected: int, *, limit: float, every: float = 2.0) -> float:
        """Wait until so many paths are known and nothing is queued; return the highest memory seen, in MB."""
        highest = 0.0
        deadline = time.monotonic() + limit
        calm = 0
        while time.monotonic() < deadline and calm < 3:
            time.sleep(every)
            highest = max(highest, self.usage()["memory_mb"])
            queue = self.quick_status().get("queue", {"waiting": 1})
            known = len(self.versions())
            calm = calm + 1 if known >= expected and not any(queue.values()) else 0
        return highest


def usage(pid: int) -> dict[str, float]:
    """Return what a process and its children use.

    ``memory_mb`` is the proportional set size of all of them: it contains the code of libraries, which
    counts for less while other programs have it mapped too, and so moves with what else the machine does.
    ``own_mb`` is what they have written to (anonymous pages), and ``main_own_mb`` that of the first alone:
    what a leak would make grow.
    """
    pids = [pid, *_children(pid)]
    memory = own = main_own = cpu = 0.0
    for one in pids:
        with contextlib.suppress(OSError, IndexError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()[1:]
            megabytes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
            memory += megabytes["Pss"]
            own += megabytes["Pss_Anon"]
            main_own = main_own or own
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12])) / TICKS
    return {
        "memory_mb": round(memory, 1),
        "own_mb": round(own, 1),
        "main_own_mb": round(main_own, 1),
        "cpu_seconds": cpu,
        "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "processes": len(pids),
    }


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                found += [int(child), *_children(int(child))]
    return found


@contextlib.contextmanager
def queue_limit(events: int | None) -> Iterator[bool]:
    """Lower the length of inotify's queues for daemons started within, where we may."""
    if events is None or not os.access(QUEUED_EVENTS, os.W_OK):
        yield False
        return
    before = QUEUED_EVENTS.read_text()
    QUEUED_EVENTS.write_text(str(events))
    try:
        yield True
    finally:
        QUEUED_EVENTS.write_text(before)


def genre_of(path: Path) -> list[str]:
    """Return the genres of a file as mutagen's easy interface, which we do not use, sees them."""
    file = mutagen.File(path, easy=True)
    if file is None:
        raise ValueError(f"{path}: cannot be opened")
    if path.suffix == ".wav":
        return list(file.tags["TCON"].genres) if file.tags and "TCON" in file.tags else []
    return list((file.tags or {}).get("genre", []))


def sound(path: Path) -> str:
    """Return a hash of the coded audio, packet by packet, and of how much of it decodes.

    No tag changes it, and a file that is damaged or cut short has another.
    """
    digest = hashlib.sha256()
    samples = 0
    try:
        with av.open(str(path)) as container:
            for packet in container.demux(audio=0):
                digest.update(bytes(packet))
                samples += sum(frame.samples for frame in packet.decode())
    except (av.FFmpegError, OSError) as exc:
        return f"broken: {exc}"
    return f"{samples} {digest.hexdigest()}"


def strays(folder: Path, expected: Iterable[str]) -> list[str]:
    """Return the files that nobody put there."""
    return sorted({str(path) for path in folder.rglob("*") if path.is_file()} - set(expected))


def show(title: str, figures: dict) -> None:
    """Print figures as one JSON object."""
    print(json.dumps({"demonstration": title} | figures, indent=1))


def fresh(folder: Path) -> Path:
    """Return an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
