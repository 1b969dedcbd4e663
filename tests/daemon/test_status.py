"""What the running daemon tells of itself."""

from __future__ import annotations

from pathlib import Path

from genretagd.daemon.status import SCHEMA, read_status, write_status


def test_where_there_is_room_for_no_further_file_the_old_one_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "instance.json"
    write_status(path, {"schema": SCHEMA, "problem": None})
    (tmp_path / "instance.json.new").mkdir()  # nothing can be written there
    write_status(path, {"schema": SCHEMA, "problem": "no room to write the ledger"})
    assert read_status(path) == {"schema": SCHEMA, "problem": "no room to write the ledger"}


def test_a_status_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    write_status(tmp_path / "missing" / "instance.json", {"schema": SCHEMA})
    assert read_status(tmp_path / "missing" / "instance.json") is None
