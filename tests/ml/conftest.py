from __future__ import annotations

import numpy as np
import pytest
from sounds import TINY_BUNDLE, make_music

from genretagd.ml.bundle import Bundle, load_bundle


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    """A bundle with random weights: three labels, one outside label."""
    return load_bundle(TINY_BUNDLE)


@pytest.fixture(scope="session")
def music() -> np.ndarray:
    return make_music()
