"""From a corpus as found to material that can be learnt from: pictures, labels, groups, opinions."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genretagd.errors import CorpusError
from genretagd.ml.bundle import ExcerptChoice
from genretagd.ml.frontend import FloatArray, FrontEnd
from genretagd.ml.training import enough, replicas, targets
from genretagd.ml.training.corpus import Corpus, Source, counted, from_pool
from genretagd.ml.training.groups import Grouping, Row, assign, find_table, read_table
from genretagd.ml.training.lessons import FOREIGN, HIDDEN, UNKNOWN, Material
from genretagd.ml.training.listener import Listener
from genretagd.ml.training.material import gather
from genretagd.ml.training.pictures import check_front_end, header, printable
from genretagd.ml.training.spectra import as_record, cache_place, draw_all, mel_filter_bank

SHOWN_PROBLEMS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """Where examples come from, and how they are looked at.

    Attributes
    ----------
    cache : Path
        Where spectrograms of audio files are kept and found again.
    front_end : FrontEnd
        How spectrograms are made.
    excerpts : ExcerptChoice
        What of a track is looked at.
    groups_file : Path, optional
        Table of artist groups; ``tracks.csv`` in or above the corpus where it is not given.
    group_pattern : str, optional
        Regular expression whose first group is the artist in a file's name.
    pools : tuple of Path
        Folders of further music without labels of its own.
    pool_genres : mapping of str to str
        From genres that a pool's table states (patterns allowed) to labels; a name that is no label becomes
        an outside label, an empty one says that the music is outside without a label of its own.
    teachers : tuple of Path
        Files of teachers' opinions.
    min_tracks : int
        A genre needs so many usable tracks.
    jobs : int
        Processes for making spectrograms.
    """

    cache: Path
    front_end: FrontEnd
    excerpts: ExcerptChoice
    groups_file: Path | None = None
    group_pattern: str | None = None
    pools: tuple[Path, ...] = ()
    pool_genres: Mapping[str, str] | None = None
    teachers: tuple[Path, ...] = ()
    min_tracks: int = 10
    jobs: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Material, and what is known of it.

    Attributes
    ----------
    material : Material
        The examples.
    groups : np.ndarray of str [shape=(tracks,)]
        What must not be separated.
    grouping : Grouping
        Where the groups of the corpus' tracks come from.
    names : tuple of str [length=tracks]
        To show a person.
    problems : tuple of str
        Files that were passed over, and why.
    notes : tuple of str
        What a person should know before believing a figure.
    """

    material: Material
    groups: NDArray[np.str_]
    grouping: Grouping
    names: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def prepare(
    corpus: Corpus,
    ingredients: Ingredients,
    *,
    work: Path,
    parts: int,
    listener: Listener,
    mel_basis: Callable[[], FloatArray] | None = None,
) -> Prepared:
    """Look at every file, make what spectrograms are missing, and say what cannot be used.

    Parameters
    ----------
    corpus : Corpus
        What was found.
    ingredients : Ingredients
        Where the rest comes from.
    work : Path
        Folder for the array of pictures.
    parts : int
        Each label needs so many groups; 0 for evaluation, which needs none.
    listener : Listener
        Told what happens.
    mel_basis : callable, optional
        Gives the filter bank; librosa's where it is not given.

    Raises
    ------
    CorpusError
        It cannot be trained on; as much as possible is found before any audio is decoded.
    """
    table = _table(corpus.root, ingredients.groups_file)
    pattern = _pattern(ingredients.group_pattern)
    opinions = _opinions(ingredients.teachers)
    pool, pool_rows = _pools(ingredients.pools)
    own, problems = _look(corpus.sources, ingredients.front_end)
    pool, more = _look(pool, ingredients.front_end)
    problems += more
    for problem in problems:
        listener.note(problem)
    if ingredients.groups_file is not None:
        _check_table(ingredients.groups_file, table or {}, own)
    if pattern is not None and own and not any(pattern.search(source.track_id) for source in own):
        raise CorpusError(
            f"--group-pattern {pattern.pattern!r}: finds nothing in any file name, such as {own[0].track_id}"
        )
    genres = {row.genre for row in pool_rows.values()}
    unused = _unused(ingredients.pool_genres or {}, genres)
    _check_opinions([*own, *pool], opinions)
    least = ingredients.min_tracks
    groups = assign(own, table=table, pattern=pattern).groups
    corpus = enough.ensure(own, groups, corpus, min_tracks=least, parts=parts)

    sources = [source for source in (*own, *pool) if source.genre in ("", *corpus.labels, *corpus.outside)]
    drawn = draw_all(
        sources,
        place=cache_place(ingredients.cache),
        front_end=ingredients.front_end,
        excerpts=ingredients.excerpts,
        mel_basis=mel_basis or (lambda: mel_filter_bank(ingredients.front_end)),
        jobs=ingredients.jobs,
        listener=listener,
    )
    problems = [*corpus.unreadable, *problems, *drawn.problems]
    drawable = [
        (source, path) for source, path in zip(sources, drawn.pictures, strict=True) if path is not None
    ]
    while True:
        listener.stage("reading spectrograms", 0)
        pictures, kept, unreadable = gather(
            [path for _, path in drawable],
            front_end=ingredients.front_end,
            excerpts=ingredients.excerpts,
            file=work / "pictures",
        )
        for problem in unreadable:
            listener.note(problem)
        problems += unreadable
        drawable = [drawable[index] for index in kept]
        sources = [source for source, _ in drawable]
        count = sum(1 for source in sources if source.genre)
        copies = replicas.find_copies(pictures.values, pictures.widths, pictures.track_of)
        own = sources[:count]
        grouping = assign(
            own,
            table=table,
            pattern=pattern,
            copies=[c for c in ([t for t in copy if t < count] for copy in copies) if len(c) > 1],
        )
        before, corpus = corpus, enough.ensure(own, grouping.groups, corpus, min_tracks=least, parts=parts)
        if corpus.labels == before.labels:
            break
        wanted = ("", *corpus.labels, *corpus.outside)
        drawable = [(source, path) for source, path in drawable if source.genre in wanted]

    outside = _outside_names(corpus, ingredients.pool_genres or {})
    logits = (*corpus.labels, *outside)
    index = {name: number for number, name in enumerate(logits)}
    labels = [index.get(source.genre, -1) for source in own]
    stated = [_stated(source, pool_rows, ingredients.pool_genres or {}, index) for source in sources[count:]]
    pooled = np.arange(len(sources)) >= count
    echoes = {track for copy in copies if min(copy) < count for track in copy if track >= count}
    pooled_labels = [HIDDEN if count + i in echoes else label for i, label in enumerate(stated)]
    pool_groups = [_pool_group(source, pool_rows, count + i) for i, source in enumerate(sources[count:])]
    material = Material(
        pictures,
        tuple(source.track_id for source in sources),
        np.asarray([*labels, *pooled_labels], np.int32),
        pooled,
        corpus.labels,
        outside,
        opinions,
    )
    return Prepared(
        material,
        np.asarray([*grouping.groups, *pool_groups]),
        grouping,
        tuple(_shown(source) for source in sources),
        tuple(problems),
        (
            *_notes(corpus, grouping, tracks=len(own), problems=problems, echoes=echoes),
            *_heard(material),
            *unused,
        ),
    )


def _table(root: Path, given: Path | None) -> Mapping[str, Row] | None:
    if given is not None:
        return read_table(given)
    found = find_table(root)
    return read_table(found) if found is not None else None


def _check_table(file: Path, table: Mapping[str, Row], own: Sequence[Source]) -> None:
    """Refuse a table that was named and says nothing of any track: its ids must be others."""
    if own and not any(source.track_id in table for source in own):
        named = f"it names {next(iter(table))}" if table else "it names none"
        raise CorpusError(
            f"{printable(file)}: none of its tracks is in the corpus ({named}, the corpus has "
            f"{own[0].track_id}), name tracks by their files"
        )


def _opinions(files: Sequence[Path]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Read teachers' opinions by teacher: files of one name are one teacher's."""
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for path in files:
        scores = targets.read_scores(path)
        known = found.setdefault(printable(path.stem), {})
        sizes = {row.shape[-1] for row in (*scores.values(), *known.values())}
        if len(sizes) > 1:
            raise CorpusError(
                f"{path}: scores of {' and '.join(map(str, sorted(sizes)))} classes under one name, "
                "give files of different teachers different names"
            )
        known.update(scores)
    return found


def _check_opinions(
    sources: Sequence[Source], opinions: Mapping[str, Mapping[str, NDArray[np.float32]]]
) -> None:
    """Refuse a teacher that has no opinion on any track: its ids must be others."""
    for name, scores in opinions.items():
        if sources and not any(source.track_id in scores for source in sources):
            raise CorpusError(
                f"{name}: no opinion on any track there is (it knows {next(iter(scores), 'none')}, "
                f"the corpus has {sources[0].track_id}), its ids must be file names without suffixes"
            )


def _heard(material: Material) -> list[str]:
    """Say of how many tracks each teacher has an opinion, and how many of these have several excerpts."""
    single = material.single()
    notes = []
    for name, scores in material.opinions.items():
        known = [track for track, track_id in enumerate(material.ids) if track_id in scores]
        several = sum(not single[track] for track in known)
        more = f"; {several} of them have several excerpts and teach a guess of their genre at most"
        notes.append(f"{name}: opinions on {len(known)} of {len(single)} tracks{more if several else ''}.")
    return notes


def _unused(pool_genres: Mapping[str, str], stated: Iterable[str]) -> list[str]:
    unused = [pattern for pattern in pool_genres if not fnmatch.filter(stated, pattern)]
    return [f"--pool-genre {pattern}: no track of the pools states it." for pattern in unused]


def _pattern(given: str | None) -> re.Pattern[str] | None:
    if given is None:
        return None
    try:
        pattern = re.compile(given)
    except re.error as exc:
        raise CorpusError(f"--group-pattern {given!r}: no regular expression ({exc})") from exc
    if pattern.groups < 1:
        raise CorpusError(f"--group-pattern {given!r}: put the artist into parentheses, as in '^(.+?) - '")
    return pattern


def _pools(folders: Sequence[Path]) -> tuple[list[Source], dict[Path, Row]]:
    """Find the pools' tracks, and by path what each pool's own table says of them."""
    sources: list[Source] = []
    rows: dict[Path, Row] = {}
    for folder in folders:
        found = from_pool(folder)
        table = _table(folder, None) or {}
        sources += found
        rows |= {source.path: table[source.track_id] for source in found if source.track_id in table}
    return sources, rows


def _look(sources: Sequence[Source], front_end: FrontEnd) -> tuple[list[Source], list[str]]:
    """Read the headers of pictures: drop unreadable ones, refuse another front end, take artists over."""
    record = as_record(front_end)
    kept: list[Source] = []
    problems: list[str] = []
    foreign: list[str] = []
    for source in sources:
        if source.kind == "audio":
            kept.append(source)
            continue
        try:
            size, made = header(source.path)
        except CorpusError as exc:
            problems.append(str(exc))
            continue
        try:
            check_front_end(source.path, made, size, front_end=record)
        except CorpusError as exc:
            foreign.append(str(exc))
            continue
        kept.append(replace(source, artist=made.artist) if made is not None and made.artist else source)
    if foreign:
        hidden = len(foreign) - SHOWN_PROBLEMS
        more = [f"... and {hidden} more like these"] if hidden > 0 else []
        raise CorpusError("\n".join([*foreign[:SHOWN_PROBLEMS], *more]))
    return kept, problems


def _outside_names(corpus: Corpus, pool_genres: Mapping[str, str]) -> tuple[str, ...]:
    further = sorted(set(pool_genres.values()) - {*corpus.labels, *corpus.outside, ""})
    return (*corpus.outside, *further)


def _stated(
    source: Source, rows: Mapping[Path, Row], pool_genres: Mapping[str, str], index: Mapping[str, int]
) -> int:
    row = rows.get(source.path)
    if row is None or not row.genre:
        return UNKNOWN
    for pattern, name in pool_genres.items():
        if fnmatch.fnmatchcase(row.genre, pattern):
            return index[name] if name else FOREIGN
    return index.get(row.genre, UNKNOWN)


def _pool_group(source: Source, rows: Mapping[Path, Row], number: int) -> str:
    row = rows.get(source.path)
    return f"pool:{row.group}" if row is not None and row.group else f"pool alone:{number}"


def _shown(source: Source) -> str:
    return f"{source.genre}/{source.track_id}" if source.genre else source.track_id


def _notes(
    corpus: Corpus,
    grouping: Grouping,
    *,
    tracks: int,
    problems: Sequence[str],
    echoes: set[int],
) -> tuple[str, ...]:
    known = sorted((name, count) for name, count in grouping.origins.items() if name != "alone")
    origins = ", ".join(f"{count} by {name}" for name, count in known)
    alone = grouping.origins.get("alone", 0)
    notes = [
        f"{tracks} tracks in {len(set(grouping.groups))} groups ({origins or 'nothing known of artists'})."
    ]
    if alone:
        notes.append(
            f"Of {alone} tracks no artist is known: each counts as a group of its own, so figures are "
            "too good as far as they share artists."
        )
    if grouping.merged:
        notes.append(
            f"{sum(len(c) for c in grouping.merged)} tracks sound like copies of one another "
            f"({len(grouping.merged)} recordings) and were kept together."
        )
    if echoes:
        notes.append(
            f"{len(echoes)} tracks of the pool are copies of tracks of the corpus and were not used."
        )
    if problems:
        notes.append(f"{counted(len(problems), 'file')} could not be used.")
    if corpus.left_out:
        notes.append("Left out: " + "; ".join(corpus.left_out[:SHOWN_PROBLEMS]) + ".")
    return tuple(notes)
