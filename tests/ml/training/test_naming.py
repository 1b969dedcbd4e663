"""Names that no bundle could carry are refused before time is spent."""

from pathlib import Path

import pytest

from genretagd.errors import CorpusError, UsageError
from genretagd.ml.training.corpus import Corpus
from genretagd.ml.training.naming import check_names, place_for_bundle


def check(labels=("Jazz", "Rock"), outside=(), further=(), name="mine", version="1"):
    check_names(Corpus(Path("music"), labels, outside, ()), further=further, name=name, version=version)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        pytest.param({"labels": ("Jazz", "Pop, Rock")}, "music: 'Pop, Rock' holds one of", id="comma"),
        pytest.param({"labels": ("Jazz", " ")}, "' ' is blank", id="blank"),
        pytest.param({"outside": ("Speech", "Speech")}, "'Speech' stands twice", id="named twice"),
        pytest.param({"outside": ("R/B",)}, "'R/B' holds one of", id="slash"),
        pytest.param({"further": ["Folk; World"]}, "'Folk; World' holds one of", id="stated in a pool"),
        pytest.param({"further": ["\udce8"]}, "no UTF-8 text", id="bytes"),
    ],
)
def test_a_name_that_cannot_be_a_label_is_refused(names, words):
    with pytest.raises(CorpusError, match=words):
        check(**names)


@pytest.mark.parametrize("field", ["name", "version"])
@pytest.mark.parametrize("value", ["", " "])
def test_a_blank_name_or_version_is_refused(field, value):
    with pytest.raises(UsageError, match="must not be blank"):
        check(**{field: value})


def test_what_pools_state_may_be_a_label_stand_often_or_have_no_name():
    check(outside=("Speech",), further=["Jazz", "Speech", "Polka", "Polka", ""])


@pytest.mark.parametrize(("given", "place"), [(".", "here"), ("sub/..", "here"), ("..", ""), ("sub", "sub")])
def test_a_place_for_a_bundle_has_a_name(tmp_path, monkeypatch, given, place):
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert place_for_bundle(Path(given)) == (Path("sub") if given == "sub" else tmp_path / place)


def test_the_root_is_no_place_for_a_bundle():
    with pytest.raises(UsageError, match="name a directory for the bundle"):
        place_for_bundle(Path("/"))
