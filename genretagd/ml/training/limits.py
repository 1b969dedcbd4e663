"""What the settings of a recipe may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from genretagd.errors import UsageError

SHARE: Final = (0.0, 1.0)
POSITIVE: Final = (1e-9, math.inf)
AVERAGING: Final = (0.0, 0.99999)
"""Of an exponential average: what stays of it at each step."""

LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "epochs": (1, math.inf),
    "steps": (0, math.inf),
    "batch_size": (1, math.inf),
    "patience": (0, math.inf),
    "learning_rate": POSITIVE,
    "weight_decay": SHARE,
    "smoothing": (0.0, 0.9),
    "averaging": AVERAGING,
    "teacher_weight": (0.0, math.inf),
    "mixup": (0.0, math.inf),
    "equaliser_db": (0.0, 40.0),
    "pool_share": SHARE,
    "balance": SHARE,
    "soft_weight": (0.0, math.inf),
    "stated_share": SHARE,
    "guess_share": SHARE,
    "pretrain_epochs": (0, math.inf),
    "pretrain_batch_size": (0, math.inf),
    "pretrain_rate": POSITIVE,
    "pretrain_averaging": AVERAGING,
    "settle_epochs": (0, math.inf),
    "settle_rate": POSITIVE,
    "opinion_epochs": (0, math.inf),
    "opinion_rate": POSITIVE,
    "refit_share": SHARE,
    "seed": (0, 2**32 - 1),
}
"""The least and the largest value; infinite stands for any finite number."""


def check(settings: Mapping[str, Any]) -> None:
    """Refuse settings that make no sense, all of them at once.

    Raises
    ------
    UsageError
        With every one of them and what it may be.
    """
    problems = []
    for name, (low, high) in LIMITS.items():
        value = settings[name]
        if not (low <= value <= high and math.isfinite(value)):
            wanted = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:.10g}"
            problems.append(f"{name}={value}: must be {wanted}")
    if problems:
        raise UsageError("\n".join(problems))
