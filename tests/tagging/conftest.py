"""What the tests of the tag store share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tag_cases import CASES, Case

from genretagd.domain import Provenance, TagChange, WriteOptions
from genretagd.tagging.store import FileTagStore


@pytest.fixture(scope="session")
def built() -> dict[str, bytes]:
    """The content of every case's file; building some takes a while."""
    return {case.id: case.make() for case in CASES}


@pytest.fixture
def place(tmp_path: Path, built: dict[str, bytes]) -> Callable[[Case], Path]:
    def make(case: Case) -> Path:
        path = tmp_path / f"track{case.suffix}"
        path.write_bytes(built[case.id])
        return path

    return make


@pytest.fixture
def store() -> FileTagStore:
    return FileTagStore()


@pytest.fixture
def tag(store: FileTagStore) -> Callable[..., TagChange]:
    """Read a file and write genres into it."""

    def write(
        path: Path,
        genres: Sequence[str],
        *,
        options: WriteOptions | None = None,
        provenance: Provenance | None = None,
        by: FileTagStore | None = None,
    ) -> TagChange:
        chosen = by or store
        found = chosen.read_genres(path)
        return chosen.write_genres(
            path,
            genres,
            expected=found.version,
            options=options or WriteOptions(),
            provenance=provenance,
        )

    return write


@pytest.fixture
def returns(
    tmp_path: Path, store: FileTagStore, tag: Callable[..., TagChange]
) -> Callable[[bytes, str], bytes]:
    """Tag a file and undo that; it must be the same again. Returns the tagged file."""

    def check(data: bytes, suffix: str) -> bytes:
        path = tmp_path / f"track{suffix}"
        path.write_bytes(data)
        change = tag(path, ["Hip-Hop", "Jazz"])
        tagged = path.read_bytes()
        assert store.read_genres(path).genres == ("Hip-Hop", "Jazz")
        store.restore_fields(
            path, change.fields_before, expected=change.version_after, options=WriteOptions()
        )
        assert path.read_bytes() == data
        return tagged

    return check


@pytest.fixture
def track(place: Callable[[Case], Path]) -> Path:
    """An ordinary track: an MP3 with an ID3v2.3 tag."""
    return place(next(case for case in CASES if case.id == "mp3-id3v23"))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk in tests of what is written; that it is made durable is what the fault tests hold."""
    if "fault" not in request.module.__name__:
        monkeypatch.setattr(os, "fsync", lambda _fd: None)
