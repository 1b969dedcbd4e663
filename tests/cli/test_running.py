"""How a run over many tracks is paced, stopped and shown."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from genretagd.cli.output import Reporter
from genretagd.cli.running import in_units, make_pool, run
from genretagd.config import Config
from genretagd.config.schema import ModelConfig, WorkConfig
from genretagd.domain import Outcome, Status
from genretagd.workers.service import WorkerSettings


def test_an_album_s_tracks_are_one_unit_however_they_are_mixed():
    tracks = [Path("a/1.mp3"), Path("b/1.mp3"), Path("c/1.mp3"), Path("a/2.mp3"), Path("b/2.mp3")]

    units = in_units(tracks, lambda track: track.parent != Path("b"))

    assert [[str(track) for track in unit] for unit in units] == [
        ["a/1.mp3", "a/2.mp3"], ["b/1.mp3"], ["c/1.mp3"], ["b/2.mp3"],
    ]  # fmt: skip


def test_a_slow_track_leaves_the_other_workers_no_time_to_idle():
    slow, others = Path("slow.mp3"), [Path(f"{number}.mp3") for number in range(20)]
    enough = threading.Event()
    handled = []

    def handle(_worker, unit):
        if unit == [slow]:
            assert enough.wait(timeout=10)
        handled.append(unit[0])
        if len(handled) == len(others):
            enough.set()
        return [Outcome(unit[0], Status.KEPT)]

    pool = SimpleNamespace(count=2, worker=contextlib.nullcontext, kill=lambda: None)

    assert run([[path] for path in (slow, *others)], pool, handle, Reporter(21, as_json=True)) == 0
    assert handled[-1] == slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_between_files_with_a_summary_and_130(album, repository, number):
    for copy in range(200):
        shutil.copyfile(album / "mp3.mp3", album / f"{copy:03}.mp3")
    command = [sys.executable, "-m", "genretagd", "tag", str(album), "--min-confidence=0", "--workers=1"]
    process = subprocess.Popen(
        [*command, f"--model={repository / 'tests/data/tiny-bundle'}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("tagged")
    process.send_signal(number)
    started = time.monotonic()
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert time.monotonic() - started < 10
    assert "stopping after the tracks in hand" in err
    assert "tracks in" in out
    assert len(list(album.iterdir())) == 203


def test_a_second_ctrl_c_waits_for_no_track():
    killed = threading.Event()

    def handle(_worker, _unit):
        asked = signal.getsignal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        while not asked.__self__.asked:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)
        assert killed.wait(timeout=10)
        return []

    pool = SimpleNamespace(count=1, worker=contextlib.nullcontext, kill=killed.set)

    with pytest.raises(KeyboardInterrupt):
        run([[Path("slow.mp3")]], pool, handle, Reporter(1, as_json=True))
    assert killed.is_set()


def test_the_workers_are_as_the_configuration_says(monkeypatch):
    made = []
    monkeypatch.setattr("genretagd.cli.running.WorkerPool", lambda *args, **named: made.append((args, named)))

    make_pool(Config(ModelConfig("mine", 2), work=WorkConfig(workers=3, track_seconds=4.0, nice=5)))

    assert made == [((3, WorkerSettings("mine", 2, 5)), {"track_seconds": 4.0, "spare": None})]


def test_who_reads_no_further_ends_the_run_without_a_word(album, repository):
    command = [sys.executable, "-m", "genretagd", "predict", str(album)]
    process = subprocess.Popen(
        [*command, f"--model={repository / 'tests/data/tiny-bundle'}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.close()

    assert (process.communicate()[1], process.wait()) == ("", 1)


def test_names_that_standard_output_has_no_letters_for_are_escaped(album, repository):
    track = album / os.fsdecode(b"Bj\xc3\xb6rk \xff.mp3")
    (album / "mp3.mp3").rename(track)
    command = [sys.executable, "-m", "genretagd", "predict", str(track)]
    done = subprocess.run(
        [*command, f"--model={repository / 'tests/data/tiny-bundle'}"],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii:strict"}, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"Bj\xf6rk \udcff.mp3: " in done.stdout


def test_however_a_run_ends_the_terminal_has_its_cursor_back(album, repository):
    def shown(*arguments):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "genretagd", "predict", str(album), *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm"}
        )
        os.close(theirs)
        text = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # EIO at the end
            while found := terminal.read(4096):
                text += found
        return process.wait(), text.count(b"\x1b[?25l"), text.count(b"\x1b[?25h")

    assert shown(f"--model={repository / 'tests/data/tiny-bundle'}") == (0, 1, 1)
    assert shown("--model=nowhere") == (3, 1, 1)
