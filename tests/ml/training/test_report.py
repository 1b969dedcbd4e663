"""The report's folder: what may be replaced in it, and what not."""

import contextlib

import pytest

from genretagd.errors import UsageError
from genretagd.ml.training.report import place_for_report


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
