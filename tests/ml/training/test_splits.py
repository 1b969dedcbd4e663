"""No group stands on both sides of a split, and every label on each."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genretagd.errors import CorpusError
from genretagd.ml.training.splits import check_groups, k_folds, three_parts


def corpus(seed, *, tracks=90, groups=30):
    rng = np.random.default_rng(seed)
    labels = np.arange(tracks) % 3
    return labels.astype(np.int32), [f"{label}-{rng.integers(groups // 3)}" for label in labels]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_three_parts_share_no_group_and_miss_no_track(seed):
    labels, groups = corpus(seed)
    split = three_parts(labels, groups, seed=seed)
    parts = [split.train, split.valid, split.test]
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    counted = [group for part in parts for group in {groups[track] for track in part}]
    assert len(counted) == len(set(counted))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_each_track_is_tested_in_exactly_one_fold(seed, folds):
    labels, groups = corpus(seed)
    tested = [track for split in k_folds(labels, groups, folds=folds, seed=seed) for track in split.test]
    assert sorted(tested) == list(range(len(labels)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40))
@example(0, 1)
@example(0, 13)
def test_a_pool_is_dealt_apart_and_changes_nothing_for_the_corpus(seed, size):
    labels, groups = corpus(seed)
    theirs, their_groups = corpus(seed + 1, tracks=size)
    together = k_folds(
        np.concatenate([labels, theirs]),
        [*groups, *(f"pool:{name}" for name in their_groups)],
        folds=5,
        seed=seed,
        pooled=np.arange(len(labels) + size) >= len(labels),
    )
    alone = k_folds(labels, groups, folds=5, seed=seed)
    tested = [track for split in together for track in split.test]
    assert sorted(tested) == list(range(len(labels) + size))
    for ours, split in zip(alone, together, strict=True):
        assert ours.test.tolist() == [track for track in split.test if track < len(labels)]
        held_out = {their_groups[track - len(labels)] for track in split.test if track >= len(labels)}
        learnt = {their_groups[track - len(labels)] for track in split.train if track >= len(labels)}
        assert not held_out & learnt


def test_the_same_seed_splits_alike_and_another_one_otherwise():
    labels, groups = corpus(1)
    first, again, other = (three_parts(labels, groups, seed=seed).test.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_label_of_too_few_artists_is_refused_by_name():
    labels = np.asarray([0, 0, 0, 1, 1, 1], np.int32)
    with pytest.raises(CorpusError, match=r"Jazz: tracks of 1 artist or groups only, 3 are needed"):
        check_groups(labels, ["a", "b", "c", "d", "d", "d"], ("Rock", "Jazz"), parts=3)
