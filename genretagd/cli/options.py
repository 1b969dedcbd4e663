"""The flags that several commands share, one per option of the configuration and of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genretagd.domain import ExistingPolicy, HardlinkPolicy, Id3v1Policy, MtimePolicy

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH", help="Files, and directories with all below them.")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration file to read.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line for programs.")]
Bundle = Annotated[
    str | None,
    typer.Option("--bundle", "--model", metavar="DIR", help='Model bundle: a directory, or "default".'),
]
Excerpts = Annotated[int | None, typer.Option(help="Excerpts to listen to per track.")]
MinConfidence = Annotated[
    float | None, typer.Option(help="Decide from this confidence on, 0 to 1; 0 always decides.")
]
MinMargin = Annotated[float | None, typer.Option(help="Least difference between the two best labels.")]
MaxGenres = Annotated[int | None, typer.Option(help="At most so many genres per track.")]
MinSeconds = Annotated[float | None, typer.Option(help="Shorter audio is not judged.")]
SilenceDbfs = Annotated[float | None, typer.Option(help="Audio with a lower peak is not judged.")]
Album = Annotated[
    bool | None, typer.Option("--album/--no-album", help="Give the tracks of a folder one genre.")
]
GenreNames = Annotated[
    list[str] | None,
    typer.Option("--genre", metavar="LABEL=NAME", help='Write NAME for LABEL, as in "Hip-Hop=Rap".'),
]
Existing = Annotated[ExistingPolicy | None, typer.Option(help="What happens to a genre that is there.")]
Placeholders = Annotated[
    list[str] | None, typer.Option("--placeholders", metavar="GENRE", help="A genre that counts as absent.")
]
Protected = Annotated[
    list[str] | None, typer.Option("--protected", metavar="GENRE", help="A genre that is never removed.")
]
Mtime = Annotated[MtimePolicy | None, typer.Option(help="Modification time of a tagged file.")]
Hardlinks = Annotated[HardlinkPolicy | None, typer.Option(help="What to do with files of several names.")]
Id3v1 = Annotated[Id3v1Policy | None, typer.Option(help="Whether an ID3v1 tag's genre follows.")]
ProvenanceFields = Annotated[
    bool | None,
    typer.Option("--provenance/--no-provenance", help="Also write which model decided, and its confidence."),
]
Symlinks = Annotated[bool | None, typer.Option("--symlinks/--no-symlinks", help="Follow symbolic links.")]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="PATTERN", help="gitignore-style pattern to pass over."),
]
Workers = Annotated[int | None, typer.Option(help="Worker processes; 0 is half the cores.")]
TrackSeconds = Annotated[float | None, typer.Option(help="Time limit per track, in seconds.")]
Nice = Annotated[int | None, typer.Option(help="CPU niceness of the workers, 0 to 19.")]
Ledger = Annotated[Path | None, typer.Option(metavar="FILE", help="The ledger's file.")]
