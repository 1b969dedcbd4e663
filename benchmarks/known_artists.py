"""State the genre of pool tracks whose artist is known for one, for the default model to learn from.

    python benchmarks/known_artists.py POOL FOLDER

makes FOLDER a pool for `genretagd train --pool FOLDER`: a `tracks.csv` like that of POOL, in which further
tracks state a genre, and a link to POOL's spectrograms. Only tracks of well known artists, or named after a
genre by their authors, are listed; whoever is at home in two genres is not. What POOL states stays.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

KNOWN: Mapping[str, Mapping[str, str]] = {
    "szwedzik/infinity-dayz": {
        "Rock": "Aerosmith|^Africa|Come As You Are|Guns N' Roses|Highway to Hell|Mr Blue Sky|Nick Cave"
        "|Pumped Up Kicks|Rock You Like|Seven Nation|Smells Like Teen|^ccr_",
        "Metal": "Blood and Thunder|No Guts, No Glory|^Flyleaf vs",
        "Hip-Hop": "Coolio",
        "Pop": "I'm Still Standing|LMFAO|^Maniac|^Opus",
        "Country": "John Denver",
        "Disco": "^Lady",
    },
    "kthanuku/musical-archeology": {"Rock": "Blondie|BoysDontCry|CaliforniaDreamin|monkees|roomonfire"},
    "thelaui/M.A.R.S.": {"Metal": "Obsidian Shell"},
    "trainicaa/FavMusic": {"Pop": "blinding-lights|starboy|^stay|heat-waves", "Hip-Hop": "not-afraid"},
    "AlvaroRomeral/RomeMusic": {"Rock": "^topgun_"},
    "benzobash/BazaCraft": {"Rock": "Скрябін", "Metal": "Karna"},
    "MrTecHead/The-Records-Rewritten-By-NuttyeliGaming2.0": {"Hip-Hop": "Thick Of It"},
    "adokuhara/komedas-coffee": {"Pop": "Noah Kahan"},
    "Anshu-Bisht/project-music": {"Pop": "^Closer"},
    "Hodobox/stepmania-songs": {"Hip-Hop": "^Right Round", "Metal": "^Metal Gear Rising"},
    "jwvhewitt/gearhead-caramel": {"Rock": "Grunge|Punk|Rock This House", "Jazz": "Poor Mans Groove"},
    "our-story-media/ourstory-server": {"Rock": "happyrock", "Jazz": "jazzyfrenchy"},
    "keunwoochoi/music-auto_tagging-keras": {"Jazz": "thejazzpiano"},
    "pabloalba/kam-fu": {"Rock": "^storm_full|^music_fight|^music_intro"},
    "Hikutaatti/Jazzlepack": {"Metal": "The Only Thing"},
    "SAKSham197/Spotify-Clone": {"Pop": "At My Worst"},
    "D-Sync-Vivek/Spotify-Clone-Practice": {"Pop": "Blackbear"},
}
"""Source, then genre, then a pattern that the file's name, its artist or its title must contain."""


def genre_of(track: Mapping[str, str]) -> str:
    """Return the genre that a track's artist is known for, or nothing."""
    names = (track["path"].rsplit("/", 1)[-1], track["artist"], track["title"])
    for genre, pattern in KNOWN.get(track["source_repo"], {}).items():
        if any(re.search(pattern, name) for name in names):
            return genre
    return ""


def main(pool: Path, folder: Path) -> None:
    """Write the table and the link."""
    with (pool / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    added: Counter[str] = Counter()
    for track in rows:
        if not track["my_genre"]:
            track["my_genre"] = genre_of(track)
            added[track["my_genre"]] += 1
    folder.mkdir()
    with (folder / "tracks.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    (folder / "spectrograms").symlink_to(os.path.relpath(pool / "spectrograms", folder))
    del added[""]
    print(", ".join(f"{genre} {count}" for genre, count in sorted(added.items())))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
