"""The commands, by name. Each command's module imports what it needs when it runs."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from genretagd import __version__

COMMANDS = (
    "tag",
    "predict",
    "watch",
    "status",
    "undo",
    "history",
    "plugins",
    "train",
    "evaluate",
    "spectrogram",
)

app = typer.Typer(
    name="genretagd",
    help="Listens to music files and writes their genre into their tags.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"genretagd {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Listen to music files and write their genre into their tags."""


for _name in COMMANDS:
    _module = importlib.import_module(f"genretagd.cli.{_name}")
    _command = getattr(_module, _name)
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)
