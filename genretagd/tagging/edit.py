"""What a document says about its genres, and the tags it should have instead. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from genretagd.domain import Id3v1Policy, Provenance
from genretagd.tagging.elements import DamagedError, Document, Tag, from_layout, layout, with_values
from genretagd.tagging.fields import JOINED

LAYOUT: Final = "_"
"""Field names that begin with this hold what restoring exactly needs; they are no values to compare."""

_NOT_SET: Final = frozenset({"", "0", "no", "false"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a document says: see `GenreTag` for the meaning of each."""

    genres: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]
    kind: str
    written_by_us: bool
    locked: bool


def tags_of(document: Document) -> tuple[Tag, ...]:
    """Return the tags of a document in their order, one of them with the role of the primary one.

    That is the format's own; where it is empty or not there, the first stand-in that says something.
    Most programs read one tag of a file only, the first that is not empty: so each goes on seeing what
    it saw.
    """
    chosen = own = document.tags[0]
    if not own.elements:
        chosen = next((tag for tag in document.tags if tag.role == "stand-in" and _speaks(tag)), own)
    return tuple(
        replace(tag, role="primary" if tag is chosen else "step")
        if tag.role in {"primary", "stand-in"}
        else tag
        for tag in document.tags
    )


def primary_of(tags: Sequence[Tag]) -> Tag:
    """Return the primary one of the tags that `tags_of` returned."""
    return next(tag for tag in tags if tag.role == "primary")


def read(document: Document) -> Reading:
    """Read the genre fields of a document.

    The genres are those of the primary tag; where it has none, those of the first that has some.

    Raises
    ------
    DamagedError
        A field of ours cannot be decoded.
    """
    try:
        return _read(document)
    except ValueError as exc:
        raise DamagedError(f"a genre field cannot be read: {exc}") from exc


def _read(document: Document) -> Reading:
    tags = tags_of(document)
    primary = primary_of(tags)
    rest = tuple(genre for tag in tags if tag.role == "rest" for genre in tag.genres)
    genres = primary.genres + rest
    if not genres:
        genres = next((tag.genres for tag in tags if tag.genres), ())
    fields: dict[str, tuple[str, ...]] = {}
    for tag in document.tags:
        prefix = "" if tag is document.tags[0] else f"{tag.kind}:"
        for name in sorted(tag.row.touched):
            values = tag.values(name)
            if values:
                fields[prefix + name] = values
        described = layout(tag) if _is_touched(tag, "sync") else ()
        if described:
            fields[LAYOUT + tag.kind] = described
    locks = [value for tag in tags for value in _lock(tag)]
    return Reading(
        genres=genres,
        fields=fields,
        kind=primary.kind if primary.present else f"no {primary.kind}",
        written_by_us=bool(primary.values(primary.row.model)) if primary.row.model else False,
        locked=any(value.strip().casefold() not in _NOT_SET for value in locks),
    )


def wanted(
    document: Document, genres: Sequence[str], *, provenance: Provenance | None, id3v1: Id3v1Policy
) -> list[Tag]:
    """Return the tags a document should have so that it carries the given genres.

    Tags beside the primary one are kept in step only where they have a genre already, so that
    no two of them contradict each other and none is added.
    """
    tags = tags_of(document)
    own = primary_of(tags).row
    given = _provenance(provenance) if provenance and own.model else {"model": (), "confidence": ()}
    carried = primary_of(tags).values(own.model) if own.model else ()
    if read(document).genres == tuple(genres) and carried == given["model"]:
        return list(tags)
    return [_with_genres(tag, genres, given) if _is_touched(tag, id3v1) else tag for tag in tags]


def misread(tags: Sequence[Tag], genres: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each genre that would be read as others in one of the tags that carry it, with these."""
    for row in [tag.row for tag in tags if tag.values(tag.row.genre)]:
        for genre in genres:
            meant = row.genres(row.genre, (genre,))
            if JOINED.join(meant) != genre:  # so an INFO list joins several, and others read them as one
                yield genre, meant


def restored(document: Document, fields: Mapping[str, tuple[str, ...]]) -> list[Tag]:
    """Return the tags a document had when `read` returned these fields.

    Where the kind of tag is still the same, it is put back byte for byte; where another program
    has since written another kind, its values are. An ID3v1 tag that has gone since stays away.

    Raises
    ------
    ValueError
        The fields are not such as `read` returns.
    """
    result = []
    for tag in tags_of(document):
        lines = fields.get(LAYOUT + tag.kind)
        if tag.role == "v1" and not tag.present:
            result.append(tag)
        elif lines:
            result.append(from_layout(tag, lines))
        elif tag.role == "primary":
            result.append(with_values(tag, {tag.row.genre: _values(tag, fields)}))
        else:
            result.append(tag)
    return result


def _lock(tag: Tag) -> Iterator[str]:
    """Yield the values of a lock, which a person may have typed in small letters."""
    for element in tag.elements:
        if tag.row.lock and element.name.casefold() == tag.row.lock.casefold():
            yield from tag.row.decode(element.name, element.raw)


def _speaks(tag: Tag) -> bool:
    return any(e.name != tag.row.plain.get("program") for e in tag.others)


def _is_touched(tag: Tag, id3v1: Id3v1Policy) -> bool:
    if tag.role == "step":
        return any(e.name in tag.row.genre_names for e in tag.elements)
    if tag.role == "v1":
        return tag.present and id3v1 == "sync"
    return True


def _with_genres(tag: Tag, genres: Sequence[str], given: Mapping[str, tuple[str, ...]]) -> Tag:
    own = genres[1:] if tag.role == "rest" else genres
    values: dict[str, Sequence[str]] = {tag.row.genre: own}
    if tag.role == "primary" and tag.row.model:
        values |= {tag.row.model: given["model"], tag.row.confidence: given["confidence"]}
    return with_values(tag, values)


def _provenance(provenance: Provenance) -> dict[str, tuple[str, ...]]:
    return {"model": (provenance.model,), "confidence": (f"{provenance.confidence:.4f}",)}


def _values(tag: Tag, fields: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    for name in (tag.row.genre, f"{tag.kind}:{tag.row.genre}", "TCON", "TCO", "GENRE", "Genre"):
        if name in fields:
            return fields[name]
    return ()
