"""Signals are heard whichever thread gets them."""

from __future__ import annotations

import queue
import signal
import threading

import pytest

from genretagd.daemon.signals import hearing_signals


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (signal.SIGTERM, "stop"),
        (signal.SIGINT, "stop"),
        (signal.SIGHUP, "reload"),
        (signal.SIGUSR1, "report"),
    ],
)
def test_a_signal_that_another_thread_got_wakes_who_waits_for_it(number: int, word: str) -> None:
    def get() -> None:
        signal.pthread_kill(threading.get_ident(), number)

    words: queue.SimpleQueue[str] = queue.SimpleQueue()
    with hearing_signals(words.put):
        other = threading.Timer(0.1, get)
        other.start()
        assert words.get(timeout=10) == word
        other.join()


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with hearing_signals(lambda _word: None):
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1
