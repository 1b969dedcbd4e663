"""The report: what it shows, and what may be replaced in its folder."""

import contextlib

import numpy as np
import pytest

from genretagd.errors import UsageError
from genretagd.ml.training.metrics import Outcomes
from genretagd.ml.training.report import Report, _mistakes, place_for_report


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
