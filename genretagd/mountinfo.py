"""What Linux says is mounted: ``/proc/self/mountinfo``, see proc(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

MOUNTINFO: Final = Path("/proc/self/mountinfo")


class Entry(NamedTuple):
    """A mounted file system: its number, its device, what of that is mounted, where, and of which type."""

    number: str
    device: str
    part: str
    point: str
    type: str


def entries() -> Iterator[Entry]:
    """Yield what is mounted, later mounts after those they hide.

    Raises
    ------
    OSError
        The system does not say.
    """
    return parse(os.fsdecode(MOUNTINFO.read_bytes()))


def parse(text: str) -> Iterator[Entry]:
    """Yield the entries of such a text.

    The mount's number is field 1, the device's field 3, what of it is mounted field 4, the mount point field
    5, and the type follows "-". Only a line feed ends an entry: in a name all else is possible.
    """
    for line in text.split("\n"):
        fields = line.split(" ")
        if len(fields) > 6 and "-" in fields[6:]:
            yield Entry(
                fields[0], fields[2], fields[3], _unescaped(fields[4]), fields[fields.index("-", 6) + 1]
            )


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
