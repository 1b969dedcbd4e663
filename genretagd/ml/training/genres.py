"""What a genre is called: in tags, in folders, and in spellings that mean the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

MEANINGLESS: Final = frozenset(
    ("", "unknown", "unknowngenre", "other", "others", "misc", "miscellaneous", "none", "genre", "nogenre")
)


def first_genre(genres: Sequence[str]) -> str:
    """Return the first genre of a tag, which may hold several in one value, tidied."""
    for value in genres:
        for part in re.split(r"[;,/|\0]", value):
            if part.strip():
                return re.sub(r"\s+", " ", part).strip()
    return ""


def genre_key(genre: str) -> str:
    """Return what is equal for spellings of one genre: ``Hip-Hop``, ``hip hop``, ``HipHop``."""
    text = unicodedata.normalize("NFC", genre.casefold()).replace("&", "and").replace("'n'", "and")
    return "".join(character for character in text if character.isalnum())


def spelled_alike(names: Iterable[str]) -> list[str]:
    """Say which names of genre folders are spellings of one genre."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(genre_key(name) or name, []).append(name)
    return [
        f"{' and '.join(found)}: genre folders that differ in case, spaces, hyphens or the encoding of "
        "accents only are one genre, put their tracks into one or rename them"
        for found in alike.values()
        if len(found) > 1
    ]
