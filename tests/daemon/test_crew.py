"""The crew's threads, with a desk and engines that only pretend."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import until

from genretagd.daemon.crew import Crew
from genretagd.daemon.queue import Task, WorkQueue
from genretagd.domain import FileVersion, Outcome, Status
from genretagd.errors import WorkerError


class PretendEngine:
    """Has one file in hand until it is let go, or killed."""

    threads = 1
    bundle = "bundle"
    ready = True

    def __init__(self) -> None:
        self.processed: list[str] = []
        self.going_on = threading.Event()
        self.killed = False

    def process(self, path, /, *, tell):
        self.processed.append(path.name)
        assert self.going_on.wait(20)
        if self.killed:
            raise WorkerError("worker: was ended with a track in hand")
        return Outcome(path, Status.KEPT)

    def rest(self) -> None:
        self.going_on.wait(20)

    def kill(self) -> None:
        self.killed = True
        self.going_on.set()


class PretendDesk:
    """Has every file processed, but for those whose look hangs."""

    def __init__(self, queue) -> None:
        self.queue = queue
        self.hanging = SimpleNamespace(threads=0)
        self.answering = threading.Event()
        self.outcomes: list[Outcome] = []

    def work_on(self, task, process) -> None:
        if task.path.startswith("/nas"):
            self.hanging.threads = 1
            self.answering.wait(20)
            self.hanging.threads = 0
        else:
            self.outcomes.append(process(Path(task.path), tell=self.outcomes.append))
        self.queue.done(task)


@pytest.fixture
def work() -> WorkQueue:
    return WorkQueue()


@pytest.fixture
def desk(work) -> PretendDesk:
    return PretendDesk(work)


@pytest.fixture
def crew(work, desk):
    crew = Crew(PretendEngine(), work, desk)
    crew.start()
    yield crew
    desk.answering.set()
    crew.stop(seconds=0.0)
    for thread in crew._threads:
        thread.join(20)


def task(path: str) -> Task:
    return Task(path, 0.0, FileVersion(1, hash(path), 1, 1))


def test_in_the_place_of_a_thread_that_hangs_another_works(crew, work, desk):
    crew.engine.going_on.set()
    work.put(task("/nas/a.mp3"))
    until(lambda: desk.hanging.threads)
    work.put(task("/m/b.mp3"))
    for _ in range(3):
        crew.start()
        assert crew.alive()
    until(lambda: desk.outcomes)
    assert len(crew._threads) == 2


def test_a_file_that_waited_for_an_engine_that_was_replaced_is_worked_on_by_the_new_one(crew, work, desk):
    old, new = crew.engine, PretendEngine()
    new.going_on.set()
    work.put(task("/m/a.mp3"))
    until(lambda: old.processed)
    crew.renew(new)
    old.kill()
    until(lambda: desk.outcomes)
    assert new.processed == ["a.mp3"]
    until(lambda: not crew._retiring)


def test_a_worker_that_cannot_be_let_go_ends_no_thread(crew, work, desk, monkeypatch):
    rested = threading.Event()

    def rest() -> None:
        rested.set()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("genretagd.daemon.crew.REST_SECONDS", 0.01)
    monkeypatch.setattr(crew.engine, "rest", rest)
    crew.engine.going_on.set()
    work.put(task("/m/a.mp3"))
    assert rested.wait(20)
    work.put(task("/m/b.mp3"))
    until(lambda: len(desk.outcomes) == 2)
    assert crew.alive()


def test_a_stop_drops_the_files_in_hand_of_engines_that_were_replaced_too(crew, work):
    old = crew.engine
    work.put(task("/m/a.mp3"))
    until(lambda: old.processed)
    crew.renew(PretendEngine())
    crew.stop(seconds=0.0)
    assert old.killed
