"""What is measured is what serving would hear."""

import numpy as np
import pytest

from genretagd.ml.bundle import Bundle, ExcerptChoice
from genretagd.ml.decode import plan_excerpts
from genretagd.ml.training.listening import as_heard

BUNDLE = Bundle("b", "1", ("A", "B"), excerpts=ExcerptChoice(3, 10.0))
WIDTH = 130


def excerpt(frames, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.8, (128, frames)).astype(np.float32)


def test_a_clip_of_thirty_seconds_is_heard_at_its_beginning_middle_and_end():
    clip = excerpt(387)
    parts = as_heard([clip], bundle=BUNDLE)
    assert [part.shape for part in parts] == [(128, WIDTH)] * 3
    for part, start in zip(parts, (0, 128, 257), strict=True):
        expected = clip[:, start : start + WIDTH]
        np.testing.assert_allclose(part * np.ptp(expected) + expected.min(), expected, atol=1e-6)


def test_every_part_is_scaled_by_itself():
    for part in as_heard([excerpt(387)], bundle=BUNDLE):
        assert (part.min(), part.max()) == (0.0, 1.0)


def test_of_three_long_excerpts_the_middle_of_each_is_heard():
    parts = as_heard([excerpt(388, seed) for seed in range(3)], bundle=BUNDLE)
    assert len(parts) == 3
    np.testing.assert_array_equal(
        parts[1].argmax(axis=1), excerpt(388, 1)[:, 129 : 129 + WIDTH].argmax(axis=1)
    )


@pytest.mark.parametrize("frames", [20, 130])
def test_excerpts_that_are_short_already_are_heard_as_they_are(frames):
    given = excerpt(frames)
    assert as_heard([given], bundle=BUNDLE)[0] is given


@pytest.mark.parametrize("seconds", [10.3, 12.0, 15.0, 19.5, 20.0, 25.0, 29.5, 30.0])
def test_of_a_track_that_is_shorter_than_what_is_learnt_from_as_much_is_heard_as_serving_hears(seconds):
    front_end = BUNDLE.front_end
    columns = front_end.frames_in(round(seconds * front_end.sr))
    ramp = np.tile(np.arange(columns, dtype=np.float32) ** 2, (128, 1))
    slopes = [part[0, 1] - part[0, 0] for part in as_heard([ramp], bundle=BUNDLE)]  # tell where a part begins
    expected = []
    for start in plan_excerpts(seconds, count=3, seconds=10.0):
        begin = start * front_end.sr / front_end.hop_length
        expected.append((2 * begin + 1) / ((begin + WIDTH - 1) ** 2 - begin**2))
    assert slopes == pytest.approx(expected, abs=1e-4)
