"""Tell action plugins what happens, without ever making the teller wait for them."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Collection, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from genretagd.actions.backoff import BREAKER_BACKOFF, Backoff
from genretagd.actions.hosted import Host, HostedPlugin
from genretagd.actions.plan import ActionSpec, PluginRecord, PluginStatus
from genretagd.actions.process import HostProcess, Output
from genretagd.actions.redaction import Redactor
from genretagd.actions.worker import ActionWorker, Surroundings
from genretagd.delivery import Outbox
from genretagd.errors import ConfigError, LedgerError
from genretagd.events import Event, Idle, TrackMoved
from genretagd.lease import Lease
from genretagd.plugin_tools import safe_file_name

LOG: Final = "genretagd.actions"

POLL_SECONDS: Final = 2.0
"""How soon events are noticed that another process, or a transaction still open, has added."""

GATHER_SECONDS: Final = 0.2
"""A worker that is woken waits so long for company: events in a row cost less than one by one."""

LOAD_SECONDS: Final = 5.0
"""A run waits so long for plugins to be loaded before it begins; one that hangs is loaded meanwhile."""

TROUBLE_SECONDS: Final = 10.0
"""A worker rests so long after an error that is not the plugin's."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How patient a runner is; tests and benchmarks are not."""

    event: Backoff = Backoff()
    breaker: Backoff = BREAKER_BACKOFF
    poll_seconds: float = POLL_SECONDS
    gather_seconds: float = GATHER_SECONDS
    load_seconds: float = LOAD_SECONDS
    trouble_seconds: float = TROUBLE_SECONDS


class Runner:
    """Keeps events in the outbox, and delivers them with one thread and one process per action.

    Parameters
    ----------
    specs : sequence of ActionSpec
        The actions, from `genretagd.actions.plan.plan_actions`.
    keep : Outbox
        Where events are added; durable.
    deliver : Outbox
        Where events are delivered from: the same ledger by another connection, which need not be
        durable and does not hold up the first. Closed with the runner.
    state : Path
        Directory for the lease, and for what plugins remember.
    delays : Delays, optional
        How patient to be.
    """

    def __init__(
        self,
        specs: Sequence[ActionSpec],
        *,
        keep: Outbox,
        deliver: Outbox,
        state: Path,
        delays: Delays | None = None,
    ) -> None:
        delays = delays or Delays()
        self._keep = keep
        self._deliver = deliver
        self._state = state
        self._delays = delays
        self._lease = Lease(state / "delivery.lock")
        self._closing = threading.Event()
        self._log = logging.getLogger(LOG)
        around = Surroundings(
            outbox=deliver,
            moved=self._wake_all,
            listeners=self._listeners,
            backoff=delays.event,
            breaker=delays.breaker,
        )
        self._workers = [ActionWorker(hosted_plugin(spec, state=state), around) for spec in specs]
        self._wakes = {worker.name: threading.Event() for worker in self._workers}
        self._loading: dict[str, Future[bool]] = {}
        self._ended: dict[str, threading.Event] = {}  # a thread whose join was interrupted says it ended
        self._keeper: threading.Thread | None = None

    @property
    def delivers(self) -> bool:
        """Whether this process delivers; else another one does, or there is nothing to."""
        return bool(self._ended)

    def load(self) -> None:
        """Load every plugin and make it with its options, before there is anything to tell.

        A plugin that cannot be loaded is a status and a line in the log; it stops nobody. One that takes
        long is loaded meanwhile: what is wrong with its options becomes a status and a line, too.

        Raises
        ------
        ConfigError
            With every problem of the options of all plugins; no process is left.
        """
        enabled = [worker.plugin for worker in self._workers if worker.plugin.spec.common.enabled]
        if not enabled:
            return
        threads = ThreadPoolExecutor(len(enabled), "action")
        self._loading = {plugin.spec.name: threads.submit(plugin.load) for plugin in enabled}
        threads.shutdown(wait=False)
        loaded = wait(self._loading.values(), timeout=self._delays.load_seconds)
        for loading in loaded.done:
            loading.result()
        for name, loading in self._loading.items():
            if loading in loaded.not_done:
                self._log.warning("%s: takes long to load, nobody waits for it", name)
        invalid = [p.record() for p in enabled if p.status is PluginStatus.CONFIG_INVALID]
        if invalid:
            self._drop_loaded()
            raise ConfigError([problem for record in invalid for problem in record.problems])

    def start(self) -> None:
        """Begin to deliver: at once, or as soon as the process that does so now has ended.

        Plugins check whether they can work meanwhile, by threads of their own.
        """
        if not any(worker.plugin.spec.common.enabled for worker in self._workers):
            return
        try:
            if self._begin():
                return
            self._log.info("another genretagd delivers to action plugins, until it ends")
        except OSError as exc:
            problem = f"cannot be used ({exc.strerror}), action plugins are told of nothing until it can be"
            self._log.warning("%s: %s", self._state, problem)
        self._keeper = threading.Thread(target=self._wait_for_lease, name="actions", daemon=True)
        self._keeper.start()

    def tell(self, event: Event) -> None:
        """Keep an event for every action that wants it. Quick, and never raises: tagging goes on.

        `Idle` says that there is nothing more to do for now.
        """
        if isinstance(event, Idle):
            for worker in self._workers:
                worker.flush()
                self._wakes[worker.name].set()
            return
        wanted = [worker.name for worker in self._workers if worker.wants(event.kind)]
        try:
            self._keep.add(event, actions=wanted, now=time.time())
        except LedgerError:
            self._log.exception("an event is lost to action plugins: %r", str(event.path))
            return
        for name in wanted:
            self._wakes[name].set()

    def records(self) -> tuple[PluginRecord, ...]:
        """Return how each action is."""
        return tuple(worker.plugin.record() for worker in self._workers)

    def close(self, *, drain_seconds: float = 10.0, patient: bool = False) -> None:
        """Deliver what is due, let plugins act on having nothing more to do, and end.

        What is not delivered within the time, or is to be tried again later, waits in the outbox.

        Parameters
        ----------
        drain_seconds : float
            So long plugins are told what is due.
        patient : bool
            Whether a plugin may then finish what it has begun, within its own time limit, and its
            on_idle for what it was told: else one that takes longer than `drain_seconds` would be
            ended, and told again by the next run, for ever.
        """
        deadline = time.monotonic() + drain_seconds
        self._closing.set()
        self._wake_all()
        try:
            if self._keeper:
                self._give_up_loading()
                self._keeper.join()
            for ended in self._ended.values():
                ended.wait(max(deadline - time.monotonic(), 0.0))
            if patient:
                self._await_what_has_begun()
        finally:  # where somebody does not want to wait any longer, too
            for worker in self._still_at_work():
                worker.plugin.abort()
            for ended in self._ended.values():
                ended.wait()
            self._ended = {}
            self._drop_loaded()
            self._lease.give_back()
            if self._deliver is not self._keep:
                self._deliver.close()

    def _await_what_has_begun(self) -> None:
        for worker in self._workers:
            worker.finish()
        self._wake_all()
        for worker in self._still_at_work():
            if not worker.plugin.starting and not self._ended[worker.name].wait(self._delays.poll_seconds):
                limit = worker.plugin.spec.common.time_limit_seconds
                self._log.warning("%s: is still at work and may take up to %g s more", worker.name, limit)
                self._ended[worker.name].wait()

    def _still_at_work(self) -> list[ActionWorker]:
        return [w for w in self._workers if w.name in self._ended and not self._ended[w.name].is_set()]

    def _give_up_loading(self) -> None:
        for worker in self._workers:
            loading = self._loading.get(worker.name)
            if loading is not None and not loading.done():
                worker.plugin.abort()
        wait(self._loading.values())

    def _drop_loaded(self) -> None:
        """End the processes that no thread of ours uses."""
        self._give_up_loading()
        for worker in self._workers:
            worker.plugin.drop()

    def _begin(self) -> bool:
        if not self._lease.take():
            return False
        self._ended = {worker.name: threading.Event() for worker in self._workers}
        for worker in self._workers:
            name = f"action {worker.name}"
            threading.Thread(target=self._run, args=(worker,), name=name, daemon=True).start()
        return True

    def _wait_for_lease(self) -> None:
        wait(self._loading.values())
        for worker in self._workers:
            worker.plugin.drop()
        while not self._closing.wait(self._delays.poll_seconds):
            with contextlib.suppress(OSError):  # a full disk: it is tried again
                if self._begin():
                    return

    def _run(self, worker: ActionWorker) -> None:
        try:
            self._serve(worker)
            worker.close()
        except Exception:  # noqa: BLE001 - the others are to be closed, too
            self._log.exception("%s: closing has a problem", worker.name)
        finally:
            self._ended[worker.name].set()
            self._wake_all()

    def _serve(self, worker: ActionWorker) -> None:
        wake = self._wakes[worker.name]
        prepared = False
        while True:
            wake.clear()
            closing = self._closing.is_set()  # so that the last step sees all that was told before
            ending = closing and self._no_move_is_to_come(worker)
            if closing:
                worker.flush()
            try:
                if not prepared:
                    if worker.name in self._loading:
                        wait([self._loading[worker.name]])
                    worker.recover()
                    worker.prepare()
                    prepared = True
                delay = worker.step()
                if delay > 0 and (ending or worker.plugin.aborted):
                    break
                if delay > 0:
                    self._wait(wake, delay)
            except Exception:  # noqa: BLE001 - the thread must outlive a full disk, and a mistake of ours
                self._log.exception("%s: delivery has a problem", worker.name)
                if closing or worker.plugin.aborted:
                    break
                self._closing.wait(self._delays.trouble_seconds)

    def _wait(self, wake: threading.Event, delay: float) -> None:
        """Wait for a wake-up or for somebody else's events, at most so long."""
        seen = self._deliver.changes()
        deadline = time.monotonic() + delay
        while (left := deadline - time.monotonic()) > 0:
            if wake.wait(min(left, self._delays.poll_seconds)) or self._deliver.changes() != seen:
                self._closing.wait(self._delays.gather_seconds)
                return

    def _no_move_is_to_come(self, worker: ActionWorker) -> bool:
        """Return whether a worker may end: one that is told of moves does so after those that make some."""
        movers = [w.name for w in self._workers if TrackMoved.kind not in w.plugin.record().handlers]
        return worker.finishing or worker.name in movers or all(self._ended[name].is_set() for name in movers)

    def _wake_all(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def _listeners(self, mover: str) -> Collection[str]:
        return [w.name for w in self._workers if w.name != mover and w.wants(TrackMoved.kind)]


class _Named(logging.LoggerAdapter[logging.Logger]):
    """Puts the action's name before all that is logged about it."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        """See `logging.LoggerAdapter.process`."""
        name = str((self.extra or {})["action"]).replace("%", "%%")
        return f"{name}: {msg}", kwargs


def hosted_plugin(spec: ActionSpec, *, state: Path) -> HostedPlugin:
    """Return an action's plugin, not yet started."""
    redact = Redactor(spec.options, environment=os.environ)
    log = _Named(logging.getLogger(f"{LOG}.{spec.name}"), {"action": spec.name})

    def start_host(started: ActionSpec) -> Host:
        own = state / "plugins" / safe_file_name(started.name)
        return HostProcess(output=Output(log, redact=redact), state=own)

    return HostedPlugin(spec, start_host=start_host, redact=redact, log=log)
