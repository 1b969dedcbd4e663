"""A daemon over real files and a real ledger, with a pipeline that only pretends."""

from __future__ import annotations

import threading
from pathlib import Path

from genretagd.config import Config
from genretagd.config.schema import WatchConfig
from genretagd.daemon.lock import instances
from genretagd.daemon.service import Parts, Service
from genretagd.daemon.status import read_status
from genretagd.domain import Outcome, Status


class PretendEngine:
    """Finds every track kept, at once."""

    threads = 2
    ready = True

    def __init__(self, bundle="bundle 1") -> None:
        self.bundle = bundle
        self.processed: list[str] = []
        self.hold: threading.Event | None = None
        self.warm_error: Exception | None = None
        self.error: Exception | None = None
        self.killed = False

    def process(self, path: Path, /, *, tell) -> Outcome:
        self.processed.append(path.name)
        if self.hold:
            self.hold.wait(60)
        if self.error:
            raise self.error
        return Outcome(path, Status.KEPT, reason="has a genre", code="has genre")

    def policy_of(self, _path) -> str:
        return "policy"

    def warm(self) -> None:
        if self.warm_error:
            raise self.warm_error

    def rest(self) -> None:
        pass

    def kill(self) -> None:
        self.killed = True
        if self.hold:
            self.hold.set()


class PretendActions:
    """Tells nobody."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self) -> None:
        self.said.append("start")

    def tell(self, _event) -> None:
        pass

    def records(self) -> tuple[()]:
        return ()

    def close(self, *, drain_seconds) -> None:
        self.said.append("close")


class Household:
    """A daemon and what it works with."""

    def __init__(self, folder: Path) -> None:
        self.music = folder / "music"
        self.music.mkdir()
        self.ledger = folder / "state" / "ledger.sqlite3"
        self.config = Config(watch=WatchConfig(roots=(self.music,), settle_seconds=0.05))
        self.engines: list[PretendEngine] = [PretendEngine()]
        self.made = 0
        self.error: Exception | None = None
        self.actions: list[PretendActions] = []

    def service(self, **options) -> Service:
        return Service(
            Parts(
                read_config=self.read,
                ledger=self.ledger,
                make_engine=self.make,
                make_actions=lambda _config, _database: self.actions.pop(0) if self.actions else None,
                recover=lambda _engine, _actions: None,
            ),
            **options,
        )

    def read(self) -> Config:
        if self.error:
            raise self.error
        return self.config

    def make(self, _config, _database) -> PretendEngine:
        self.made += 1
        return self.engines[min(self.made, len(self.engines)) - 1]

    def run(self, *steps, service=None) -> int:
        """Run the daemon here, while the steps, in a thread, wait for what they wait for and then stop it."""
        service = service or self.service()
        failures: list[BaseException] = []

        def follow() -> None:
            try:
                for step in steps:
                    step(service)
            except BaseException as exc:  # noqa: BLE001 - it is raised again in the test's own thread
                failures.append(exc)
            finally:
                service.ask("stop")

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            status = service.run()
        finally:
            thread.join()
        if failures:
            raise failures[0]
        return status

    def status(self) -> dict:
        for instance in instances(self.ledger.parent / "instances"):
            return read_status(instance.status_file) or {}
        return {}
