"""The report: what it shows, and what may be replaced in its folder."""

import contextlib
import re

import numpy as np
import pytest

from genretagd.errors import UsageError
from genretagd.ml.training.metrics import Outcomes, measure
from genretagd.ml.training.report import Report, _mistakes, place_for_report, write_report

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        pytest.param("report.html", b"", False, id="empty page"),
        pytest.param("report.html", b"mine", True, id="page of another origin"),
        pytest.param("report.html.part", b"", False, id="empty part"),
        pytest.param("report.html.part", b"mine", True, id="part of another origin"),
        pytest.param("metrics.json", b"", True, id="figures of another origin"),
    ],
)
def test_only_what_a_report_left_is_in_no_reports_way(tmp_path, name, content, refused):
    (tmp_path / name).write_bytes(content)
    outcome = pytest.raises(UsageError, match="is of no report") if refused else contextlib.nullcontext()
    with outcome, place_for_report(tmp_path):
        pass
    assert (tmp_path / name).read_bytes() == content


def test_foreign_music_that_was_left_alone_is_no_mistake():
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    outcomes = Outcomes(
        ("Jazz", "Rock"),
        np.asarray([right, wrong, wrong, wrong]),
        np.asarray([0.0, 0.9, 0.95, 0.1]),
        np.asarray([0, 0, -1, -1], np.int32),
        np.arange(4),
        np.full(4, 0.5),
    )
    report = Report(
        title="mine 1",
        metrics={},
        outcomes=outcomes,
        tracks=("known", "mistaken", "left alone", "decided"),
        picture_of=lambda _: np.zeros((128, 9), np.uint8),
        card={},
    )
    assert [mistake.track for mistake in _mistakes(report)] == ["decided", "mistaken"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a model that knows forty genres, of which the last has not one track."""
    names = tuple(f"Genre {number}" for number in range(40))
    truth = np.repeat(np.arange(39, dtype=np.int32), 2)
    said = np.eye(40)[truth] * 0.4 + 0.6 / 40
    outcomes = Outcomes(names, said, np.zeros(78), truth, np.arange(78), np.full(78, 0.9))
    metrics = measure(outcomes, min_confidence=0.9, resamples=20)
    report = Report(
        title="mine 1",
        metrics=metrics | {"pool": metrics},
        outcomes=outcomes,
        tracks=[str(number) for number in range(78)],
        picture_of=lambda _: np.zeros((128, 9), np.uint8),
        card={},
    )
    return write_report(report, tmp_path_factory.mktemp("report")).read_text()


def test_of_many_genres_the_names_can_be_read(page):
    (width,) = re.findall(r'class="wide" width="(\d+)"', page)
    assert int(width) > 40 * 40


def test_a_genre_without_a_track_has_no_figures(page):
    rows = dict(re.findall(r"<th scope='row'>([^<]+)</th><td class='n'>\d+</td>(.*?)</tr>", page))
    assert rows["Genre 39"] == "<td>&ndash;</td>" * 3
    assert rows["Genre 38"].count("100%") >= 3


def test_tracks_of_the_pool_have_figures_of_their_own(page):
    (said,) = re.findall(r"<h2>Music of other sources</h2><p>(.*?)</p>", page)
    assert "<b>100%</b> (95 % interval 100% to 100%) of the 78 tracks of the pool" in said
    assert "<b>0%</b> (95 % interval 0% to 0%) of them are decided." in said
    assert "of the decided" not in said
