"""The state of a run: kept for the same run, whatever became of it before."""

import json
import resource
import shutil

import pytest

from genretagd.ml.training import state
from genretagd.ml.training.listener import Silent

ASKED = {"recipe": {"epochs": 3}}


class Killed(BaseException):
    """Stands for SIGKILL."""


def learnt(work):
    """Leave the state of a run that has learnt something."""
    with state.alone(work):
        state.begin(work, ASKED, Silent())
        (work / "split").mkdir()
        (work / "split" / "history.json").write_text("[]")
        (work / state.PICTURES).write_bytes(b"pictures")


def test_the_state_of_a_run_that_is_done_is_removed_whole(tmp_path):
    learnt(tmp_path / "work")
    state.discard(tmp_path / "work")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "clear",
    [
        pytest.param(state.discard, id="the run was done"),
        pytest.param(
            lambda work: state.begin(work, {"recipe": {"epochs": 4}}, Silent()), id="another run began"
        ),
    ],
)
def test_a_state_that_was_removed_in_part_serves_no_run_and_bars_none(tmp_path, monkeypatch, clear):
    work = tmp_path / "work"
    learnt(work)

    def killed(_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            clear(work)
    with state.alone(work):
        state.begin(work, ASKED, Silent())
        assert not (work / "split").exists()
        assert json.loads((work / state.PLAN).read_text()) == ASKED


def test_a_file_that_cannot_be_written_whole_is_named(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            state.write_json(tmp_path / "history.json", [1.0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / "history.json")
