"""The daemon: start, scan, loop, stop in reverse order."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import genretagd
from genretagd import logs
from genretagd.config import Config
from genretagd.daemon.crew import Crew
from genretagd.daemon.desk import Desk
from genretagd.daemon.engine import Engine
from genretagd.daemon.judging import Judging
from genretagd.daemon.lock import InstanceLock
from genretagd.daemon.metrics import MetricsServer
from genretagd.daemon.notify import Supervisor
from genretagd.daemon.priority import use_idle_disk
from genretagd.daemon.queue import WorkQueue
from genretagd.daemon.roots import Roots, root_settings
from genretagd.daemon.signals import hearing_signals
from genretagd.daemon.stats import Stats
from genretagd.daemon.status import root_object, status_object, write_status
from genretagd.daemon.telling import Actions, Telling, end_actions
from genretagd.errors import EXIT_OK, GenretagdError
from genretagd.ledger.database import Database
from genretagd.ledger.versions import Versions
from genretagd.watcher.scanning import look_at

STATUS_SECONDS: Final = 1.0
"""The status file is written at most so often."""

TICK_SECONDS: Final = 30.0
"""Roots are looked after for the status at least so often."""

BUSY_SECONDS: Final = 2.0
"""And so often while there is something to do, since its end tells nobody."""

FINISH_SECONDS: Final = 2.0
"""Files in hand may take so long to finish when the daemon is to stop; then they are dropped."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a daemon is made of and does not choose itself.

    Attributes
    ----------
    read_config : callable
        Returns the configuration in force; called at the start and for each reload.
    ledger : Path
        The ledger's file; instances are listed beside it.
    make_engine : callable
        Returns what processes files, from the configuration and the open ledger.
    make_actions : callable
        Returns the action plugins, or None where there are none.
    recover : callable
        Settles what a crash left open, before anything else touches files.
    """

    read_config: Callable[[], Config]
    ledger: Path
    make_engine: Callable[[Config, Database], Engine]
    make_actions: Callable[[Config, Database], Actions | None]
    recover: Callable[[Engine, Actions | None], None]


class Service:
    """One daemon.

    Parameters
    ----------
    parts : Parts
        What it is made of.
    supervisor : Supervisor
        Whoever wants to know how we are.
    """

    def __init__(self, parts: Parts, *, supervisor: Supervisor | None = None) -> None:
        self._parts = parts
        self._supervisor = supervisor or Supervisor(os.environ)
        self._words: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._news = False
        self._state = "starting"
        self._started_at = time.time()
        self._status_at = 0.0
        self._last_status: dict[str, Any] = {}
        self._stats = Stats()
        self._queue = WorkQueue()
        self._metrics: MetricsServer | None = None

    def ask(self, word: str) -> None:
        """Ask for ``"stop"``, ``"reload"`` or ``"report"``; from any thread."""
        self._words.put(word)

    def run(self) -> int:
        """Work until asked to stop, and return the exit status.

        Raises
        ------
        GenretagdError
            It cannot be started: the configuration, the model, the ledger, another daemon.
        """
        with ExitStack() as stack:
            try:
                self._start(stack)
                self._loop()
            finally:
                self._state = "stopping"
                self._supervisor.stopping()
        return EXIT_OK

    def _start(self, stack: ExitStack) -> None:
        """Start everything; the stack stops what was started, in reverse order."""
        config = self._parts.read_config()
        settings = root_settings(config)
        self._follow = config.library.symlinks
        stack.enter_context(hearing_signals(self.ask))
        self._lock = InstanceLock(self._parts.ledger.parent / "instances", [s.path for s in settings])
        stack.callback(self._let_go)
        if config.watch.idle_disk and not use_idle_disk():
            logs.say("warning", "idle_disk: this system has no such priority, going on without")
        self._database = Database(self._parts.ledger)
        stack.callback(self._database.close)

        engine = self._parts.make_engine(config, self._database)
        stack.callback(engine.kill)
        engine.warm()  # no model, no daemon
        actions = self._parts.make_actions(config, self._database)
        self._parts.recover(engine, actions)
        self._telling = Telling(self._stats, actions=actions, news=self._hear_news)
        stack.callback(self._telling.close)
        self._telling.start()

        versions = Versions(self._database)
        self._judging = Judging(engine)
        desk = Desk(
            queue=self._queue,
            versions=versions,
            judgement_for=self._judging,
            look=lambda path: look_at(path, follow=self._follow),
            told=self._telling,
            unsettle=self._unsettle,
            wanted=self._wants,
        )
        self._crew = Crew(engine, self._queue, desk)
        self._roots = Roots(desk, versions=versions, expect=self._crew.expect, news=self._hear_news)
        stack.callback(self._write_status)
        self._serve(self._metrics_at(config.metrics.metrics_port))
        stack.callback(self._serve, None)
        self._crew.start()
        stack.callback(self._crew.stop, seconds=FINISH_SECONDS)
        self._roots.set(settings)
        stack.callback(self._roots.stop)

        self._state = "running"
        self._write_status()
        self._supervisor.ready(f"watching {len(settings)} directories")
        logs.say("info", f"watching {', '.join(s.path for s in settings)}", event="started")

    def _loop(self) -> None:
        while True:
            word = self._next_word()
            if word == "stop":
                logs.say("info", "stopping", event="stopping")
                return
            if word == "reload":
                self._reload()
            elif word == "report":
                logs.say("info", self._line(), event="status")
            self._look_after()

    def _next_word(self) -> str:
        pause = min(TICK_SECONDS, self._supervisor.ping_seconds or TICK_SECONDS)
        if not self._queue.idle or self._roots.waiting or self._telling.restless:
            pause = min(pause, BUSY_SECONDS)
        if self._news:
            pause = min(pause, max(0.0, self._status_at + STATUS_SECONDS - time.monotonic()))
        try:
            return self._words.get(timeout=pause)
        except queue.Empty:
            return "tick"

    def _look_after(self) -> None:
        self._crew.start()  # in the place of a thread that hangs another begins
        if self._crew.alive():  # if not, systemd ends us and starts us again
            self._supervisor.ping()
        if self._queue.relieved():
            self._roots.rescan()
        if self._queue.idle and not self._roots.waiting:
            self._telling.idle()
            if not self._queue.later:  # nothing waits any more for what was wrong
                self._telling.trouble(None)
        if time.monotonic() >= self._status_at + STATUS_SECONDS:
            self._news = False
            self._write_status()

    def _reload(self) -> None:
        self._supervisor.reloading(time.monotonic())
        try:
            with ExitStack() as made:
                config = self._parts.read_config()
                settings = root_settings(config)
                engine = self._parts.make_engine(config, self._database)
                made.callback(engine.kill)
                engine.warm()
                actions = self._parts.make_actions(config, self._database)
                if actions is not None:
                    made.callback(end_actions, actions, drain_seconds=0)
                metrics = self._metrics_at(config.metrics.metrics_port)
                if metrics is not None and metrics is not self._metrics:
                    made.callback(metrics.close)
                lock = self._lock.for_roots([s.path for s in settings])
                made.pop_all()  # everything is there: from here on it is in force
        except GenretagdError as exc:
            for problem in str(exc).splitlines():
                logs.say("error", f"not reloaded: {problem}")
        except Exception as exc:  # noqa: BLE001 - whatever the new configuration is, the old one goes on
            logs.say("error", f"not reloaded: unexpected {type(exc).__name__}: {exc}")
        else:
            self._hold(lock)
            self._roots.keep(settings)
            self._queue.clear()  # of what is not wanted any more; the rest is found again
            self._telling.use(actions)
            self._serve(metrics)
            logs.start_logging(level=config.log.log_level, log_format=config.log.log_format)
            self._follow = config.library.symlinks
            self._crew.renew(engine)
            self._judging.use(engine)  # last: what was judged by the old counts as that, and is judged again
            self._roots.set(settings)
            self._roots.rescan()
            logs.say("info", "configuration and model were read again", event="reloaded")
        self._supervisor.ready(self._line())

    def _hold(self, lock: InstanceLock) -> None:
        before, self._lock = self._lock, lock
        if before is not lock:
            before.discard()

    def _let_go(self) -> None:
        self._lock.release()

    def _metrics_at(self, port: int) -> MetricsServer | None:
        if self._metrics is not None and self._metrics.port == port:
            return self._metrics
        return MetricsServer(port, self._status) if port else None

    def _serve(self, metrics: MetricsServer | None) -> None:
        before, self._metrics = self._metrics, metrics
        if before is not None and before is not metrics:
            before.close()

    def _wants(self, path: str) -> bool:
        return self._roots.wants(path)

    def _unsettle(self, path: str) -> None:
        self._roots.unsettle(path)

    def _hear_news(self) -> None:
        if not self._news:
            self._news = True
            self._words.put("news")

    def _write_status(self) -> None:
        status = self._status()
        timeless = status | {"updated_at": 0}
        if timeless != self._last_status:
            self._last_status = timeless
            self._status_at = time.monotonic()
            write_status(self._lock.status_file, status)
            self._supervisor.status(self._line())

    def _status(self) -> dict[str, Any]:
        now = time.monotonic()
        return status_object(
            state=self._state,
            pid=os.getpid(),
            version=genretagd.__version__,
            started_at=self._started_at,
            updated_at=time.time(),
            roots=[root_object(report, now=now) for report in self._roots.reports()],
            queue={
                "settling": self._roots.waiting,
                "waiting": len(self._queue),
                "in_hand": len(self._queue.in_hand),
                "later": self._queue.later,
            },
            plugins=self._telling.plugins(),
            summary=self._stats.summary(),
            bundle=self._crew.engine.bundle,
            ledger=os.path.realpath(self._parts.ledger),
        )

    def _line(self) -> str:
        status = self._status()
        waiting, files = status["queue"], status["files"]
        done = ", ".join(f"{count} {name}" for name, count in sorted(files.items())) or "nothing done yet"
        ill = [root["path"] for root in status["roots"] if not root["healthy"]]
        return (
            f"{waiting['settling']} settling, {waiting['waiting']} waiting, {waiting['in_hand']} in hand, "
            f"{waiting['later']} later; {done}" + (f"; not well: {', '.join(ill)}" if ill else "")
        )
