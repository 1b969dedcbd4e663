"""Files that fuzzing found, kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from genretagd.domain import TagChange, WriteOptions
from genretagd.tagging.store import FileTagStore

FOUND = sorted(
    path for path in (Path(__file__).parents[1] / "data" / "regressions").iterdir() if path.suffix != ".md"
)


@pytest.mark.parametrize("found", FOUND, ids=lambda path: path.stem)
def test_what_fuzzing_found_is_written_and_restored(
    found: Path, tmp_path: Path, tag: Callable[..., TagChange], store: FileTagStore
) -> None:
    path = tmp_path / found.name
    path.write_bytes(found.read_bytes())
    before = store.read_genres(path)
    change = tag(path, ["Hip-Hop", "Jazz"])
    assert store.read_genres(path).genres == ("Hip-Hop", "Jazz")
    version = change.version_after
    store.restore_fields(path, change.fields_before, expected=version, options=WriteOptions())
    after = store.read_genres(path)
    assert (after.genres, after.fields) == (before.genres, before.fields)
    if "unsynchronisation" not in found.name:  # comes back in value, in the usual form
        assert path.read_bytes() == found.read_bytes()
