"""One bad item costs that item and no more."""

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing import resource_tracker, spawn

import pytest

from genretagd.ml.training.isolation import Failure, Isolated, _serve


def work(item):
    if item == "crash":
        os._exit(7)
    if item == "hang":
        time.sleep(60)
    if item == "raise":
        raise ValueError("no good")
    if item == "write":
        raise OSError(errno.ENOSPC, "full")
    return item.upper()


def test_results_come_from_good_items_and_reasons_from_bad_ones():
    items = ["a", "crash", "b", "hang", "raise", "c", "write"]
    found = dict(Isolated(work, jobs=2, time_limit=3.0).run(items))
    assert [found[index] for index in (0, 2, 5)] == ["A", "B", "C"]
    assert found[1] == Failure("its process ended (exit status 7)")
    assert found[3] == Failure("took longer than 3 s")
    assert found[4] == Failure("no good")
    assert found[6] == Failure(f"[Errno {errno.ENOSPC}] full", errno.ENOSPC)


def test_nothing_to_do_starts_nothing():
    assert list(Isolated(work, jobs=2).run([])) == []


class Large:
    """Work that does not fit into a pipe at once."""

    def __init__(self):
        self.table = bytes(2**20)

    def __call__(self, item):
        return len(self.table) + item


def test_a_process_that_ends_before_it_knows_what_to_do_costs_its_items(monkeypatch):
    resource_tracker.ensure_running()
    monkeypatch.setattr(spawn, "_python_exe", b"/bin/false")
    assert dict(Isolated(Large(), jobs=2).run([1, 2, 3])) == {
        index: Failure("its process ended (exit status 1)") for index in range(3)
    }


def test_large_work_reaches_every_process():
    assert sorted(Isolated(Large(), jobs=2).run([1, 2, 3])) == [(i, 2**20 + i + 1) for i in range(3)]


ASKERS = []


def hang_up(_):
    ASKERS.pop().close()


def test_a_process_whose_asker_was_killed_ends_without_a_word():
    asker, pipe = multiprocessing.Pipe()
    ASKERS.append(asker)
    asker.send(hang_up)
    asker.send("a")
    with pipe:
        assert _serve(pipe) is None
    assert ASKERS == []


@pytest.fixture
def program(tmp_path):
    """Run a program in a folder of music; its processes tell what Ctrl-C would do to them."""
    (tmp_path / "music").mkdir()
    (tmp_path / "mask.py").write_text(
        "import signal\ndef blocked(_=None):\n"
        "    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())\n"
    )
    (tmp_path / "main.py").write_text(
        "from genretagd.ml.training.isolation import Isolated\nfrom mask import blocked\n"
        "if __name__ == '__main__':\n"
        "    print(sorted(Isolated(blocked, jobs=2).run('ab')), blocked())\n"
    )

    def run():
        return subprocess.run(
            [sys.executable, tmp_path / "main.py"],
            cwd=tmp_path / "music",
            env=os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path)])},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_ctrl_c_interrupts_us_and_we_end_the_others(program):
    done = program()
    assert (done.stdout, done.stderr) == ("[(0, True), (1, True)] False\n", "")


@pytest.mark.parametrize("name", ["struct", "selectors"])
def test_nothing_is_imported_from_the_folder_one_is_in(program, tmp_path, name):
    (tmp_path / "music" / f"{name}.py").write_text("raise SystemExit('imported from a folder of music')")
    done = program()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[(0, True)")
