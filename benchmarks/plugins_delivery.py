"""Is any event lost, and what does telling plugins cost?

Part one tells 10,000 events to a plugin that fails 30 % of the time and now and then kills its own
process, while the telling process itself is killed (SIGKILL) 20 times. Then it counts: every event
that was told must have been delivered at least once, and in order per track.

Part two tags the same folder with and without plugins, alternately, one of which fails, one hangs
and one is slow, and compares the times.

    python benchmarks/plugins_delivery.py                 # part one
    python benchmarks/plugins_delivery.py --music FOLDER  # both
"""

from __future__ import annotations

import argparse
import collections
import logging
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from genretagd.actions.backoff import Backoff
from genretagd.actions.catalog import Catalog
from genretagd.actions.plan import plan_actions
from genretagd.actions.runner import Delays, Runner
from genretagd.config import ActionConfig
from genretagd.events import TrackTagged, event_key, idle_event
from genretagd.ledger.database import Database
from genretagd.ledger.outbox import Outbox

PLUGIN = '''
from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

from genretagd.api import TrackTagged


@dataclass(frozen=True)
class Flaky:
    """Fails 30 % of the time: half of it before, half of it after the work; sometimes dies."""

    api_version = "1.0"

    log: Path
    failing: float = 0.3
    dying: float = 0.0005

    def on_tagged(self, event: TrackTagged) -> None:
        chance = random.random()
        if chance < self.dying:
            os.kill(os.getpid(), signal.SIGKILL)
        if chance < self.dying + self.failing / 2:
            raise RuntimeError("fails before")
        with self.log.open("a") as file:
            file.write(f"{event.path} {event.after[0]}\\n")
        if chance > 1 - self.failing / 2:
            raise RuntimeError("fails after")
'''

TRACKS = 500


def tell_events(folder: Path, count: int) -> None:
    """Go on telling events where the last, killed, telling process stopped; the whole truth is in files."""
    logging.disable(logging.CRITICAL)
    told = folder / "told"
    start = len(told.read_text().splitlines()) if told.exists() else 0
    path = folder / "ledger.sqlite3"
    database = Database(path)
    action = ActionConfig("flaky", {"log": str(folder / "delivered")}, "benchmark")
    runner = Runner(
        plan_actions([action], Catalog([folder / "plugins"])),
        keep=Outbox(database),
        deliver=Outbox(Database(path, durable=False)),
        state=folder / "state",
        delays=Delays(event=Backoff(0.05, 1.0), breaker=Backoff(0.1, 0.5)),
    )
    runner.start()
    began = datetime(2026, 1, 1, tzinfo=UTC)
    with told.open("a") as file:
        for number in range(start, count):
            track = Path(f"/music/{number % TRACKS}.mp3")
            key = event_key("benchmark", number)
            at = began + timedelta(seconds=number)
            runner.tell(TrackTagged(key, at, track, (), (str(number),), 0.9))
            file.write(f"{number}\n")
            file.flush()
            time.sleep(0.001)  # a teller has other things to do
    runner.tell(idle_event(at=began))
    outbox = Outbox(database)
    while (left := outbox.backlog()) and any(found.waiting for found in left.values()):
        time.sleep(0.1)
    runner.close()
    dead = sum(found.dead for found in outbox.backlog().values())
    (folder / "finished").write_text(str(dead))


def nothing_is_lost(count: int, kills: int) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="genretagd-delivery-"))
    plugins = folder / "plugins"
    plugins.mkdir(mode=0o700)
    (plugins / "flaky.py").write_text(PLUGIN)
    (plugins / "flaky.py").chmod(0o600)
    command = [sys.executable, __file__, "--tell", str(folder), "--events", str(count)]
    began, killed = time.monotonic(), 0
    while not (folder / "finished").exists():
        process = subprocess.Popen(command, start_new_session=True)
        if killed < kills:
            told, goal = folder / "told", (killed + 1) * count // (kills + 1) - random.randrange(count // 50)
            while process.poll() is None and (not told.exists() or told.stat().st_size < goal * 5):
                time.sleep(0.005)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
        process.wait()
    seconds = time.monotonic() - began
    told_numbers = {int(line) for line in (folder / "told").read_text().split()}
    order: dict[str, list[int]] = collections.defaultdict(list)
    times: collections.Counter[int] = collections.Counter()
    for line in (folder / "delivered").read_text().splitlines():
        track, number = line.split()
        times[int(number)] += 1
        if int(number) not in order[track]:
            order[track].append(int(number))
    lost = told_numbers - set(times)
    disordered = sum(numbers != sorted(numbers) for numbers in order.values())
    dead = int((folder / "finished").read_text())
    print(f"{len(told_numbers)} events told, {killed} kills, {seconds:.0f} s")
    print(f"lost: {len(lost)}, given up on: {dead}, tracks told out of order: {disordered}")
    print(f"told more than once: {sum(n > 1 for n in times.values())} (most often: {max(times.values())})")
    shutil.rmtree(folder)
    return not lost and not disordered and not dead and len(told_numbers) == count


CONFIG = """
[plugins]
directories = ["{folder}/plugins"]
[ledger]
ledger = "{folder}/{name}.sqlite3"
"""

ACTIONS = """
[[actions]]
use = "flaky"
log = "{folder}/log"
[[actions]]
use = "hanging"
time_limit_seconds = 2
[[actions]]
use = "jsonl_log"
path = "{folder}/log.jsonl"
"""

HANGING = PLUGIN.partition("    log: Path")[0].replace("Flaky", "Hanging") + (
    "    def on_tagged(self, event: TrackTagged) -> None:\n        import time\n        time.sleep(3600)\n"
)


def tagging_time(folder: Path, music: Path, *, with_plugins: bool) -> tuple[float, str]:
    """Return how long a run took, by its own summary: without the start, and the plugins' last moment."""
    name = "with" if with_plugins else "without"
    config = folder / f"{name}.toml"
    config.write_text((CONFIG + (ACTIONS if with_plugins else "")).format(folder=folder, name=name))
    (folder / f"{name}.sqlite3").unlink(missing_ok=True)
    copy = folder / "music"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(music, copy, copy_function=shutil.copyfile)
    flags = ["--min-confidence", "0", "--existing", "replace", "--config", str(config)]
    done = subprocess.run(
        [sys.executable, "-m", "genretagd", "tag", *flags, str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    summary = next((line for line in done.stdout.splitlines() if " per second)" in line), "")
    if not summary:
        raise SystemExit(done.stderr)
    return float(summary.split(" in ")[1].split(" s ")[0]), summary


def tagging_is_not_slowed(music: Path, rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="genretagd-delivery-"))
    plugins = folder / "plugins"
    plugins.mkdir(mode=0o700)
    for name, text in (("flaky", PLUGIN), ("hanging", HANGING)):
        (plugins / f"{name}.py").write_text(text)
        (plugins / f"{name}.py").chmod(0o600)
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds * 2):
        with_plugins = number % 2 == 1
        seconds, summary = tagging_time(folder, music, with_plugins=with_plugins)
        times[with_plugins].append(seconds)
        print(f"{'with' if with_plugins else 'without':<8} {summary}", flush=True)
    ratios = [after / before for before, after in zip(times[False], times[True], strict=True)]
    print(f"with plugins, a run takes {statistics.median(ratios):.3f} times as long (median of {rounds})")
    shutil.rmtree(folder)


def cost_of_telling(count: int = 2000) -> None:
    """Print what an event costs the process that tags, for plugins that do nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plugins").mkdir(mode=0o700)
        for actions in (1, 12):
            for number in range(actions):
                file = folder / "plugins" / f"nothing_{number}.py"
                file.write_text(HANGING.replace("time.sleep(3600)", "pass"))
                file.chmod(0o600)
            configured = [ActionConfig(f"nothing_{number}", {}, "benchmark") for number in range(actions)]
            database = Database(folder / f"ledger-{actions}.sqlite3")
            runner = Runner(
                plan_actions(configured, Catalog([folder / "plugins"])),
                keep=Outbox(database),
                deliver=Outbox(Database(database.path, durable=False)),
                state=folder / "state",
            )

            def tell(runner: Runner = runner) -> None:
                for number in range(count):
                    runner.tell(some_event(number))

            telling = spent(tell)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)

            def deliver(runner: Runner = runner) -> None:
                runner.start()
                runner.close(drain_seconds=600)

            delivering = spent(deliver)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            plugins = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"{actions:2} actions, CPU per event: telling {telling / count * 1e3:.2f} ms, "
                f"delivering {delivering / count * 1e3:.2f} ms, in the plugins' own processes "
                f"{plugins / count * 1e3:.2f} ms",
                flush=True,
            )
            database.close()


def some_event(number: int) -> TrackTagged:
    at = datetime.now(UTC)
    return TrackTagged(event_key(number, at), at, Path(f"/m/{number}"), (), ("Rock",), 0.9)


def spent(work: Callable[[], object]) -> float:
    """Return the seconds that this process, with all its threads, computes for some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only-tagging", action="store_true", help="leave part one out")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--music", type=Path, help="folder of tracks to tag copies of")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tell", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tell:
        tell_events(arguments.tell, arguments.events)
        return
    fine = True
    if not arguments.only_tagging:
        cost_of_telling()
        fine = nothing_is_lost(arguments.events, arguments.kills)
    if arguments.music:
        tagging_is_not_slowed(arguments.music, arguments.rounds)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
