"""No file of another origin is lost to a bundle's, a report's or a training's place."""

import errno
import json
from pathlib import Path

import pytest
from spectrograms import EXCERPTS, make_corpus

from genretagd.errors import GenretagdError, UsageError
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import state
from genretagd.ml.training.corpus import from_folders
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.prepare import Ingredients
from genretagd.ml.training.recipe import Recipe
from genretagd.ml.training.train import Plan, train

report = pytest.importorskip("genretagd.ml.training.report", exc_type=ImportError)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Interrupting(Silent):
    """Presses Ctrl-C as soon as anything begins."""

    def stage(self, title, /, total):
        raise KeyboardInterrupt


def trained_into(output, folder):
    ingredients = Ingredients(cache=folder / "cache", front_end=FrontEnd(), excerpts=EXCERPTS)
    plan = Plan(output=output, report=folder / "report", ingredients=ingredients, recipe=Recipe())
    return train(from_folders(make_corpus(folder / "corpus")), plan, Interrupting())


@pytest.mark.parametrize("name", ["report.html", "metrics.json", "figures/cover.png"])
def test_a_report_takes_no_name_that_something_else_has(tmp_path, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text(json.dumps({"accuracy": 1.0}))
    before = contents(tmp_path)
    with (
        pytest.raises(UsageError, match=rf"{name.split('/')[0]} there is of no report"),
        report.place_for_report(tmp_path),
    ):
        pytest.fail("went on")
    assert contents(tmp_path) == before


def test_a_training_that_finds_no_place_for_its_report_leaves_no_folder_for_its_state(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("mine")
    with pytest.raises(UsageError, match="is of no report"):
        trained_into(tmp_path / "model", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "report"]


def test_a_report_may_lie_beside_other_files_and_be_written_again(tmp_path):
    (tmp_path / "log").write_text("mine")
    (tmp_path / "report.html").write_text(report.MADE_BY)
    (tmp_path / "metrics.json").write_text("{}")
    with report.place_for_report(tmp_path):
        pass
    assert (tmp_path / "log").read_text() == "mine"


def test_a_report_that_comes_to_nothing_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), report.place_for_report(tmp_path / "out"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_report_where_nothing_can_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError, match="no report can be written there"),
        report.place_for_report(tmp_path / "file" / "out"),
    ):
        pytest.fail("went on")


@pytest.mark.parametrize("plan", [None, b"", b"no JSON", b"[]", b'{"tasks": []}'])
def test_a_folder_of_other_files_is_not_taken_for_the_state_of_a_training(tmp_path, plan):
    (tmp_path / "song.flac").write_bytes(b"the only copy")
    if plan is not None:
        (tmp_path / "plan.json").write_bytes(plan)
    before = contents(tmp_path)
    with (
        pytest.raises(UsageError, match=r"holds (song\.flac|plan\.json), which no training left there"),
        state.alone(tmp_path),
    ):
        pytest.fail("went on")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("left", "content"),
    [("plan.json", "{}"), ("plan.json", '{"recipe": {}}'), ("pictures.u8", "")],
    ids=["being cleared", "learning", "at the beginning"],
)
def test_the_state_of_a_training_that_was_killed_is(tmp_path, left, content):
    (tmp_path / left).write_text(content)
    with state.alone(tmp_path):
        pass


def test_a_place_that_cannot_be_made_is_a_matter_of_usage(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"), state.alone(tmp_path / "file" / "x.work"):
        pytest.fail("went on")


def test_a_full_disk_is_said_with_what_is_kept(tmp_path):
    with (
        pytest.raises(GenretagdError, match="No space left on device; what was learnt so far is kept"),
        state.alone(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "checkpoint.npz"))


def test_any_other_trouble_is_passed_on(tmp_path):
    with pytest.raises(BrokenPipeError), state.alone(tmp_path):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_the_folder_one_is_in_is_refused_like_any_other_that_holds_something(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="holds corpus, which is no part of a bundle"):
        trained_into(Path(), tmp_path)


def test_a_training_that_ends_before_anything_is_learnt_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained_into(tmp_path / "mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
