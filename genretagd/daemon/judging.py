"""What a path is judged by now: the bundle and its folder's policy, looked up once per folder and moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from genretagd.daemon.engine import Engine
from genretagd.ledger.versions import Judgement

KEPT_SECONDS: Final = 2.0


class Judging:
    """Remembers each folder's judgement for a moment, since a scan asks for every file.

    Parameters
    ----------
    engine : Engine
        Knows the bundle and the policies.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[str, Judgement] = {}
        self._until = 0.0

    def use(self, engine: Engine) -> None:
        """Judge by another bundle and other policies from now on."""
        self._engine = engine
        self._known = {}

    def __call__(self, path: str, /) -> Judgement:
        """Return what a path is judged by."""
        folder = path.rpartition("/")[0]
        now = self._clock()
        if now >= self._until:  # all at once, so that no folder is kept that nobody asks about again
            self._known = {}
            self._until = now + KEPT_SECONDS
        known = self._known
        if folder not in known:
            known[folder] = Judgement(self._engine.bundle, self._engine.policy_of(Path(path)))
        return known[folder]
