"""What the tests of safe writes share: a write that is refused, an edit that nobody is told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from genretagd.domain import TagChange
from genretagd.errors import TagError
from genretagd.tagging import temps

Tag = Callable[..., TagChange]
NEW = ("Hip-Hop", "Jazz")


def refused(tag: Tag, path: Path, code: str, **kwargs: object) -> TagError:
    old = path.read_bytes()
    with pytest.raises(TagError) as caught:
        tag(path, NEW, **kwargs)
    assert caught.value.code == code
    assert path.read_bytes() == old
    assert not [p for p in path.parent.iterdir() if temps.is_temporary(p.name)]
    return caught.value


def edited(path: Path) -> None:
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"somebody else was here")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
