"""Workers are processes: they can hang, crash and be killed, and the run goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import select
import selectors
import signal
import subprocess
import sys
import threading
from unittest.mock import Mock

import pytest

from genretagd import __version__
from genretagd.domain import WriteOptions
from genretagd.errors import DecodeError, FileChangedError, ModelError, TagError, TimeLimitError, WorkerError
from genretagd.serial import to_json
from genretagd.tagging.temps import temporary_name
from genretagd.workers.pool import Worker, WorkerPool
from genretagd.workers.process import send
from genretagd.workers.service import WorkerSettings
from genretagd.workers.wire import decode, encode


@pytest.fixture
def track(repository):
    return repository / "tests" / "data" / "formats" / "mp3.mp3"


@pytest.fixture
def worker():
    worker = Worker(WorkerSettings(), track_seconds=30.0)
    yield worker
    worker.close()


def process_id(worker: Worker) -> int:
    assert worker._process is not None
    return worker._process.pid


def test_a_worker_answers_call_after_call_in_one_process(worker, track):
    tag = worker.read_genres(track)
    first = process_id(worker)

    assert worker.read_genres(track) == tag
    assert process_id(worker) == first


def test_an_upgrade_under_a_running_program_is_said_and_touches_no_file(worker, track, monkeypatch):
    monkeypatch.setattr("genretagd.workers.process.__version__", "0.0.1")
    told = f"genretagd {__version__} was installed while 0.0.1 is running, start it again"
    for _ in range(2):
        with pytest.raises(WorkerError, match=re.escape(told)):
            worker.read_genres(track)


@pytest.mark.parametrize(
    ("reply", "error"), [(KeyboardInterrupt(), KeyboardInterrupt), ([b'{"ok": 1}\n'], WorkerError)]
)
def test_a_reply_that_was_not_waited_for_is_not_taken_for_another_track_s(
    worker, track, monkeypatch, reply, error
):
    other = track.with_name("flac.flac")
    expected = worker.read_genres(other)
    monkeypatch.setattr(worker, "_reply", Mock(side_effect=reply))
    with pytest.raises(error):
        worker.read_genres(track)
    monkeypatch.undo()

    assert worker.read_genres(other) == expected


def test_a_library_that_cannot_be_loaded_is_no_track_s_fault_and_is_looked_for_again(
    worker, track, tmp_path, repository, monkeypatch
):
    (tmp_path / "mutagen.py").write_text("raise ImportError('libbroken.so.1: not found')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{repository}")
    with pytest.raises(WorkerError, match=r"cannot be loaded \(libbroken.so.1: not found\)"):
        worker.read_genres(track)
    (tmp_path / "mutagen.py").unlink()
    assert worker.read_genres(track).format


@pytest.mark.parametrize(
    "fault",
    ["import os, signal; os.kill(os.getpid(), signal.SIGILL)", "raise RuntimeError('built for SIGILL')"],
    ids=["crash", "error"],
)
def test_a_model_that_cannot_be_loaded_is_no_track_s_fault(track, tmp_path, repository, monkeypatch, fault):
    (tmp_path / "numpy.py").write_text(fault)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{repository}")
    bundle = str(repository / "tests" / "data" / "tiny-bundle")
    with contextlib.closing(Worker(WorkerSettings(bundle=bundle), track_seconds=30.0)) as worker:
        with pytest.raises(WorkerError, match=r"the model cannot be loaded: .*SIGILL"):
            worker.predict(track)
        (tmp_path / "numpy.py").unlink()
        assert worker.predict(track).probabilities


def test_an_error_in_the_worker_is_that_error_here(worker, tmp_path):
    path = tmp_path / "text.mp3"
    path.write_text("not audio")

    with pytest.raises(TagError) as caught:
        worker.read_genres(path)
    assert caught.value.path == path
    assert caught.value.code


def test_a_missing_model_is_a_model_error_and_no_track_s_fault(track, tmp_path):
    worker = Worker(WorkerSettings(bundle=str(tmp_path / "nowhere")), track_seconds=30.0)
    try:
        with pytest.raises(ModelError, match="nowhere"):
            worker.predict(track)
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("unkillable", "code"), [(False, "time limit"), (True, "hangs")], ids=["by itself", "in the system"]
)
def test_a_worker_that_hangs_is_left_at_the_time_limit_and_the_next_call_works(
    track, monkeypatch, unkillable, code
):
    worker = Worker(WorkerSettings(), track_seconds=30.0)
    for module in ("pool", "process"):
        monkeypatch.setattr(f"genretagd.workers.{module}.PATIENCE_SECONDS", 0.1 if unkillable else 5.0)
    try:
        worker.read_genres(track)
        process = worker._process
        os.kill(process.pid, signal.SIGSTOP)
        if unkillable:  # as one that waits for a share within the kernel
            monkeypatch.setattr(process, "kill", lambda: None)
        worker._limit = 0.2
        with pytest.raises(TimeLimitError) as caught:
            worker.read_genres(track)
        assert (caught.value.code, caught.value.transient) == (code, True)
        worker._limit = 30.0
        assert worker.read_genres(track).format
        monkeypatch.undo()
        process.kill()
        assert process.wait(5) == -signal.SIGKILL
    finally:
        worker.close()


def test_a_large_file_may_take_long_to_write_to_write_back_and_to_know_again(worker, track, monkeypatch):
    """On a slow share a DJ set of some gigabytes was given up, each time, in the middle of its copy."""
    large = dataclasses.replace(worker.read_genres(track).version, size=10**10)
    real, limits = worker._exchange, []

    def exchange(process, line, *rest):
        limits.append(decode(line)["limit"])
        return real(process, line, *rest)

    monkeypatch.setattr(worker, "_exchange", exchange)
    with pytest.raises(FileChangedError):
        worker.write_genres(track, ("Jazz",), expected=large, options=WriteOptions())
    with pytest.raises(FileChangedError):
        worker.restore_fields(track, {}, expected=large, options=WriteOptions())
    with pytest.raises(FileChangedError):
        worker.digest_audio(track, expected=large)
    worker.read_genres(track)
    assert limits[0] == limits[1] == limits[2] > 1000
    assert limits[3] == 30.0


def test_a_reply_that_came_while_we_were_suspended_ourselves_is_heard(worker, track, monkeypatch):
    class Suspended(selectors.DefaultSelector):
        """Says first what a call that a suspension interrupted says: nothing, without looking."""

        def select(self, timeout=None):
            if timeout:
                super().select(timeout)
                return []
            return super().select(timeout)

    worker.read_genres(track)
    monkeypatch.setattr(selectors, "DefaultSelector", Suspended)
    assert worker.read_genres(track).format


@pytest.mark.parametrize(
    ("number", "heals"),
    [(signal.SIGSEGV, False), (signal.SIGABRT, False), (signal.SIGKILL, True), (signal.SIGTERM, True)],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_worker_that_ends_in_a_track_costs_that_and_is_its_fault_unless_it_was_ended_from_outside(
    worker, track, number, heals
):
    worker.read_genres(track)
    victim = process_id(worker)
    os.kill(victim, signal.SIGSTOP)

    def end():
        os.kill(victim, number)
        os.kill(victim, signal.SIGCONT)

    killer = threading.Timer(0.1, end)
    killer.start()
    with pytest.raises(DecodeError, match=f"ended by {number.name}") as caught:
        worker.read_genres(track)
    killer.join()

    assert (caught.value.code, caught.value.transient) == ("crashed", heals)
    assert worker.read_genres(track).format


def test_a_worker_that_is_ended_elsewhere_as_its_reply_arrives_leaves_nothing_open(
    worker, track, monkeypatch
):
    worker.read_genres(track)
    process, exchange = worker._process, worker._exchange

    def ended_elsewhere(*arguments):
        reply = exchange(*arguments)
        other = threading.Thread(target=worker.kill)
        other.start()
        other.join()
        return reply

    monkeypatch.setattr(worker, "_exchange", ended_elsewhere)
    assert worker.read_genres(track).format
    assert process.poll() is not None
    assert process.stdin.closed
    assert process.stdout.closed


def test_a_worker_ends_when_its_parent_is_gone(worker, track):
    worker.read_genres(track)
    process = worker._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()

    assert process.wait(5) == 0


def test_a_worker_ends_when_its_parent_is_killed_though_it_has_more_to_do(track):
    start = f'exec 3<&0; "$0" -P -m genretagd.workers.child {__version__} <&3 & wait'
    parent = subprocess.Popen(
        ["/bin/sh", "-c", start, sys.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    request = {"op": "read_genres", "path": track, "limit": 30.0}
    parent.stdin.write(encode(to_json(WorkerSettings())) + encode(request))
    assert b"ok" in parent.stdout.read(1 << 16)
    parent.kill()
    parent.wait()

    assert select.select([parent.stdout], [], [], 10.0)[0]  # while its standard input is open still
    assert parent.stdout.read() == b""
    parent.stdin.close()
    parent.stdout.close()


def test_workers_do_not_hear_ctrl_c(worker, track):
    worker.read_genres(track)
    os.kill(process_id(worker), signal.SIGINT)

    assert worker.read_genres(track).format


def test_a_pool_lends_each_worker_to_one_thread_at_a_time():
    workers = WorkerPool(2, WorkerSettings(), track_seconds=1.0)
    with workers.worker() as first, workers.worker() as second:
        assert first is not second
        waiter = threading.Thread(target=lambda: workers.worker().__enter__(), daemon=True)
        waiter.start()
        waiter.join(0.05)
        assert waiter.is_alive()
    waiter.join(5)
    workers.close()


def test_a_pool_that_was_killed_starts_no_process_for_who_was_waiting_for_a_worker(track):
    workers = WorkerPool(1, WorkerSettings(), track_seconds=30.0)
    workers.kill()
    with workers.worker() as worker, pytest.raises(WorkerError, match="was ended"):
        worker.read_genres(track)
    assert worker._process is None


def test_closing_a_pool_leaves_no_process(track):
    with WorkerPool(1, WorkerSettings(), track_seconds=30.0) as workers, workers.worker() as worker:
        worker.read_genres(track)
        pid = process_id(worker)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_killed_worker_leaves_beside_a_track_is_cleared_up_at_once(track, tmp_path):
    copy = tmp_path / "a.mp3"
    copy.write_bytes(track.read_bytes())
    worker = Worker(WorkerSettings(), track_seconds=30.0)
    try:
        worker.read_genres(copy)
        left = tmp_path / temporary_name("a.mp3")
        left.write_bytes(b"half a copy")
        os.kill(process_id(worker), signal.SIGSTOP)
        worker._limit = 0.2
        with pytest.raises(TimeLimitError):
            worker.read_genres(copy)
    finally:
        worker.close()

    assert list(tmp_path.iterdir()) == [copy]


@pytest.mark.parametrize("linked", [False, True], ids=["file", "symbolic link"])
@pytest.mark.parametrize("ending", ["close", "kill"])
def test_what_a_worker_ended_in_the_middle_leaves_is_cleared_up_where_the_track_lies(
    track, tmp_path, ending, linked
):
    music, shortcuts = tmp_path / "music", tmp_path / "shortcuts"
    music.mkdir()
    shortcuts.mkdir()
    copy = music / "a.mp3"
    copy.write_bytes(track.read_bytes())
    (shortcuts / "b.mp3").symlink_to(copy)
    worker = Worker(WorkerSettings(), track_seconds=30.0)
    worker.read_genres(copy)
    left = music / temporary_name("a.mp3")
    left.write_bytes(b"half a copy")
    os.kill(process_id(worker), signal.SIGSTOP)
    asked = threading.Event()

    def ask():
        with pytest.raises(WorkerError, match="was ended"):  # by us, which is no track's fault
            worker.read_genres(shortcuts / "b.mp3" if linked else copy)
        asked.set()

    thread = threading.Thread(target=ask)
    thread.start()
    while not worker._in_call:
        thread.join(0.001)
    if ending == "close":
        worker.close(seconds=0.05)
    else:
        worker.kill()
    thread.join(30.0)

    assert asked.is_set()
    assert not left.exists()
    assert copy.read_bytes() == track.read_bytes()


def test_a_long_line_is_sent_whole_though_the_pipe_takes_pieces():
    class Reluctant(io.RawIOBase):
        taken = b""

        def writable(self):
            return True

        def write(self, data, /):
            self.taken += bytes(data[:7])
            return min(7, len(data))

    pipe = Reluctant()
    send(pipe, b"a line of more than seven bytes\n")

    assert pipe.taken == b"a line of more than seven bytes\n"
