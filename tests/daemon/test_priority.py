from __future__ import annotations

import subprocess
import sys
import sysconfig

import pytest


@pytest.mark.skipif(
    not sysconfig.get_platform().startswith("linux-x86_64"),
    reason="ioprio_get's number is that of Linux x86-64",
)
def test_the_disk_is_left_to_others_by_the_process_that_asks_for_it():
    program = (
        "import ctypes; from genretagd.daemon.priority import use_idle_disk; "
        "print(use_idle_disk(), ctypes.CDLL(None).syscall(252, 1, 0) >> 13)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "3"]
