"""From a file to calibrated probabilities: excerpts, log-mel spectrograms, logits."""

from __future__ import annotations

from pathlib import Path

from genretagd.domain import Classifier


def load_classifier(bundle: str | Path = "default", *, excerpts: int | None = None) -> Classifier:
    """Load a bundle and make it listen."""
    raise NotImplementedError
