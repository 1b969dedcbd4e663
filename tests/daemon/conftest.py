from __future__ import annotations

import logging

import pytest
from household import Household

from genretagd import logs


@pytest.fixture
def household(tmp_path):
    yield Household(tmp_path)
    logger = logging.getLogger(logs.NAME)
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
    logger.propagate = True
