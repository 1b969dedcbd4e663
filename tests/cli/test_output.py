"""What a run prints: the line of a track, its JSON object, the summary, and how far it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from genretagd.cli import output
from genretagd.cli.output import Reporter, as_line, as_object
from genretagd.domain import Outcome, Prediction, Status

HEARD = Prediction({"Jazz": 0.3, "Rock": 0.6, "Pop": 0.06, "Disco": 0.04}, 0.1, 240.0, -1.0, "m", 0.5)
FOREIGN = Prediction({"Jazz": 0.3, "Rock": 0.7}, 0.5, 240.0, -1.0, "m", 0.5)
NOTHING = Prediction({}, 0.0, 0.1, -1.0, "m", 0.5)
TRACK = Path("a.mp3")


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (Outcome(TRACK, Status.PREDICTED, prediction=HEARD), "predicted  a.mp3: Rock 60%, Jazz 30%, Pop 6%"),
        (
            Outcome(TRACK, Status.UNSURE, reason="outside", prediction=FOREIGN),
            "unsure     a.mp3: outside  [Rock 70%, Jazz 30%; 50% likely none of the labels]",
        ),
        (
            Outcome(TRACK, Status.UNSURE, reason="too short", prediction=NOTHING),
            "unsure     a.mp3: too short",
        ),
        (
            Outcome(TRACK, Status.TAGGED, before=("A", "B"), after=("Rock",), confidence=0.54),
            "tagged     a.mp3: A, B -> Rock  (54%)",
        ),
        (
            Outcome(TRACK, Status.WOULD_TAG, after=("Rock", "Jazz"), confidence=0.54),
            "would tag  a.mp3: (none) -> Rock, Jazz  (54%)",
        ),
        (Outcome(TRACK, Status.FAILED, reason="is damaged"), "failed     a.mp3: is damaged"),
    ],
    ids=lambda value: value.status if isinstance(value, Outcome) else "",
)
def test_a_person_reads_in_one_line_what_became_of_a_track(outcome, line):
    assert as_line(outcome) == line


def test_where_nothing_was_heard_nothing_is_said_of_how_foreign_it_is():
    told = as_object(Outcome(TRACK, Status.UNSURE, reason="too short", prediction=NOTHING))

    assert (told["outside"], told["probabilities"], told["model"]) == (None, {}, "m")


def test_the_summary_counts_and_names_reasons_the_most_frequent_of_each_status_first(capsys):
    with Reporter(4, as_json=True) as reporter:
        for status, code in (
            (Status.SKIPPED, "hard links"),
            (Status.FAILED, "corrupt"),
            (Status.SKIPPED, "read-only"),
            (Status.SKIPPED, "read-only"),
        ):
            reporter.outcome(Outcome(TRACK, status, reason="", code=code))
        status = reporter.finish()

    counted, *reasons = capsys.readouterr().err.splitlines()
    assert status == 1
    assert re.fullmatch(r"4 tracks in .+ per second\): 3 skipped, 1 failed", counted)
    assert [line.split() for line in reasons] == [
        ["failed", "1", "corrupt"],
        ["skipped", "2", "read-only"],
        ["skipped", "1", "hard", "links"],
    ]


def test_a_run_of_which_nothing_failed_exits_with_0_and_one_track_is_one_track(capsys):
    with Reporter(1, as_json=False) as reporter:
        reporter.outcome(Outcome(TRACK, Status.SKIPPED, reason="", code="hard links"))
        assert reporter.finish() == 0

    assert "\n1 track in " in capsys.readouterr().out


def test_a_program_s_standard_error_is_told_now_and_then_how_far_the_run_is(capsys, monkeypatch):
    monkeypatch.setattr(output, "PROGRESS_SECONDS", 0.0)
    with Reporter(2, as_json=True) as reporter:
        reporter.outcome(Outcome(TRACK, Status.KEPT))

    assert re.fullmatch(r"1/2 tracks, .+ per second, \d+ s left\n", capsys.readouterr().err)
