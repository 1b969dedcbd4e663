"""The thread of a root."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from genretagd.watcher.root import CHECK_SECONDS, RootWatcher


class RootThread(threading.Thread):
    """Calls a `RootWatcher` when something is due or arrived; a share that hangs holds up itself only."""

    def __init__(self, make: Callable[[Callable[[], None]], RootWatcher], *, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._wakeup = threading.Event()
        self.watcher = make(self._wakeup.set)
        self._stop_wanted = False

    def run(self) -> None:
        """Step until stopped."""
        while not self._stop_wanted:
            self._wakeup.clear()
            try:
                due = self.watcher.step(time.monotonic())
            except Exception as exc:  # noqa: BLE001 - a mistake of ours must not leave the root deaf; it is said
                due = time.monotonic() + CHECK_SECONDS
                self.watcher.stumble(exc)
            self._wakeup.wait(max(0.0, due - time.monotonic()))
        self.watcher.close()

    def stop(self) -> None:
        """Ask the thread to end; `join` it with a time limit."""
        self._stop_wanted = True
        self.watcher.stop()
        self._wakeup.set()
