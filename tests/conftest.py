"""What all tests share: the real material beside the checkout, and an environment of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from genretagd.ledger.database import Database

# The same examples in every run, however slow the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# A shell that starts the tests in the background has Ctrl-C ignored, by them and all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material beside the checkout; a plain clone has none."""
    path = REPOSITORY.parent / "shared"
    if not (path / "dataset" / "README.md").is_file():
        pytest.skip("needs the real recordings in ../shared, which a plain clone does not have")
    return path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Open a ledger of the test's own."""
    database = Database(tmp_path / "ledger.sqlite3")
    yield database
    database.close()


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the configuration and the ledger of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    for variable, folder in (
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
    ):
        monkeypatch.setenv(variable, str(home / folder))
    monkeypatch.setenv("HOME", str(home))
    for name in list(os.environ):
        if name.startswith("GENRETAGD_"):
            monkeypatch.delenv(name)
    return home
