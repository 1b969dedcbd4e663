"""The signals that a daemon hears."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def hearing_signals(ask: Callable[[str], None]) -> Iterator[None]:
    """Ask for what signals mean, whichever thread the system gives them to.

    Python calls handlers in the main thread, and where that waits, a signal which another thread got, as of
    two in a row the second may, does not wake it. What is written to the descriptor of `set_wakeup_fd` is
    written at once.
    """
    words = {signal.SIGTERM: "stop", signal.SIGINT: "stop", signal.SIGHUP: "reload", signal.SIGUSR1: "report"}
    hearing, telling = socket.socketpair()
    telling.setblocking(False)

    def pass_on() -> None:
        while number := hearing.recv(1):
            if number[0] in words:
                ask(words[signal.Signals(number[0])])

    thread = threading.Thread(target=pass_on, name="signals", daemon=True)
    thread.start()
    woken = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, _heard) for number in words}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        telling.close()
        thread.join()
        hearing.close()


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: who reads from the descriptor passes the signal on."""
