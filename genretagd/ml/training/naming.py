"""The names that a bundle will carry, checked before time is spent on what shall bear them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from genretagd.errors import CorpusError, UsageError
from genretagd.ml.bundle import unusable_labels
from genretagd.ml.training.corpus import Corpus
from genretagd.ml.training.pictures import printable


def check_names(corpus: Corpus, *, further: Iterable[str], name: str, version: str) -> None:
    """Make sure that a bundle of these names would be accepted.

    Parameters
    ----------
    corpus : Corpus
        Its labels and outside names become the bundle's.
    further : iterable of str
        What genres stated in pools mean: labels, or further outside names; empty ones are no names.
    name, version : str
        Of the bundle.

    Raises
    ------
    CorpusError
        A label or an outside name is none that a bundle may have.
    UsageError
        Name or version is blank.
    """
    for option, value in (("--name", name), ("--model-version", version)):
        if not value.strip():
            raise UsageError(f"{option} {value!r}: must not be blank")
    known = (*corpus.labels, *corpus.outside)
    problems = unusable_labels((*known, *sorted({*further} - {*known, ""})))
    if problems:
        raise CorpusError(
            f"{printable(corpus.root)}: {'; '.join(problems)}; rename the folder, or name it otherwise in "
            "--outside or --pool-genre"
        )


def place_for_bundle(given: Path) -> Path:
    """Return the directory of a bundle under a name of its own: state and report are named after it.

    Raises
    ------
    UsageError
        It is the root of a file system, which has none.
    """
    place = given.resolve() if given.name in ("", "..") else given
    if not place.name:
        raise UsageError(f"{given}: name a directory for the bundle (-o)")
    return place
