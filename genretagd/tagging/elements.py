"""What every tag format comes down to: a list of elements, some of which are ours to touch."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from genretagd.tagging.fields import FieldRow
from genretagd.tagging.splice import Splice

LAYOUT_LIMIT: Final = 64 * 1024  # bytes of genre fields beyond which only their values are remembered

Role = Literal["primary", "stand-in", "step", "rest", "v1"]


class DamagedError(ValueError):
    """A tag that cannot be fully parsed; the message says why."""


class UnsupportedError(ValueError):
    """A file we cannot tag at all; the message says why."""


class ProtectedError(ValueError):
    """A file that must not be tagged, such as one with DRM; the message says why."""


@dataclass(frozen=True, slots=True)
class Element:
    """One field of a tag as stored: its name as the field table spells it, and its raw bytes."""

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of a file.

    Attributes
    ----------
    kind : str
        Such as ``"ID3v2.3"``; a second one in the same file is ``"ID3v2.3#2"``.
    row : FieldRow
        How this kind stores our fields.
    elements : tuple of Element
        All of its fields, in order.
    padding : int
        Unused bytes at its end that it may grow into.
    sizes : tuple of int
        Sizes of what lies outside of it and changes when it grows or shrinks, in the order of the file:
        of padding elsewhere, of pages, of a pad byte that is missing. Each format has its own.
    present : bool
        Whether the file has this tag at all.
    shape : str
        What else of the format's structure is missing where the tag is not present; one word.
    role : str
        ``"primary"`` is written, in place of it a ``"stand-in"`` that says something where it is
        empty; ``"step"`` is kept in step where it has a genre; ``"rest"`` takes the genres after the
        first; ``"v1"`` is an ID3v1 tag, for which there is an option.
    exact : bool
        Whether padding and sizes shall be exactly these, as when a former state is put back;
        otherwise growing and shrinking use padding up and give it back.
    inherited : tuple of Element
        What a poorer tag of the file says, such as ID3v1, as fields of this kind: the first that it
        gets. Many readers look at the poorer one only where there is no other.
    """

    kind: str
    row: FieldRow
    elements: tuple[Element, ...] = ()
    padding: int = 0
    sizes: tuple[int, ...] = ()
    present: bool = True
    shape: str = ""
    role: Role = field(default="primary", compare=False)
    exact: bool = False
    inherited: tuple[Element, ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of a field, in order."""
        return tuple(v for e in self.elements if e.name == name for v in self.row.decode(e.name, e.raw))

    @property
    def others(self) -> tuple[Element, ...]:
        """Return the fields that no write may change, in order."""
        touched = self.row.touched
        return tuple(e for e in self.elements if e.name not in touched)

    @property
    def genres(self) -> tuple[str, ...]:
        """Return the genres a player would show."""
        return tuple(
            genre for name in self.row.genre_names for genre in self.row.genres(name, self.values(name))
        )


class Document(Protocol):
    """A parsed file: its tags, the first of which is the format's own, and how to change them."""

    @property
    def format(self) -> str:
        """Short name of the container, such as ``"FLAC"``."""

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All tags that may carry a genre; the format's own first, present or not."""

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """Return what to change so that the file carries these tags instead; same kinds, same order.

        Raises
        ------
        UnsupportedError
            The format has no room for them.
        """


def inherited(row: FieldRow, plain: Mapping[str, bytes]) -> tuple[Element, ...]:
    """Return what a poorer tag says, as text by plain names, in fields of a row's kind."""
    return tuple(
        Element(name, row.inherit(name, plain[known]))
        for known, name in row.plain.items()
        if plain.get(known)
    )


def with_values(tag: Tag, values: Mapping[str, Sequence[str]]) -> Tag:
    """Return a tag whose fields of ours hold the given values, and none of ours besides.

    Raises
    ------
    UnsupportedError
        Its kind cannot hold them.
    """
    try:
        fresh = [
            Element(name, raw)
            for name, wanted in values.items()
            if wanted
            for raw in tag.row.encode(name, wanted)
        ]
    except (UnicodeEncodeError, struct.error, OverflowError) as exc:
        raise UnsupportedError(f"a genre that no {tag.kind} tag can hold") from exc
    if not tag.present and not fresh:
        return tag
    touched = tag.row.touched
    elements = tag.elements or (tag.inherited if fresh else ())
    first = next((i for i, e in enumerate(elements) if e.name in touched), len(elements))
    after = [e for e in elements[first:] if e.name not in touched]
    return replace(tag, elements=(*elements[:first], *fresh, *after), present=True)


def with_growth(tag: Tag, sizes: tuple[int, ...], growth: int, *, largest: int) -> tuple[int, ...]:
    """Return what becomes of a file's padding when a tag grows (or shrinks) by so many bytes.

    A former state's comes back, where the padding still has as many places; otherwise the largest
    one takes the growth up, if it can.

    Parameters
    ----------
    tag : Tag
        As it shall be.
    sizes : tuple of int
        The padding as it is, in bytes per place.
    growth : int
        How many bytes the tag grows by.
    largest : int
        Most bytes that one place can have.
    """
    if tag.exact and len(tag.sizes) == len(sizes):
        return tag.sizes
    place = max(range(len(sizes)), key=sizes.__getitem__, default=None)
    if place is None or not 0 <= sizes[place] - growth <= largest:
        return sizes
    return (*sizes[:place], sizes[place] - growth, *sizes[place + 1 :])


def layout(tag: Tag) -> tuple[str, ...]:
    """Return, as text, what makes a tag's touched part exactly restorable; empty if that is too much."""
    touched = [(i, e) for i, e in enumerate(tag.elements) if e.name in tag.row.touched]
    sizes = ",".join(map(str, tag.sizes))
    if len(sizes) + sum(len(e.raw) for _, e in touched) > LAYOUT_LIMIT:
        return ()
    head = (
        f"present={int(tag.present)} padding={tag.padding} sizes={sizes} shape={tag.shape}"
        f" bare={int(not tag.others)}"
    )
    return (head, *(f"{i} {e.raw.hex()} {e.name}" for i, e in touched))


def from_layout(tag: Tag, lines: Sequence[str]) -> Tag:
    """Return a tag with its touched part put back as `layout` described it.

    What the tag inherited when it got its first field comes and goes with that.

    Raises
    ------
    ValueError
        The description is not one of ours.
    """
    known = dict(word.split("=", 1) for word in lines[0].split(" "))
    elements = list(tag.others)
    bare = known.get("bare", "0" if known["present"] == "1" else "1") == "1"
    if bare and set(elements) <= set(tag.inherited):
        elements = []
    elif not bare and not elements:
        elements = list(tag.inherited)
    for line in lines[1:]:
        index, raw, name = line.split(" ", 2)
        elements.insert(int(index), Element(name, bytes.fromhex(raw)))
    present = known["present"] == "1" or bool(elements)
    padding = int(known["padding"])
    sizes = tuple(int(size) for size in known.get("sizes", "").split(",") if size)
    if (present, padding, sizes, tuple(elements)) == (tag.present, tag.padding, tag.sizes, tag.elements):
        return tag
    return replace(
        tag,
        elements=tuple(elements),
        padding=padding,
        sizes=sizes,
        present=present,
        shape=known["shape"],
        exact=True,
    )
