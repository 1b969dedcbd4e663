"""Who plays: the artist in a file's tags, by the library that decodes it, and spellings of one artist."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Final

from genretagd.errors import DecodeError
from genretagd.ml.container import open_audio

KEYS: Final = ("album_artist", "albumartist", "artist")
NOBODY: Final = frozenset(
    (
        *("", "unknown", "unknownartist", "unbekannt", "unbekannterinterpret", "artisteinconnu"),
        *("various", "variousartist", "variousartists", "variousperformers", "va", "vvaa", "aavv"),
        *("diverse", "diverseinterpreten", "verschiedene", "verschiedeneinterpreten"),
        *("diverseartiesten", "diverseartister", "blandadeartister", "artistesdivers", "multiinterprètes"),
        *("variosartistas", "artistasvarios", "váriosartistas", "váriosintérpretes", "artistivari"),
        *("różniwykonawcy", "разныеисполнители", "soundtrack", "originalsoundtrack"),
    )
)
"""What programs write where a record is of many artists, or of nobody known."""


def read_artist(path: Path) -> str:
    """Return the album's artist, the track's where the album's is nobody, or "" where none is known."""
    try:
        with open_audio(path) as opened:
            tags = {**opened.stream.metadata, **opened.container.metadata}
    except DecodeError:
        return ""
    found = {str(key).casefold().replace(" ", "_"): str(value) for key, value in tags.items()}
    named = (found[key].strip() for key in KEYS if key in found)
    return next((artist for artist in named if artist_key(artist) not in NOBODY), "")


def artist_key(artist: str) -> str:
    """Return what is equal for spellings of one artist; guests ("feat. ...") do not count."""
    name = unicodedata.normalize("NFC", artist.casefold())
    lead = re.split(r"\b(?:feat|ft|featuring)\b\.?", name, maxsplit=1)[0]
    return "".join(character for character in lead if character.isalnum()) or lead.strip()
