"""What a terminal shows of long work."""

import pytest
from rich.progress import MofNCompleteColumn

from genretagd.cli.progress import ProgressReporter


@pytest.mark.parametrize(("total", "counted"), [(0, False), (3, True)])
def test_steps_are_counted_where_it_is_known_how_many_there_are(total, counted):
    with ProgressReporter(terminal=True) as progress:
        progress.stage("reading", total)
        columns = progress._bar.columns
    assert any(isinstance(column, MofNCompleteColumn) for column in columns) is counted
