"""Tracks with tags, and what is in a folder, for the tests of organize."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import mutagen


def put(sounds: Path, library: Path, name: str, **fields: str) -> Path:
    """Put a real MP3 with tags into the library."""
    source = next(sounds.glob("*.mp3"))
    path = library / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)
    audio = mutagen.File(path, easy=True)
    if audio.tags is None:
        audio.add_tags()
    for field in ("artist", "albumartist", "album"):
        audio.tags.pop(field, None)
    for field, value in fields.items():
        audio[field] = [value]
    audio.save()
    return path


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
