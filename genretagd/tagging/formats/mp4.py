"""MP4: items in moov/udta/meta/ilst (ISO/IEC 14496-12 for the boxes, iTunes for the items)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from genretagd.tagging.elements import DamagedError, Element, Tag, UnsupportedError, with_growth
from genretagd.tagging.fields import MP4_ROW
from genretagd.tagging.formats.mp4_offsets import Atom, atoms, patched_moov, shifted_rest
from genretagd.tagging.splice import Splice, Window
from genretagd.tagging.values import ITUNES_MEAN, mp4_atom, mp4_children

_LARGEST_MOOV: Final = 1 << 30
_LARGEST_FREE: Final = (1 << 32) - 9
_HANDLER: Final = mp4_atom(b"hdlr", bytes(8), b"mdirappl", bytes(9))
_KNOWN_FIRST: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the items are, as ranges within moov; a level that is missing is None.

    `spare` is the range of the free atom that follows ilst.
    """

    udta: Atom | None
    meta: Atom | None
    ilst: Atom | None
    spare: Atom | None


@dataclass(frozen=True, slots=True)
class Mp4:
    """An MP4 file with its items."""

    tag: Tag
    _window: Window
    _top: tuple[Atom, ...]
    _moov: Atom
    _data: bytes
    _place: Place

    @property
    def format(self) -> str:
        """Short name of the container."""
        return "MP4"

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The items."""
        return (self.tag,)

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """See `Document.splices`."""
        if tags[0] == self.tag:
            return []
        data = self._edited(tags[0])
        shift = len(data) - len(self._data)
        result = []
        spare = _following(self._top, self._moov)
        if spare and self._is_blank(spare):
            old = spare.size - spare.head
            (size,) = with_growth(tags[0], (old,), shift, largest=_LARGEST_FREE)
            less, more = max(old - size, 0), max(size - old, 0)
            result.append(Splice(spare.start, 4, (size + spare.head).to_bytes(4, "big")))
            result.append(Splice(spare.end - less, less, bytes(more)))
            shift += more - less
        if shift:
            data = patched_moov(data, self._moov.end, shift)
            result += shifted_rest(self._window, self._top, self._moov.end, shift)
        head = _head(b"moov", len(data), wide=self._moov.head == 16)
        return [Splice(self._moov.start, self._moov.size, head + data), *result]

    def _is_blank(self, atom: Atom) -> bool:
        content = self._window.read(atom.start + atom.head, min(atom.size - atom.head, _LARGEST_MOOV))
        return not any(content)

    def _edited(self, tag: Tag) -> bytes:
        """Return the content of moov with other items."""
        place, data = self._place, self._data
        items = b"".join(e.raw for e in tag.elements)
        if not tag.present:
            return self._without(tag.shape) if place.ilst else data
        ilst = mp4_atom(b"ilst", items)
        if not (place.udta and place.meta and place.ilst):
            meta = mp4_atom(b"meta", bytes(4), _HANDLER, ilst)
            if not place.udta:
                return data + mp4_atom(b"udta", meta)
            if not place.meta:
                return self._into(place.udta, _children_end(data, place.udta), 0, meta)
            return self._into(place.meta, place.meta.end, 0, ilst)
        growth = len(ilst) - place.ilst.size
        if not place.spare:
            return self._into(place.meta, place.ilst.start, place.ilst.size, ilst)
        spare = tag.padding if tag.exact else place.spare.size - growth
        if spare < 8:  # an atom that is used up could not be told from one that never was
            spare = place.spare.size
        fresh = ilst + mp4_atom(b"free", bytes(spare - 8))
        return self._into(place.meta, place.ilst.start, place.ilst.size + place.spare.size, fresh)

    def _without(self, level: str) -> bytes:
        """Return the content of moov without what was made for a tag that was not there before."""
        place = self._place
        assert place.udta
        assert place.meta
        assert place.ilst
        if level == "udta" and list(_names(self._data, place.udta)) == [b"meta"]:
            return self._data[: place.udta.start] + self._data[place.udta.end :]
        if level in {"udta", "meta"}:
            return self._into(place.udta, place.meta.start, place.meta.size, b"")
        return self._into(place.meta, place.ilst.start, place.ilst.size, b"")

    def _into(self, parent: Atom, start: int, length: int, fresh: bytes) -> bytes:
        """Return the content of moov with a range replaced and the sizes of the atoms around it mended."""
        growth = len(fresh) - length
        data = bytearray(self._data)
        for atom in (self._place.udta, self._place.meta):
            if atom and (atom is parent or atom.start < parent.start):
                data[atom.start : atom.start + atom.head] = _head(
                    atom.name, atom.size - atom.head + growth, wide=atom.head == 16
                )
        data[start : start + length] = fresh
        return bytes(data)


def parse(window: Window) -> Mp4:
    """Take an MP4 file apart.

    Raises
    ------
    DamagedError
        Its atoms cannot be fully parsed.
    UnsupportedError
        Its metadata is of another kind than iTunes's.
    """
    top = tuple(_top_level(window))
    found = [a for a in top if a.name == b"moov"]
    if len(found) != 1 or top[0].name not in _KNOWN_FIRST:
        raise DamagedError("the MP4 file has no single moov atom")
    moov = found[0]
    if moov.size > _LARGEST_MOOV:
        raise DamagedError("the moov atom of the MP4 file is far too large")
    data = window.read(moov.start + moov.head, moov.size - moov.head)
    place = _locate(data)
    spare = _following(top, moov)
    tag = Tag("MP4", MP4_ROW, sizes=(spare.size - spare.head,) if spare else (), present=False)
    if not place.ilst:
        shape = "udta" if not place.udta else "meta" if not place.meta else "ilst"
        return Mp4(replace(tag, shape=shape), window, top, moov, data, place)
    elements = tuple(
        Element(_item_name(data, item), data[item.start : item.end])
        for item in atoms(data, place.ilst.start + place.ilst.head, place.ilst.end)
    )
    padding = place.spare.size if place.spare else 0
    tag = replace(tag, elements=elements, padding=padding, present=True)
    return Mp4(tag, window, top, moov, data, place)


def _top_level(window: Window) -> Iterator[Atom]:
    position = 0
    while position < window.size:
        head = window.read(position, 16)
        if len(head) < 8:
            raise DamagedError("the MP4 file does not end with a whole atom")
        size, name = struct.unpack_from(">I4s", head)
        length = 8
        if size == 1 and len(head) == 16:
            size, length = int.from_bytes(head[8:], "big"), 16
        elif size == 0:
            size = window.size - position
            if name != b"mdat":
                raise UnsupportedError("an MP4 file whose last atom has no size")
        if size < length or position + size > window.size:
            raise DamagedError(f"the MP4 atom at byte {position} does not fit into the file")
        yield Atom(name, position, length, size)
        position += size


def _following(top: Sequence[Atom], moov: Atom) -> Atom | None:
    """Return the free atom that follows moov, which may use it, or None; what it holds is not looked at."""
    found = next((a for a in top if a.start == moov.end), None)
    return found if found and found.name in {b"free", b"skip"} and found.head == 8 else None


def _locate(data: bytes) -> Place:
    place = Place(None, None, None, None)
    for udta in (a for a in atoms(data, 0, len(data)) if a.name == b"udta"):
        place = place if place.udta else replace(place, udta=udta)
        for meta in (a for a in atoms(data, udta.start + udta.head, udta.end) if a.name == b"meta"):
            if place.meta:
                raise DamagedError("the MP4 file has more than one place for its items")
            place = _within(data, udta, meta)
    return place


def _within(data: bytes, udta: Atom, meta: Atom) -> Place:
    start = meta.start + meta.head
    if data[start + 4 : start + 8] == b"hdlr":
        raise UnsupportedError("an MP4 file with QuickTime metadata")
    children = list(atoms(data, start + 4, meta.end))
    handler = next((a for a in children if a.name == b"hdlr"), None)
    if handler is None or data[handler.start + 16 : handler.start + 20] != b"mdir":
        raise UnsupportedError("an MP4 file with metadata of another kind than iTunes's")
    found = [i for i, a in enumerate(children) if a.name == b"ilst"]
    if len(found) > 1:
        raise DamagedError("the MP4 file has more than one place for its items")
    if not found:
        return Place(udta, meta, None, None)
    ilst = children[found[0]]
    after = children[found[0] + 1] if found[0] + 1 < len(children) else None
    blank = after and after.name == b"free" and not any(data[after.start + 8 : after.end])
    spare = after if after and blank and after.head == 8 else None
    return Place(udta, meta, ilst, spare)


def _item_name(data: bytes, item: Atom) -> str:
    if item.head != 8:
        raise UnsupportedError("an MP4 item of more than 4 GiB")
    if item.name != b"----":
        return item.name.decode("latin-1")
    try:
        parts = dict(reversed(mp4_children(data[item.start + 8 : item.end])))
    except ValueError as exc:
        raise DamagedError("a freeform item of the MP4 file is damaged") from exc
    mean = parts.get(b"mean", b"")[4:].decode("utf-8", "replace")
    name = parts.get(b"name", b"")[4:].decode("utf-8", "replace")
    return f"----:{name}" if mean == ITUNES_MEAN else f"----:{mean}:{name}"


def _names(data: bytes, parent: Atom) -> Iterator[bytes]:
    return (a.name for a in atoms(data, parent.start + parent.head, parent.end))


def _children_end(data: bytes, parent: Atom) -> int:
    return max((a.end for a in atoms(data, parent.start + parent.head, parent.end)), default=parent.start + 8)


def _head(name: bytes, size: int, *, wide: bool) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, name, size + 16)
    if size + 8 >= 1 << 32:
        raise UnsupportedError("no room in an MP4 atom")
    return struct.pack(">I4s", size + 8, name)
