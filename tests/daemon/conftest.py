from __future__ import annotations

import logging
from contextlib import closing

import pytest
from household import Household
from office import Office

from genretagd import logs
from genretagd.ledger.database import Database


@pytest.fixture
def office(tmp_path):
    with closing(Database(tmp_path / "ledger.sqlite3")) as database:
        yield Office(database)


@pytest.fixture
def household(tmp_path):
    yield Household(tmp_path)
    logger = logging.getLogger(logs.NAME)
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
    logger.propagate = True
