"""From probabilities to genres: rules that hold for every prediction."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genretagd.decision import DecisionPolicy, average, combine, decide
from genretagd.domain import Abstention, AbstentionReason, Genres, Prediction

LABELS = ("Classical", "Country", "Disco", "Hip-Hop", "Jazz", "Metal", "Pop", "Reggae", "Rock")
UNIT = st.floats(0, 1)


def prediction(probabilities: dict[str, float], **changes) -> Prediction:
    values = {"outside": 0.0, "seconds": 180.0, "peak_dbfs": -1.0, "model": "m", "min_confidence": 0.6}
    return Prediction(probabilities, **{**values, **changes})


@st.composite
def predictions(draw) -> Prediction:
    weights = draw(st.lists(st.floats(1e-6, 1), min_size=len(LABELS), max_size=len(LABELS)))
    shares = [weight / math.fsum(weights) for weight in weights]
    return prediction(
        dict(zip(LABELS, shares, strict=True)),
        outside=draw(UNIT),
        seconds=draw(st.floats(0, 1e5)),
        peak_dbfs=draw(st.floats(-200, 0)),
        min_confidence=draw(UNIT),
    )


policies = st.builds(
    DecisionPolicy,
    min_confidence=st.none() | UNIT,
    min_margin=UNIT,
    max_genres=st.integers(1, 10),
    min_seconds=st.floats(0, 60),
    silence_dbfs=st.floats(-120, 0),
    genre_names=st.dictionaries(st.sampled_from(LABELS), st.sampled_from(["", "A", "B"])),
)


@given(predictions(), policies)
def test_a_decision_has_between_one_and_max_genres_distinct_names(prediction, policy):
    decision = decide(prediction, policy)

    if isinstance(decision, Genres):
        assert 1 <= len(decision.names) <= policy.max_genres
        assert len(set(decision.names)) == len(decision.names)
        assert all(decision.names)


@given(predictions(), policies)
def test_the_first_genre_is_that_of_the_most_probable_label(prediction, policy):
    decision = decide(prediction, policy)

    if isinstance(decision, Genres):
        best = max(LABELS, key=lambda label: prediction.probabilities[label])
        assert prediction.probabilities[best] == prediction.ranked()[0][1]
        assert decision.names[0] == policy.genre_names.get(
            prediction.ranked()[0][0], prediction.ranked()[0][0]
        )


@given(predictions(), policies, UNIT)
def test_raising_the_threshold_never_turns_an_abstention_into_a_decision(prediction, policy, higher):
    low = DecisionPolicy(min_confidence=higher / 2, min_margin=policy.min_margin)
    high = DecisionPolicy(min_confidence=higher, min_margin=policy.min_margin)

    if higher > 0 and isinstance(decide(prediction, low), Abstention):
        assert isinstance(decide(prediction, high), Abstention)


@given(predictions())
def test_zero_confidence_always_decides_where_there_is_something_to_hear(prediction):
    policy = DecisionPolicy(min_confidence=0, min_margin=1, min_seconds=0, silence_dbfs=-300)

    assert isinstance(decide(prediction, policy), Genres)


@given(predictions(), policies)
def test_a_decision_is_never_below_the_threshold(prediction, policy):
    decision = decide(prediction, policy)
    threshold = prediction.min_confidence if policy.min_confidence is None else policy.min_confidence

    if isinstance(decision, Genres):
        assert decision.confidence >= threshold


@pytest.mark.parametrize(
    ("changes", "policy", "reason"),
    [
        ({"seconds": 4.9}, {}, AbstentionReason.TOO_SHORT),
        ({"peak_dbfs": -math.inf}, {}, AbstentionReason.SILENT),
        ({"outside": 0.5}, {}, AbstentionReason.OUTSIDE),
        ({}, {"min_confidence": 0.9}, AbstentionReason.BELOW_THRESHOLD),
        ({}, {"min_margin": 0.9}, AbstentionReason.MARGIN),
        ({}, {"genre_names": {"Rock": ""}}, AbstentionReason.OUTSIDE),
    ],
)
def test_every_abstention_says_why(changes, policy, reason):
    decision = decide(prediction({"Rock": 0.8, "Pop": 0.2}, **changes), DecisionPolicy(**policy))

    assert isinstance(decision, Abstention)
    assert decision.reason == reason
    assert decision.detail
    assert (decision.confidence is None) == (reason in {AbstentionReason.TOO_SHORT, AbstentionReason.SILENT})


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"seconds": 0.3}, AbstentionReason.TOO_SHORT, "0.3 s of audio, fewer than 0.5 s"),
        ({"peak_dbfs": -93.0}, AbstentionReason.SILENT, "peak -93 dBFS, below -90 dBFS"),
    ],
)
def test_what_the_model_could_not_hear_is_not_blamed_on_the_policy(changes, reason, detail):
    decision = decide(prediction({}, **changes), DecisionPolicy(min_seconds=0, silence_dbfs=-120))

    assert decision == Abstention(reason, detail)


def test_a_second_genre_needs_half_the_first_one_s_probability_and_the_threshold():
    policy = DecisionPolicy(min_confidence=0.3, max_genres=3)

    assert decide(prediction({"Rock": 0.5, "Pop": 0.3, "Jazz": 0.2}), policy).names == ("Rock", "Pop")
    assert decide(prediction({"Rock": 0.6, "Pop": 0.29, "Jazz": 0.11}), policy).names == ("Rock",)


def test_a_further_genre_is_as_confident_as_the_threshold_asks_also_where_the_track_may_be_outside():
    policy = DecisionPolicy(min_confidence=0.3, max_genres=3)
    shares = {"Rock": 0.5, "Pop": 0.35, "Jazz": 0.15}

    assert decide(prediction(shares, outside=0.1), policy).names == ("Rock", "Pop")
    assert decide(prediction(shares, outside=0.3), policy).names == ("Rock",)


def test_two_labels_of_one_name_make_one_genre():
    policy = DecisionPolicy(min_confidence=0.1, max_genres=2, genre_names={"Metal": "Rock"})

    assert decide(prediction({"Rock": 0.5, "Metal": 0.4, "Pop": 0.1}), policy).names == ("Rock",)


@pytest.mark.parametrize(
    ("existing", "policy", "expected"),
    [
        (("Doom",), "keep", ("Doom",)),
        ((), "keep", ("Rock",)),
        (("Doom",), "append", ("Doom", "Rock")),
        (("rock",), "append", ("rock",)),
        (("Doom",), "replace", ("Rock",)),
        (("Doom",), "replace-ours", ("Rock",)),
    ],
)
def test_existing_and_decided_genres_combine_as_the_policy_says(existing, policy, expected):
    assert combine(existing, ("Rock",), policy) == expected


def test_a_name_that_joins_several_genres_is_not_added_to_these():
    assert combine(("Doom",), ("Rap; Hip-Hop",), "append") == ("Doom", "Rap; Hip-Hop")
    assert combine(("Doom", "rap", "hip-hop"), ("Rap; Hip-Hop",), "append") == ("Doom", "rap", "hip-hop")
    assert combine(("Doom", "Rap; Hip-Hop"), ("rap; hip-hop",), "append") == ("Doom", "Rap; Hip-Hop")


def test_an_album_s_prediction_is_the_mean_over_the_tracks_that_could_be_judged():
    silent = prediction({}, peak_dbfs=-math.inf, seconds=2)
    mean = average([prediction({"Rock": 1.0, "Pop": 0.0}), prediction({"Rock": 0.5, "Pop": 0.5}), silent])

    assert mean.probabilities == {"Rock": 0.75, "Pop": 0.25}
    assert mean.peak_dbfs == -1.0
    with pytest.raises(ValueError, match="no prediction"):
        average([])
    with pytest.raises(ValueError, match="of one model"):
        average([mean, prediction({"Rock": 0.5, "Pop": 0.5}, model="another")])
