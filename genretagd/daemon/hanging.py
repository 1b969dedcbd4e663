"""Devices that hang: a share whose server does not answer, a disk that fails. Work elsewhere goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, TypeVar

from genretagd.daemon.queue import retry_seconds

LONGEST_PAUSE_SECONDS: Final = 3600.0
"""A device that hangs is tried again so often at least: each try may cost a process that cannot be ended."""

LOOK_SECONDS: Final = 30.0
"""A look at a file that takes longer hangs, and its thread with it."""

Answer = TypeVar("Answer")


def answer_to(question: Callable[[], Answer], *, otherwise: Answer, seconds: float) -> Answer:
    """Return what a question that may hang answers, or `otherwise` if that takes longer than so many seconds.

    The thread that asked is left behind: who waits within the kernel hears no signal.
    """
    answer: Future[Answer] = Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except Exception as exc:  # noqa: BLE001 - it is raised where it is waited for
            answer.set_exception(exc)

    threading.Thread(target=ask, name="asking", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        return otherwise


class Hanging:
    """Remembers which devices hang; safe for several threads.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[int, tuple[int, float]] = {}
        self._looks: dict[int, tuple[int, float]] = {}

    def pause(self, device: int) -> float:
        """Return after how many seconds a file on a device is to be tried; 0 for now.

        Of a device that hangs one file at a time finds out whether it still does.
        """
        now = self._clock()
        if device in self._stuck():
            return LOOK_SECONDS
        times, until = self._known.get(device, (0, now))
        if times and until <= now:
            self._set(device, times)
        return max(0.0, until - now)

    def hear(self, device: int, *, hangs: bool) -> None:
        """Take down whether a file on a device kept its worker for good."""
        times, _ = self._known.pop(device, (0, 0.0))
        if hangs:
            self._set(device, times + 1)

    @contextmanager
    def looking(self, device: int) -> Iterator[None]:
        """Say that this thread looks at a file on a device, which may hold it as long as it hangs."""
        thread = threading.get_ident()
        self._looks[thread] = (device, self._clock())
        try:
            yield
        finally:
            del self._looks[thread]

    @property
    def threads(self) -> int:
        """How many threads are held by looks that hang."""
        return len(self._stuck())

    def _stuck(self) -> list[int]:
        before = self._clock() - LOOK_SECONDS
        return [device for device, since in tuple(self._looks.values()) if since < before]

    def _set(self, device: int, times: int) -> None:
        self._known[device] = (times, self._clock() + min(retry_seconds(times), LONGEST_PAUSE_SECONDS))
