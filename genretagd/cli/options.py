"""Flags that several commands share; those of the configuration's options are made from its schema."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from genretagd.config.convert import option_types
from genretagd.config.schema import SECTIONS


def named_path(text: str) -> Path:
    """Return a path as it was typed; the parser of arguments that name files and directories.

    Whether it can be read is told file by file. An empty one would be the current directory: what a shell
    makes of a variable that is not set.
    """
    if not text:
        raise typer.BadParameter("is empty, name a file or a directory")
    return Path(text)


Paths = Annotated[
    list[Path],
    typer.Argument(parser=named_path, metavar="PATH", help="Files, and directories with all below them."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", parser=named_path, metavar="FILE", help="Configuration file to read."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line for programs.")]
GenreNames = Annotated[
    list[str] | None,
    typer.Option("--genre", metavar="LABEL=NAME", help='Write NAME for LABEL, as in "Hip-Hop=Rap".'),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        parser=named_path, metavar="FILE", help="CSV with track_id and artist_group; else tracks.csv."
    ),
]
GroupPattern = Annotated[
    str | None, typer.Option(metavar="REGEX", help="Its first group is the artist in a file's name.")
]
Cache = Annotated[
    Path | None, typer.Option(parser=named_path, metavar="DIR", help="Where finished spectrograms are kept.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Processes for spectrograms; 0 is one per core.")]
MetricsJson = Annotated[bool, typer.Option("--json", help="Print the metrics as one JSON object.")]

LISTENING = ("bundle", "excerpts")
DECIDING = ("min_confidence", "min_margin", "max_genres", "min_seconds", "silence_dbfs")
WRITING = (
    "existing", "placeholders", "protected", "mtime", "hardlinks", "id3v1", "provenance", "ledger",
)  # fmt: skip
FINDING = ("ignore", "symlinks")
WORKING = ("workers", "track_seconds", "nice")
WATCHING = ("settle_seconds", "mode", "poll_seconds", "rescan_seconds", "idle_disk")
REPORTING = ("log_level", "log_format", "metrics_port")

_FURTHER_NAMES = {"bundle": ("--bundle", "--model")}
_METAVARS = {
    "bundle": "DIR",
    "ledger": "FILE",
    "ignore": "PATTERN",
    "placeholders": "GENRE",
    "protected": "GENRE",
    "metrics_port": "PORT",
}


def configurable(*groups: Iterable[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each named option of the configuration.

    The command takes a context; what was given is left in its `obj`, by option name, for
    `genretagd.cli.common.configuration`. The flags do not appear among the command's arguments.
    """
    names = [name for group in groups for name in group]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        flags = {name: _flag(name) for name in names}

        @functools.wraps(command)
        def run(**given: Any) -> None:
            given["ctx"].obj = {name: given[name] for name in names}
            command(**{name: value for name, value in given.items() if name in own.parameters})

        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=flag)
            for name, flag in flags.items()
        ]
        kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.parameters.values()]
        parameters = [*kept, *added]
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        del run.__wrapped__  # typer is to see the flags
        return run

    return decorate


def _flag(name: str) -> Any:
    section = next(kind for kind in SECTIONS.values() if name in option_types(kind))
    wanted = option_types(section)[name]
    text = next(f.metadata["help"] for f in fields(section) if f.name == name)
    if Path in typing.get_args(wanted):
        wanted = str  # made a path where that of the file is, with the same checks
    elif typing.get_origin(wanted) is tuple:
        wanted = list[typing.get_args(wanted)[0]]  # type: ignore[misc]
        text += "; repeat it for several"
    flag = "--" + name.replace("_", "-")
    names = (f"{flag}/--no-{flag[2:]}",) if wanted is bool else _FURTHER_NAMES.get(name, (flag,))
    told = text[0].upper() + text[1:] + "."
    return Annotated[wanted | None, typer.Option(*names, metavar=_METAVARS.get(name), help=told)]
