"""From calibrated probabilities to genres, or to an abstention with its reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genretagd.domain import (
    SHORTEST_SECONDS,
    SILENCE_DBFS,
    Abstention,
    AbstentionReason,
    Decision,
    ExistingPolicy,
    Genres,
    Prediction,
)


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """When to decide, and what to call it.

    Attributes
    ----------
    min_confidence : float or None
        Least confidence in [0, 1] to decide at; None takes the bundle's own threshold; 0 always
        decides, whatever the margin and however foreign the music.
    min_margin : float
        Least difference in [0, 1] between the two most probable labels.
    max_genres : int
        At most so many genres; further ones need `min_confidence` and half the first one's
        probability of their own.
    min_seconds : float
        Shorter audio is not judged.
    silence_dbfs : float
        Audio whose peak stays below this level, in dB relative to full scale, is not judged.
    genre_names : mapping of str to str
        What to write for a label; a label not in it is written as it is, one mapped to the
        empty string is never written.
    """

    min_confidence: float | None = None
    min_margin: float = 0.0
    max_genres: int = 1
    min_seconds: float = 5.0
    silence_dbfs: float = -60.0
    genre_names: Mapping[str, str] = field(default_factory=dict)


def decide(prediction: Prediction, policy: DecisionPolicy) -> Decision:
    """Decide on the genres of a track.

    The confidence in a label is its probability times the probability that the track is one of
    the labels at all: ``p(label | inside) * (1 - outside)``.

    Parameters
    ----------
    prediction : Prediction
        What the model says.
    policy : DecisionPolicy
        When to decide.

    Returns
    -------
    Genres or Abstention
        `Genres` holds between 1 and `max_genres` distinct names.
    """
    unheard = not_judged(prediction, policy)
    if unheard:
        return unheard

    ranked = prediction.ranked()
    best, probability = ranked[0]
    inside = 1.0 - prediction.outside
    confidence = probability * inside
    threshold = policy.min_confidence
    if threshold is None:
        threshold = prediction.min_confidence
    if threshold > 0.0:
        shown = f"{best} {confidence:.0%}, threshold {threshold:.0%}"
        if confidence < threshold <= probability:
            detail = f"{prediction.outside:.0%} likely none of the labels; {shown}"
            return Abstention(AbstentionReason.OUTSIDE, detail, confidence)
        if confidence < threshold:
            return Abstention(AbstentionReason.BELOW_THRESHOLD, shown, confidence)
        margin = probability - ranked[1][1] if len(ranked) > 1 else 1.0
        if margin < policy.min_margin:
            detail = f"{best} {probability:.0%}, {ranked[1][0]} {ranked[1][1]:.0%}"
            return Abstention(AbstentionReason.MARGIN, detail, confidence)

    eligible = [label for label, p in ranked if p >= probability / 2 and p * inside >= threshold]
    names = _names(eligible, policy)
    if not names:
        detail = f"{best} is mapped to no genre"
        return Abstention(AbstentionReason.OUTSIDE, detail, confidence)
    return Genres(names, confidence)


def not_judged(prediction: Prediction, policy: DecisionPolicy) -> Abstention | None:
    """Return why a track is not judged whatever the model says of it, None where it is."""
    heard = bool(prediction.probabilities)
    least = policy.min_seconds if heard else max(policy.min_seconds, SHORTEST_SECONDS)
    if prediction.seconds < least:
        detail = f"{prediction.seconds:.1f} s of audio, fewer than {least:g} s"
        return Abstention(AbstentionReason.TOO_SHORT, detail)
    quiet = policy.silence_dbfs if heard else max(policy.silence_dbfs, SILENCE_DBFS)
    if prediction.peak_dbfs < quiet or not heard:
        return Abstention(
            AbstentionReason.SILENT, f"peak {prediction.peak_dbfs:.0f} dBFS, below {quiet:g} dBFS"
        )
    return None


def _names(labels: Sequence[str], policy: DecisionPolicy) -> tuple[str, ...]:
    names: list[str] = []
    for label in labels:
        name = policy.genre_names.get(label, label)
        if name and name not in names:
            names.append(name)
        if not names or len(names) == policy.max_genres:
            break
    return tuple(names)


def combine(existing: Sequence[str], decided: Sequence[str], policy: ExistingPolicy) -> tuple[str, ...]:
    """Return the genres a file should carry, given those it has and those decided on.

    ``keep`` leaves existing genres as they are, ``append`` adds to them what they lack (compared
    without case), ``replace`` and ``replace-ours`` put the decided ones in their place; whether
    the existing ones are ours is for the caller to know.
    """
    if existing and policy == "keep":
        return tuple(existing)
    if policy == "append":
        known = {genre.casefold() for genre in existing}
        # A name that joins several is read as these from an INFO list, and would be added again each time.
        new = ((genre, genre.casefold()) for genre in decided)
        return (*existing, *(g for g, name in new if name not in known and not {*name.split("; ")} <= known))
    return tuple(decided)


def average(predictions: Sequence[Prediction]) -> Prediction:
    """Return the prediction for an album: the mean over those of its tracks that have probabilities.

    Raises
    ------
    ValueError
        There is no prediction, or they are of several models.
    """
    judged = [p for p in predictions if p.probabilities] or list(predictions)
    if len({p.model for p in judged}) != 1:
        raise ValueError("no predictions of one model to average")
    labels = judged[0].probabilities
    count = len(judged)
    return Prediction(
        probabilities={label: sum(p.probabilities[label] for p in judged) / count for label in labels},
        outside=sum(p.outside for p in judged) / count,
        seconds=max(p.seconds for p in judged),
        peak_dbfs=max(p.peak_dbfs for p in judged),
        model=judged[0].model,
        min_confidence=judged[0].min_confidence,
    )
