"""How the text of a field is stored in each kind of tag: encoding values to raw bytes and back.

Raw bytes are what `Element.raw` holds for the kind: a whole ID3v2 frame, a whole ``KEY=value``
comment, a whole MP4 atom, a whole ASF descriptor, a whole APEv2 item, a whole INFO chunk.
"""

from __future__ import annotations

import codecs
import re
import struct
import zlib
from collections.abc import Sequence
from typing import Final

from mutagen.id3 import TCON

_ENCODINGS: Final = ("latin-1", "utf-16", "utf-16-be", "utf-8")
ITUNES_MEAN: Final = "com.apple.iTunes"
ASF_UNICODE: Final = 0


def id3_genres(values: Sequence[str]) -> tuple[str, ...]:
    """Return the genres that TCON values mean: "(17)", "17" and "Rock" are all Rock."""
    return tuple(TCON(encoding=3, text=list(values)).genres)


def synchsafe(number: int) -> bytes:
    """Return 28 bits as four bytes of seven bits each (ID3v2.4 structure, section 6.2)."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def from_synchsafe(data: bytes) -> int | None:
    """Return the number behind `synchsafe`, or None if the bytes are not of that form."""
    if any(byte & 0x80 for byte in data):
        return None
    number = 0
    for byte in data:
        number = number << 7 | byte
    return number


def deunsynchronised(data: bytes) -> bytes:
    """Return data with the unsynchronisation scheme undone (ID3v2.4 structure, section 6.1)."""
    return data.replace(b"\xff\x00", b"\xff")


def unsynchronised(data: bytes) -> bytes:
    """Return data with the unsynchronisation scheme applied: no byte pair looks like an MPEG sync."""
    return re.sub(rb"\xff(?=[\x00\xe0-\xff]|\Z)", b"\xff\x00", data)


def id3_frame(version: int, name: str, values: Sequence[str], *, plain_sizes: bool = False) -> bytes:
    """Return an ID3v2 text frame; a name such as ``"TXXX:DESC"`` carries its description.

    Values are separated by NUL in every version. ISO-8859-1 is used where it suffices, else UTF-8
    in v2.4 and UTF-16 before it.
    """
    identifier, _, description = name.partition(":")
    texts = [description, *values] if description else list(values)
    text = "\0".join(texts)
    latin = text.isascii() if version == 4 else all(ord(c) < 256 for c in text)
    encoding = 0 if latin else 3 if version == 4 else 1
    if encoding == 1 and description:  # description and value carry a byte order mark each
        body = description.encode("utf-16") + b"\0\0" + "\0".join(values).encode("utf-16")
    else:
        body = text.encode(_ENCODINGS[encoding])
    return _id3_framed(version, identifier, bytes([encoding]) + body, plain_sizes=plain_sizes)


def guessed(data: bytes) -> str:
    """Return text of an encoding that is not told: UTF-8, even if its last character is cut, else Latin-1."""
    latin = data.decode("latin-1")
    try:
        text, _ = codecs.utf_8_decode(data, "strict", False)
    except UnicodeDecodeError:
        return latin
    return latin if text.isascii() else text


def id3_guessed_frame(version: int, name: str, data: bytes, *, plain_sizes: bool = False) -> bytes:
    """Return the frame of a text, or comment, of an encoding that is not told.

    Bytes that are not UTF-8 stay what they are: some readers guess at them, too.
    """
    text = guessed(data)
    encoding = 0 if text == data.decode("latin-1") else 3 if version == 4 else 1
    codec = _ENCODINGS[encoding]
    description = b"eng" + "\0".encode(codec) if name == "COMM" else b""
    body = bytes([encoding]) + description + text.encode(codec)
    return _id3_framed(version, name, body, plain_sizes=plain_sizes)


def _id3_framed(version: int, identifier: str, body: bytes, *, plain_sizes: bool) -> bytes:
    if version == 2:
        return identifier.encode("ascii") + len(body).to_bytes(3, "big") + body
    size = synchsafe(len(body)) if version == 4 and not plain_sizes else len(body).to_bytes(4, "big")
    return identifier.encode("ascii") + size + b"\0\0" + body


def id3_text(version: int, name: str, raw: bytes, *, unsynchronised: bool = False) -> tuple[str, ...]:
    """Return the values of an ID3v2 text frame, without the description of a TXXX; an empty frame has none.

    Parameters
    ----------
    version : int
        2, 3 or 4.
    name : str
        The frame's, with a description where it has one.
    raw : bytes
        The whole frame.
    unsynchronised : bool
        Whether the header of a v2.4 tag says that all frames are; some programs say it nowhere else.

    Raises
    ------
    ValueError
        The frame is encrypted or damaged.
    """
    body = _id3_body(version, raw, unsynchronised=unsynchronised)
    if not body:
        return ()
    if body[0] > 3:
        raise ValueError(f"frame {name} has no known text encoding")
    encoding = _ENCODINGS[body[0]]
    wide = body[0] in {1, 2}
    text = body[1:]
    if wide and len(text) % 2:
        text = text[:-1]
    values = [_decoded(part, encoding) for part in _split(text, wide=wide)]
    while values and not values[-1]:
        values.pop()
    return tuple(values[1:] if ":" in name else values)


def id3_description(version: int, raw: bytes, *, unsynchronised: bool = False) -> str | None:
    """Return the description of a TXXX frame, or None where it cannot be read; see `id3_text`."""
    try:
        body = _id3_body(version, raw, unsynchronised=unsynchronised)
        if not body or body[0] > 3:
            return None
        return _decoded(_split(body[1:], wide=body[0] in {1, 2})[0], _ENCODINGS[body[0]])
    except ValueError:
        return None


def _id3_body(version: int, raw: bytes, *, unsynchronised: bool) -> bytes:
    if version == 2:
        return raw[6:]
    flags, body = raw[9], raw[10:]
    if version == 3:
        grouped, compressed, encrypted = flags & 0x20, flags & 0x80, flags & 0x40
        skip = (4 if compressed else 0) + (1 if encrypted else 0) + (1 if grouped else 0)
    else:
        grouped, compressed, encrypted = flags & 0x40, flags & 0x08, flags & 0x04
        unsynchronised = unsynchronised or bool(flags & 0x02)
        skip = (1 if grouped else 0) + (4 if flags & 0x01 else 0)
    if encrypted:
        raise ValueError("an encrypted frame")
    body = body[skip:]
    if unsynchronised:
        body = deunsynchronised(body)
    if compressed:
        try:
            body = zlib.decompressobj().decompress(body, 1 << 20)
        except zlib.error as exc:
            raise ValueError("a compressed frame that does not decompress") from exc
    return body


def _split(data: bytes, *, wide: bool) -> list[bytes]:
    if not wide:
        return data.split(b"\0")
    parts, start = [], 0
    for position in range(0, len(data) - 1, 2):
        if data[position] == 0 == data[position + 1]:
            parts.append(data[start:position])
            start = position + 2
    return [*parts, data[start:]]


def _decoded(data: bytes, encoding: str) -> str:
    if encoding == "utf-16" and data[:2] not in {b"\xff\xfe", b"\xfe\xff"}:
        encoding = "utf-16-le"  # later values often lack the byte order mark
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise ValueError(f"text that is not {encoding}") from exc


def mp4_atom(name: bytes, *payloads: bytes) -> bytes:
    """Return an MP4 atom with a 32-bit size."""
    payload = b"".join(payloads)
    return struct.pack(">I4s", len(payload) + 8, name) + payload


def mp4_item(name: str, values: Sequence[str]) -> bytes:
    """Return an ilst item with one UTF-8 data atom per value; ``"----:NAME"`` is a freeform item."""
    data = [mp4_atom(b"data", struct.pack(">II", 1, 0), v.encode()) for v in values]
    if name.startswith("----:"):
        mean = mp4_atom(b"mean", bytes(4), ITUNES_MEAN.encode())
        return mp4_atom(b"----", mean, mp4_atom(b"name", bytes(4), name[5:].encode()), *data)
    return mp4_atom(name.encode("latin-1"), *data)


def mp4_values(raw: bytes) -> tuple[str, ...]:
    """Return the values of an ilst item: text, or for ``gnre`` the number of the genre as ``(n)``.

    Raises
    ------
    ValueError
        The item's atoms do not fit, or its text is not UTF-8.
    """
    values = []
    for name, payload in mp4_children(raw[8:]):
        if name != b"data":
            continue
        if len(payload) < 8:
            raise ValueError("a data atom that is too short")
        text = payload[8:]
        if raw[4:8] == b"gnre":
            number = int.from_bytes(text, "big")  # one more than in ID3v1
            values.append(f"({number - 1})")
        else:
            values.append(text.decode("utf-16-be" if payload[3] == 2 else "utf-8"))
    return tuple(values)


def mp4_children(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return (name, payload) of the atoms in a payload.

    Raises
    ------
    ValueError
        They do not fill it exactly.
    """
    children, position = [], 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size < 8 or position + size > len(data):
            raise ValueError(f"an atom of {size} bytes where {len(data) - position} are left")
        children.append((data[position + 4 : position + 8], data[position + 8 : position + size]))
        position += size
    return children


def asf_descriptor(name: str, value: str) -> bytes:
    """Return a descriptor of the Extended Content Description Object (ASF specification, 3.11)."""
    key, text = _utf16(name), _utf16(value)
    return struct.pack("<H", len(key)) + key + struct.pack("<HH", ASF_UNICODE, len(text)) + text


def asf_record(name: str, value: str) -> bytes:
    """Return a record of the Metadata Library Object (ASF specification, 4.8): language 0, stream 0."""
    key, text = _utf16(name), _utf16(value)
    return struct.pack("<HHHHI", 0, 0, len(key), ASF_UNICODE, len(text)) + key + text


def asf_value(kind: int, data: bytes) -> str:
    """Return an ASF attribute value as text; what is not text is shown in hexadecimal."""
    if kind != ASF_UNICODE:
        return data.hex()
    return data.decode("utf-16-le", "replace").rstrip("\0")


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def ape_item(key: str, values: Sequence[str]) -> bytes:
    """Return an APEv2 text item; values are separated by NUL."""
    value = "\0".join(values).encode()
    return struct.pack("<II", len(value), 0) + key.encode("ascii") + b"\0" + value


def ape_values(raw: bytes) -> tuple[str, ...]:
    """Return the values of an APEv2 text item; of another type, its bytes in hexadecimal."""
    flags = int.from_bytes(raw[4:8], "little")
    value = raw[raw.index(b"\0", 8) + 1 :]
    if flags & 6:
        return (value.hex(),)
    return tuple(value.decode("utf-8", "replace").split("\0"))
