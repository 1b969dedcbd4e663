"""ASF (WMA): descriptors in the header object (Advanced Systems Format specification, sections 3 and 4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from genretagd.tagging.elements import (
    DamagedError,
    Element,
    ProtectedError,
    Tag,
    UnsupportedError,
    with_growth,
)
from genretagd.tagging.fields import ASF_LIBRARY_ROW, ASF_ROW
from genretagd.tagging.splice import Splice, Window

HEADER: Final = UUID("75b22630-668e-11cf-a6d9-00aa0062ce6c").bytes_le
_CONTENT: Final = UUID("d2d0a440-e307-11d2-97f0-00a0c95ea850").bytes_le
_EXTENSION: Final = UUID("5fbf03b5-a92e-11cf-8ee3-00c00c205365").bytes_le
_LIBRARY: Final = UUID("44231c94-9498-49d1-a141-1d134e457054").bytes_le
_PADDING: Final = UUID("1806d474-cadf-4509-a4ba-9aabcb96aae8").bytes_le
_PROPERTIES: Final = UUID("8cabdca1-a947-11cf-8ee4-00c00c205365").bytes_le
_PROTECTED: Final = {
    UUID("2211b3fb-bd23-11d2-b4b7-00a0c955fc6e").bytes_le: "it is protected (content encryption)",
    UUID("298ae614-2622-4c17-b935-dae07ee9289c").bytes_le: "it is protected (extended content encryption)",
    UUID("43058533-6981-49e6-9b74-ad12cb86d58c").bytes_le: "it is protected (advanced content encryption)",
    UUID("2211b3fc-bd23-11d2-b4b7-00a0c955fc6e").bytes_le: "it carries a digital signature",
}
_HEAD: Final = 24
_TOP: Final = 30
_EXTENSION_HEAD: Final = 22
_LARGEST: Final = 1 << 28

Objects = tuple[tuple[bytes, bytes], ...]
"""(GUID, content) of each object, in order."""


@dataclass(frozen=True, slots=True)
class Asf:
    """An ASF file with its header taken apart; `_inner` are the objects of the header extension."""

    tags: tuple[Tag, ...]
    _size: int
    _header: bytes
    _outer: Objects
    _inner: Objects

    @property
    def format(self) -> str:
        """Short name of the container."""
        return "ASF"

    def splices(self, tags: Sequence[Tag], /) -> list[Splice]:
        """See `Document.splices`."""
        if tuple(tags) == self.tags:
            return []
        outer = _replaced(self._outer, _CONTENT, tags[0])
        inner = _replaced(self._inner, _LIBRARY, tags[1])
        growth = len(_rendered(self._header, outer, inner)) - len(self._header)
        sizes = iter(with_growth(tags[0], self.tags[0].sizes, growth, largest=_LARGEST))
        outer, inner = _padded(outer, sizes), _padded(inner, sizes)
        header = _rendered(self._header, outer, inner)
        growth = len(header) - len(self._header)
        if growth:
            outer = tuple(
                (guid, _resized(content, self._size, growth) if guid == _PROPERTIES else content)
                for guid, content in outer
            )
            header = _rendered(self._header, outer, inner)
        return [Splice(0, len(self._header), header)]


def parse(window: Window) -> Asf:
    """Take the header of an ASF file apart.

    Raises
    ------
    DamagedError
        It cannot be fully parsed.
    ProtectedError
        The file has DRM or a signature.
    """
    top = window.read(0, _TOP)
    size = int.from_bytes(top[16:24], "little")
    if len(top) < _TOP or top[:16] != HEADER or not _TOP <= size <= min(window.size, _LARGEST):
        raise DamagedError("the ASF header is damaged")
    header = window.read(0, size)
    outer = _objects(header[_TOP:])
    if len(outer) != int.from_bytes(top[24:28], "little"):
        raise DamagedError("the ASF header does not hold as many objects as it says")
    extensions = [content for guid, content in outer if guid == _EXTENSION]
    if len(extensions) != 1 or len(extensions[0]) < _EXTENSION_HEAD:
        raise DamagedError("the ASF header has no header extension")
    inner = _objects(extensions[0][_EXTENSION_HEAD:])
    for guid, _ in (*outer, *inner):
        if guid in _PROTECTED:
            raise ProtectedError(_PROTECTED[guid])
    contents = [content for guid, content in outer if guid == _CONTENT]
    libraries = [content for guid, content in inner if guid == _LIBRARY]
    if len(contents) > 1 or len(libraries) > 1:
        raise DamagedError("the ASF header has more than one place for the same fields")
    padding = tuple(len(content) for guid, content in (*outer, *inner) if _is_spare(guid, content))
    main = Tag("ASF", ASF_ROW, sizes=padding, present=False)
    if contents:
        main = replace(main, elements=_descriptors(contents[0]), present=True)
    rest = Tag("ASF library", ASF_LIBRARY_ROW, present=False, role="rest")
    if libraries:
        rest = replace(rest, elements=_records(libraries[0]), present=True)
    return Asf((main, rest), window.size, header, outer, inner)


def _objects(data: bytes) -> Objects:
    found = []
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position + 16 : position + _HEAD], "little")
        if size < _HEAD or position + size > len(data):
            raise DamagedError("an object of the ASF header does not fit into it")
        found.append((data[position : position + 16], data[position + _HEAD : position + size]))
        position += size
    return tuple(found)


def _descriptors(data: bytes) -> tuple[Element, ...]:
    elements, position = [], 2
    for _ in range(int.from_bytes(data[:2], "little")):
        name_end = position + 2 + int.from_bytes(data[position : position + 2], "little")
        end = name_end + 4 + int.from_bytes(data[name_end + 2 : name_end + 4], "little")
        if end > len(data):
            raise DamagedError("a descriptor of the ASF header is damaged")
        name = data[position + 2 : name_end].decode("utf-16-le", "replace").rstrip("\0")
        elements.append(Element(name, data[position:end]))
        position = end
    if position != len(data):
        raise DamagedError("the descriptors of the ASF header do not fill their object")
    return tuple(elements)


def _records(data: bytes) -> tuple[Element, ...]:
    elements, position = [], 2
    for _ in range(int.from_bytes(data[:2], "little")):
        if position + 12 > len(data):
            raise DamagedError("a record of the ASF metadata library is damaged")
        name_size, _, value_size = struct.unpack_from("<HHI", data, position + 4)
        end = position + 12 + name_size + value_size
        if end > len(data):
            raise DamagedError("a record of the ASF metadata library is damaged")
        name = data[position + 12 : position + 12 + name_size].decode("utf-16-le", "replace").rstrip("\0")
        elements.append(Element(name, data[position:end]))
        position = end
    if position != len(data):
        raise DamagedError("the records of the ASF metadata library do not fill their object")
    return tuple(elements)


def _replaced(objects: Objects, guid: bytes, tag: Tag) -> Objects:
    if len(tag.elements) >= 1 << 16:
        raise UnsupportedError("no room in the ASF header")
    content = struct.pack("<H", len(tag.elements)) + b"".join(e.raw for e in tag.elements)
    if not tag.present:
        return tuple(o for o in objects if o[0] != guid)
    if not any(o[0] == guid for o in objects):
        return (*objects, (guid, content))
    return tuple((guid, content) if o[0] == guid else o for o in objects)


def _is_spare(guid: bytes, content: bytes) -> bool:
    return guid == _PADDING and not any(content)


def _padded(objects: Objects, sizes: Iterator[int]) -> Objects:
    return tuple(
        (guid, bytes(next(sizes)) if _is_spare(guid, content) else content) for guid, content in objects
    )


def _rendered(header: bytes, outer: Objects, inner: Objects) -> bytes:
    within = b"".join(_object(guid, content) for guid, content in inner)
    parts = []
    for guid, content in outer:
        if guid == _EXTENSION:
            parts.append(_object(guid, content[:18] + len(within).to_bytes(4, "little") + within))
        else:
            parts.append(_object(guid, content))
    body = b"".join(parts)
    return header[:16] + struct.pack("<QI", _TOP + len(body), len(outer)) + header[28:_TOP] + body


def _object(guid: bytes, content: bytes) -> bytes:
    return guid + (_HEAD + len(content)).to_bytes(8, "little") + content


def _resized(properties: bytes, size: int, growth: int) -> bytes:
    if int.from_bytes(properties[16:24], "little") != size:
        return properties  # a broadcast, or a file whose size field was wrong before
    return properties[:16] + (size + growth).to_bytes(8, "little") + properties[24:]
