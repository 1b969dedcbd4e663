"""A sample of the faults that benchmarks/faults.py injects in full."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_harness import MODES, Fault, Subject, injected, write
from tag_cases import CASES

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


def test_a_fault_that_is_not_reached_changes_nothing_of_the_outcome(tmp_path: Path) -> None:
    subject = Subject(BY_ID["flac"], tmp_path)
    assert subject.try_fault(subject.operations, "EIO") == ""
    assert subject.path.read_bytes() == subject.new
