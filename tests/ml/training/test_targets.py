"""Teachers' opinions become targets that fit what a patch shows."""

import io

import numpy as np
import pytest

from genretagd.errors import CorpusError
from genretagd.ml.training import targets
from genretagd.ml.training.augment import Cut

ONE_ARRAY = io.BytesIO()
np.save(ONE_ARRAY, np.zeros(3))


def scores_of(n, *, windows=28, classes=6, seed=0):
    return list(np.random.default_rng(seed).uniform(0.01, 0.9, (n, windows, classes)).astype(np.float32))


def test_targets_are_standardised_over_the_tracks_they_were_fitted_on():
    scores = scores_of(40)
    teacher = targets.fit_teacher("a", scores)
    rows = np.concatenate([teacher.targets(s) for s in scores])
    assert teacher.size == 6
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(rows.std(axis=0), 1.0, atol=1e-2)


def test_a_teacher_of_many_classes_is_reduced_to_its_principal_components():
    teacher = targets.fit_teacher("a", scores_of(30, classes=100), most=12)
    rows = np.concatenate([teacher.targets(s) for s in scores_of(30, classes=100)])
    assert rows.shape[1] == teacher.size == 12
    assert (rows**2).mean() == pytest.approx(1.0, rel=0.05)


def test_a_patch_gets_the_targets_of_its_own_time():
    ramp = np.arange(28, dtype=np.float32)[:, None]
    whole = targets.spread(ramp, cut=Cut(0, 280), n_frames=280, steps=28)
    np.testing.assert_allclose(whole, ramp, atol=1e-5)
    second_half = targets.spread(ramp, cut=Cut(140, 140), n_frames=280, steps=4)
    assert (second_half > 13).all()
    assert (np.diff(second_half[:, 0]) > 0).all()


def test_musicnns_windows_are_put_where_they_lie_in_the_excerpt():
    seconds = np.arange(28, dtype=np.float32) + 1.5
    said = 1 / (1 + np.exp(-np.tile(seconds[:, None] / 10 - 1.5, (1, targets.MUSICNN_TAGS))))
    teacher = targets.fit_teacher("musicnn", [said])
    values, _ = targets.combine([(teacher, {"x": said})], "x")
    heard = (values * teacher.scale + teacher.mean + 1.5) * 10
    wanted = np.clip((np.arange(28) + 0.5) * 30 / 28, 1.5, 28.5)
    np.testing.assert_allclose(heard, np.tile(wanted[:, None], (1, targets.MUSICNN_TAGS)), atol=0.02)


def test_a_track_one_teacher_has_not_heard_keeps_the_others_targets():
    first, second = scores_of(5), scores_of(5, classes=3, seed=1)
    teachers = [
        (targets.fit_teacher("a", first), {"x": first[0]}),
        (targets.fit_teacher("b", second), {"y": second[0]}),
    ]
    values, known = targets.combine(teachers, "x")
    assert values.shape == (28, 9)
    assert known.tolist() == [1] * 6 + [0] * 3
    assert not values[:, 6:].any()
    assert targets.combine(teachers, "nobody knows it") is None


def test_scores_are_read_by_name(tmp_path):
    file = tmp_path / "teacher.npz"
    np.savez(file, track_id=np.array(["a", "b"]), tags=np.stack(scores_of(2)))
    found = targets.read_scores(file)
    assert sorted(found) == ["a", "b"]
    assert found["a"].shape == (28, 6)


@pytest.mark.parametrize(
    "content",
    [
        b"no npz at all",
        {"id": np.array(["a"])},
        {"id": np.array(["a"]), "scores": np.zeros((2, 3, 4))},
        {"id": np.array(["a"]), "scores": np.zeros((1, 0, 4))},
    ],
    ids=["another format", "no scores", "more scores than names", "no windows"],
)
def test_a_file_without_scores_is_refused_with_a_reason(tmp_path, content):
    file = tmp_path / "teacher.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.savez(file, **content)
    with pytest.raises(CorpusError, match=r"teacher\.npz: .*give an \.npz"):
        targets.read_scores(file)


@pytest.mark.parametrize("score", [float("nan"), 1.5, -0.1, "0.5"], ids=str)
def test_scores_that_are_no_shares_are_refused(tmp_path, score):
    scores = np.full((2, 28, 6), 0.5).astype(type(score))
    scores[1, 2, 3] = score
    np.savez(tmp_path / "sage.npz", id=np.array(["a", "b"]), tags=scores)
    with pytest.raises(CorpusError, match=r"sage\.npz: teacher scores must be numbers in \[0, 1\]"):
        targets.read_scores(tmp_path / "sage.npz")


def test_guesses_follow_the_labels_of_tracks_that_sound_alike_to_the_teacher():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    scores = {}
    for i, label in enumerate(truth):
        row = rng.uniform(0.05, 0.2, (28, 6))
        row[:, label] += 0.6
        scores[f"t{i}"] = row.astype(np.float32)
    labels = np.where(np.arange(60) < 30, truth, -1)
    guessed = targets.soft_genres(
        [(targets.fit_teacher("a", scores.values()), scores)],
        names=[*scores, "unheard"],
        labels=np.append(labels, -1),
        usable=np.ones(61, bool),
        outputs=("A", "B", "C"),
        n_labels=2,
    )
    assert (guessed[30:60].argmax(axis=1) == truth[30:]).all()
    np.testing.assert_allclose(guessed[:60].sum(axis=1), 1.0, rtol=1e-5)
    assert not guessed[60].any()


def test_labels_that_may_not_be_looked_at_change_no_guess():
    names = [f"t{i}" for i in range(40)]
    scores = dict(zip(names, scores_of(40), strict=True))
    teacher = [(targets.fit_teacher("a", scores.values()), scores)]
    usable = np.arange(40) < 30
    labels = np.arange(40) % 2
    others = np.where(usable, labels, 1 - labels)
    first, second = (
        targets.soft_genres(teacher, names=names, labels=given, usable=usable, outputs=("A", "B"), n_labels=2)
        for given in (labels, others)
    )
    np.testing.assert_array_equal(first, second)


def test_yamnets_own_genre_classes_are_used_where_all_labels_have_one():
    scores = scores_of(20, classes=targets.YAMNET_CLASSES)
    scores[3][:, targets.YAMNET_GENRES["Reggae"][0]] = 0.99
    own = targets.own_genres(scores, labels=("Jazz", "Reggae"))
    assert own is not None
    assert own[3].argmax() == 1
    assert targets.own_genres(scores, labels=("Jazz", "Schlager")) is None
    assert targets.own_genres(scores_of(3), labels=("Jazz",)) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "no archive of arrays"),
        (b"PK\x03\x04 cut off", "no archive of arrays"),
        (b"words", "no archive of arrays"),
        (ONE_ARRAY.getvalue(), "no archive of arrays"),
    ],
    ids=["missing", "empty", "cut off", "text", "one array"],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path, content, reason):
    file = tmp_path / "scores.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"scores\.npz: teacher scores cannot be read \({reason}\)"):
        targets.read_scores(file)
