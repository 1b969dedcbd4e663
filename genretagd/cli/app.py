"""The commands, by name. Each command's module imports what it needs when it runs."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from genretagd import __version__
from genretagd.config.loading import unknown_variables
from genretagd.errors import EXIT_INTERRUPTED

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


class Commands(TyperGroup):
    """The group of all commands, which says what concerns each: that a variable sets nothing, or Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        for variable in unknown_variables(os.environ):
            print(f"genretagd: {variable}: no option has this variable, it sets nothing", file=sys.stderr)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            goes_on = ", the same command goes on from here" if ctx.invoked_subcommand == "train" else ""
            print(f"genretagd: interrupted{goes_on}", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    name="genretagd",
    cls=Commands,
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
