"""A clock, a plugin process and plugin files of our own making."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from actions_support import Clock

from genretagd.ledger.database import Database
from genretagd.ledger.outbox import Outbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory for plugin files that nobody else may write."""
    path = tmp_path / "plugins"
    path.mkdir(mode=0o700)
    return path
