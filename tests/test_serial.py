"""Our dataclasses survive JSON, whatever is in them."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genretagd.domain import FileVersion, GenreTag, Prediction, TagChange
from genretagd.serial import from_json, to_json

TEXT = st.text() | st.binary().map(os.fsdecode)
VERSION = st.builds(FileVersion, *[st.integers(0, 2**63 - 1)] * 4)
GENRES = st.lists(TEXT).map(tuple)
FIELDS = st.dictionaries(TEXT, GENRES)


@given(
    st.builds(GenreTag, GENRES, FIELDS, TEXT, VERSION, st.booleans(), st.booleans())
    | st.builds(
        Prediction, st.dictionaries(TEXT, st.floats(0, 1)), *[st.floats(0, 1)] * 3, TEXT, st.floats(0, 1)
    )
    | st.builds(TagChange, TEXT.map(Path), GENRES, GENRES, FIELDS, FIELDS, VERSION, VERSION)
)
def test_every_message_survives_json(value):
    assert from_json(type(value), json.loads(json.dumps(to_json(value)))) == value


def test_silence_survives_json():
    silence = Prediction({}, 0.0, 1.0, -math.inf, "m", 0.5)

    assert from_json(Prediction, json.loads(json.dumps(to_json(silence)))) == silence


@pytest.mark.parametrize(("kind", "value"), [(FileVersion, {"device": "x"}), (FileVersion, 3), (Path, None)])
def test_what_is_not_of_the_kind_is_refused(kind, value):
    with pytest.raises(ValueError, match="not "):
        from_json(kind, value)


def test_what_has_no_form_in_json_is_refused():
    with pytest.raises(TypeError, match="bytes has no form in JSON"):
        to_json({"a": b"x"})
