"""What each stage of learning is shown, and what is kept from it."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from spectrograms import picture

from genretagd.ml.training import head, lessons, loop, recipe
from genretagd.ml.training.material import Pictures

pytest.importorskip("tensorflow")

TRAIN, HELD_OUT, POOL, POOL_HELD_OUT, POOL_COPY = (0, 1), (2,), (3, 4), (5,), (6,)
TRACKS = 7
LABELS = [0, 1, 0, lessons.UNKNOWN, 1, 0, lessons.HIDDEN]


def material(*, but=None, opinions=1.0, heard=range(TRACKS)):
    """Three labelled tracks and four of a pool; those `heard` by one teacher, `but` differently."""
    values = np.stack([picture("High", seed=seed) for seed in range(TRACKS)])
    numbers = np.arange(TRACKS, dtype=np.int32)
    rng = np.random.default_rng(0)
    scores = {f"t{track}": rng.uniform(0.1, 0.9, (28, 5)).astype(np.float32) for track in range(TRACKS)}
    scores = {name: said for name, said in scores.items() if int(name[1:]) in heard}
    if but is not None:
        scores[f"t{but}"] = scores[f"t{but}"] * opinions
    return lessons.Material(
        Pictures(values, np.full(TRACKS, 387, np.int32), numbers),
        tuple(f"t{track}" for track in range(TRACKS)),
        np.asarray(LABELS, np.int32),
        numbers >= len(TRAIN + HELD_OUT),
        ("High", "Low"),
        (),
        {"teacher": scores},
    )


class Shown:
    """Stands for `loop.fit`: notes what each stage is shown and changes every weight."""

    def __init__(self):
        self.stages = []

    def __call__(self, model, examples, *, schedule, augmentation, report, **_):
        report(loop.Progress(schedule.epochs, schedule.epochs, 1.0, None, None, 0.0))
        self.stages[-1].examples = examples
        self.stages[-1].schedule = schedule
        self.stages[-1].augmentation = augmentation
        self.stages[-1].before = {layer.name: layer.get_weights() for layer in model.layers}
        model.set_weights([weight + 1.0 for weight in model.get_weights()])
        return []

    def tell(self, name, _):
        self.stages.append(SimpleNamespace(name=name))


@pytest.fixture
def learn(monkeypatch, tmp_path):
    def run(what, *, folder="fold", **settings):
        shown = Shown()
        monkeypatch.setattr(loop, "fit", shown)
        recipe.learn(
            what,
            train=np.asarray(TRAIN, np.int32),
            valid=np.empty(0, np.int32),
            held_out=np.asarray(HELD_OUT + POOL_HELD_OUT, np.int32),
            recipe=recipe.Recipe(**settings),
            folder=tmp_path / folder,
            shared=tmp_path / f"{folder}-shared",
            report=shown.tell,
        )
        return {stage.name: stage for stage in shown.stages}

    return run


def pictures_of(stage):
    """Return which tracks a stage was shown."""
    everything = material().pictures
    return {
        track
        for track in range(TRACKS)
        for shown in stage.examples.pictures
        if np.array_equal(shown, everything.row(track))
    }


def test_opinions_are_learnt_from_the_pool_then_from_the_training_tracks_too_then_genres(learn):
    stages = learn(material(), pretrain_epochs=1, opinion_epochs=1)
    assert list(stages) == ["pretraining", "hearing the teachers out", "training"]
    assert pictures_of(stages["pretraining"]) == {*POOL, *POOL_HELD_OUT}
    assert pictures_of(stages["hearing the teachers out"]) == {*TRAIN, *POOL, *POOL_HELD_OUT}
    assert pictures_of(stages["training"]) == {*TRAIN, *POOL}
    assert not stages["pretraining"].examples.genres.any()
    assert not stages["hearing the teachers out"].examples.genres.any()


def test_settling_goes_on_from_pretraining_on_the_same_music_and_is_shared_by_the_folds(learn, tmp_path):
    settings = {"pretrain_epochs": 2, "settle_epochs": 1, "settle_rate": 1e-4}
    stages = learn(material(), **settings)
    first, second = stages["pretraining"], stages["settling"]
    assert pictures_of(second) == pictures_of(first) == {*POOL, *POOL_HELD_OUT}
    assert (second.schedule.epochs, second.schedule.learning_rate) == (1, 1e-4)
    shared = sorted(path.name for path in (tmp_path / "fold-shared").iterdir())
    assert shared == ["pretraining-done.npz", "settling-done.npz"]
    assert list(learn(material(), **settings)) == ["training"]


def test_the_last_layer_is_fitted_once_more_to_what_is_stated_of_tracks_that_may_be_learnt_from(
    learn, monkeypatch
):
    fitted = []
    monkeypatch.setattr(head, "refit", lambda model, stated, *, share: fitted.append((stated, share)))
    learn(material())
    assert not fitted
    learn(material(), refit_share=0.5)
    [(stated, share)] = fitted
    assert share == 0.5
    assert stated.genres.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert pictures_of(SimpleNamespace(examples=stated)) == {0, 1, 4}
    assert stated.share[:2].sum() == pytest.approx(stated.share[2])


def test_the_seed_network_is_not_fitted_once_more(learn, monkeypatch):
    monkeypatch.setattr(head, "refit", lambda *_, **__: pytest.fail("fitted"))
    learn(material(), refit_share=0.5, arch="seed")


def test_heads_that_learn_nothing_from_opinions_start_afresh(learn):
    stages = learn(material(), pretrain_epochs=1, opinion_epochs=1)
    first, last = stages["pretraining"].before, stages["training"].before
    for name in recipe.HEADS:
        for fresh, started in zip(first[name], last[name], strict=True):
            np.testing.assert_array_equal(fresh, started)
    assert not np.array_equal(first["conv3"][0], last["conv3"][0])


def test_tensorflow_is_told_to_run_one_operation_at_a_time_so_that_sums_round_alike(learn, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTEROP_THREADS", raising=False)
    learn(material())
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "1"


def test_the_corpus_own_opinions_count_more_than_the_pools(learn):
    stage = learn(material(), opinion_epochs=1)["hearing the teachers out"]
    assert stage.examples.share.tolist() == [recipe.OWN_SHARE] * 2 + [1.0] * 3


@pytest.mark.parametrize("track", [*HELD_OUT, *POOL_COPY])
def test_what_a_teacher_says_about_a_track_that_is_measured_on_changes_nothing(learn, track):
    usual = learn(material(), folder="a", pretrain_epochs=1, opinion_epochs=1)
    other = learn(material(but=track, opinions=0.1), folder="b", pretrain_epochs=1, opinion_epochs=1)
    for name, stage in usual.items():
        for field in ("genres", "share", "teacher", "known"):
            np.testing.assert_array_equal(
                getattr(stage.examples, field), getattr(other[name].examples, field), err_msg=name
            )


def test_a_teacher_that_has_heard_nothing_of_the_pool_is_still_listened_to(learn):
    stages = learn(material(heard=TRAIN), pretrain_epochs=1, opinion_epochs=1)
    assert list(stages) == ["hearing the teachers out", "training"]
    assert pictures_of(stages["hearing the teachers out"]) == {*TRAIN}
    assert stages["training"].examples.known[0].all()


def test_without_such_rounds_nothing_but_genres_is_learnt(learn):
    assert list(learn(material())) == ["training"]


def test_rounds_on_the_pool_alone_may_have_larger_batches(learn):
    settings = {"batch_size": 2, "pretrain_epochs": 1, "opinion_epochs": 1}
    stages = learn(material(), pretrain_batch_size=3, **settings)
    assert [stage.schedule.batch_size for stage in stages.values()] == [3, 2, 2]
    usual = learn(material(), folder="other", **settings)
    assert [stage.schedule.batch_size for stage in usual.values()] == [2, 2, 2]
