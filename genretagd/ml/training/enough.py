"""Whether there is enough of each genre to learn from, to calibrate by and to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError
from genretagd.ml.training import splits
from genretagd.ml.training.corpus import Corpus, Source, counted


def ensure(
    usable: Sequence[Source], groups: Sequence[str], corpus: Corpus, *, min_tracks: int, parts: int
) -> Corpus:
    """Return the corpus with labels of enough usable tracks and groups only.

    Parameters
    ----------
    usable : sequence of Source
        The corpus' tracks that can be used.
    groups : sequence of str
        Their groups.
    corpus : Corpus
        Whose labels they are.
    min_tracks : int
        A label needs so many tracks.
    parts : int
        A label needs so many groups; 0 for evaluation, which needs no more than one track.

    Raises
    ------
    CorpusError
        A folder has too few, or fewer than two of the labels that come from tags remain.
    """
    if not parts:
        if not usable:
            raise CorpusError(f"{corpus.root}: not one usable file in it")
        return corpus
    if corpus.from_tags:
        return _without_small(usable, groups, corpus, min_tracks=min_tracks, parts=parts)
    _check(usable, groups, corpus, min_tracks=min_tracks, parts=parts)
    return corpus


def _check(
    usable: Sequence[Source], groups: Sequence[str], corpus: Corpus, *, min_tracks: int, parts: int
) -> None:
    """Refuse labels with too few, all of them at once."""
    problems = []
    names = (*corpus.labels, *corpus.outside)
    labels = np.asarray([names.index(source.genre) for source in usable], np.int32)
    for number, name in enumerate(corpus.labels):
        count = int((labels == number).sum())
        if count < min_tracks:
            problems.append(
                f"{name}: only {count} usable tracks, a genre needs at least {min_tracks}; "
                "add tracks, remove the folder, or lower --min-tracks"
            )
    if problems:
        raise CorpusError("\n".join(problems))
    splits.check_groups(labels, groups, corpus.labels, parts=parts)


def _without_small(
    usable: Sequence[Source], groups: Sequence[str], corpus: Corpus, *, min_tracks: int, parts: int
) -> Corpus:
    """Leave out the labels that `_check` would refuse, such as one whose tenth track turned out damaged."""
    small = {}
    for name in corpus.labels:
        found = [group for source, group in zip(usable, groups, strict=True) if source.genre == name]
        if len(found) < min_tracks:
            small[name] = f"{name}: only {len(found)} usable tracks, fewer than --min-tracks {min_tracks}"
        elif len(set(found)) < parts:
            small[name] = (
                f"{name}: usable tracks of {counted(len(set(found)), 'artist')} only, {parts} are needed; "
                "artists who share a recording count as one"
            )
    labels = tuple(name for name in corpus.labels if name not in small)
    if len(labels) < 2:
        raise CorpusError("\n".join([*small.values(), "fewer than two genres are left to tell apart"]))
    return replace(corpus, labels=labels, left_out=(*small.values(), *corpus.left_out))


def check_learnt(labels: NDArray[np.int32], names: Sequence[str]) -> None:
    """Refuse a part to learn from that lacks a label: artists of several genres may leave nothing else.

    Raises
    ------
    CorpusError
        With every such label.
    """
    lacking = [name for number, name in enumerate(names) if number not in labels]
    if lacking:
        raise CorpusError(
            f"{', '.join(lacking)}: no track in the part to learn from, since artists of several genres stay "
            "together; add other artists, or deal them otherwise (--seed, --folds)"
        )
