"""A recipe's settings are refused where they make no sense, before anything is learnt."""

import dataclasses
import math

import pytest

from genretagd.errors import UsageError
from genretagd.ml.training.limits import LIMITS, check
from genretagd.ml.training.recipe import Recipe

FIELDS = {field.name: field.default for field in dataclasses.fields(Recipe)}


def test_every_number_of_a_recipe_has_limits():
    numbers = {name for name, default in FIELDS.items() if type(default) in (int, float)}
    assert set(LIMITS) == numbers


@pytest.mark.parametrize("name", LIMITS)
def test_the_limits_themselves_are_accepted_and_what_is_beyond_is_not(name):
    low, high = LIMITS[name]
    check(FIELDS | {name: low})
    beyond = [low - 1, math.nan, math.inf]
    if math.isfinite(high):
        check(FIELDS | {name: high})
        beyond.append(high + 1)
    for value in beyond:
        with pytest.raises(UsageError, match=f"^{name}={value}: must be "):
            check(FIELDS | {name: value})


def test_all_problems_are_told_at_once():
    with pytest.raises(UsageError, match=r"epochs=-1: must be at least 1\n.*mixup=-2: must be at least 0"):
        Recipe(epochs=-1, mixup=-2)
