from __future__ import annotations

import pytest

from genretagd.daemon.hanging import LONGEST_PAUSE_SECONDS, LOOK_SECONDS, Hanging


@pytest.fixture
def now() -> list[float]:
    return [1e9]


@pytest.fixture
def hanging(now) -> Hanging:
    return Hanging(clock=lambda: now[0])


def test_a_device_that_hangs_is_tried_by_one_file_after_growing_pauses_up_to_an_hour(hanging, now):
    tries = []
    hanging.hear(7, hangs=True)
    began = now[0]
    while len(tries) < 7:
        if hanging.pause(7):
            now[0] += hanging.pause(7)
            continue
        assert hanging.pause(7) > 0  # the next one waits for what this one finds
        tries.append(now[0])
        hanging.hear(7, hangs=True)
    pauses = [after - before for before, after in zip([began, *tries], tries, strict=False)]
    assert pauses[:4] == [30.0, 120.0, 480.0, 1920.0]
    assert set(pauses[4:]) == {LONGEST_PAUSE_SECONDS}


def test_one_file_that_comes_through_lets_the_others_through(hanging):
    hanging.hear(7, hangs=True)
    assert hanging.pause(7) > 0
    assert hanging.pause(8) == 0
    hanging.hear(7, hangs=False)
    assert hanging.pause(7) == 0


def test_a_look_that_hangs_holds_one_thread_and_no_other_looks_there(hanging, now):
    with hanging.looking(7):
        assert (hanging.pause(7), hanging.threads) == (0, 0)
        now[0] += LOOK_SECONDS + 1
        assert (hanging.pause(7), hanging.pause(8), hanging.threads) == (LOOK_SECONDS, 0, 1)
    assert (hanging.pause(7), hanging.threads) == (0, 0)
