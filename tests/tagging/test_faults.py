"""A sample of the faults that benchmarks/faults.py injects in full."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_harness import GENRES, MODES, Fault, Subject, injected, write
from tag_cases import CASES

from genretagd.domain import HardlinkPolicy, WriteOptions
from genretagd.errors import TagError
from genretagd.tagging.store import FileTagStore

SAMPLED = ("mp3-id3v23", "flac-no-padding", "ogg-vorbis-many-pages", "m4a-faststart", "wma")
BY_ID = {case.id: case for case in CASES}


@pytest.mark.parametrize("policy", ["skip", "in-place"])
@pytest.mark.parametrize("name", SAMPLED)
def test_a_fault_at_any_operation_leaves_the_whole_old_or_the_whole_new_file(
    name: str, policy: str, tmp_path: Path
) -> None:
    subject = Subject(BY_ID[name], tmp_path, policy=policy)
    for at in range(subject.operations):
        mode = MODES[(at + len(name)) % len(MODES)]
        assert subject.try_fault(at, mode), f"operation {at} was not reached"


def test_a_write_is_made_of_operations_that_the_faults_can_hit(tmp_path: Path) -> None:
    subject = Subject(BY_ID["flac"], tmp_path)
    subject.reset()
    counter = Fault(-1, "none")
    with injected(counter):
        write(subject.path, "skip")
    assert counter.count > 10


@pytest.mark.parametrize("policy", ["skip", "in-place"])
@pytest.mark.parametrize("name", ["fstat", "close"])
def test_where_a_write_is_said_to_have_failed_the_file_is_as_it_was(
    name: str, policy: HardlinkPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(BY_ID["flac"], tmp_path, policy=policy)
    real = getattr(os, name)
    for at in itertools.count():
        left = [at]

        def broken(fd: int, left: list[int] = left) -> object:
            left[0] -= 1
            result = real(fd)
            if left[0] == -1:
                raise OSError(errno.EIO, "broken")
            return result

        subject.reset()
        store = FileTagStore()
        version = store.read_genres(subject.path).version
        with monkeypatch.context() as patched:
            patched.setattr(os, name, broken)
            try:
                options = WriteOptions(hardlinks=policy, mtime="keep")
                store.write_genres(subject.path, GENRES, expected=version, options=options)
                wanted = subject.new
            except TagError:
                wanted = subject.old
        assert subject.path.read_bytes() == wanted, f"{name} number {at}"
        if left[0] >= 0:
            break
    assert at > 1


def test_a_fault_that_is_not_reached_changes_nothing_of_the_outcome(tmp_path: Path) -> None:
    subject = Subject(BY_ID["flac"], tmp_path)
    assert subject.try_fault(subject.operations, "EIO") == ""
    assert subject.path.read_bytes() == subject.new


def test_faults_into_a_kind_of_file_that_there_is_not_prove_nothing(repository: Path) -> None:
    script = repository / "benchmarks" / "faults.py"
    done = subprocess.run([sys.executable, script, "flak"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no such case: flak; there are: aac, ")
