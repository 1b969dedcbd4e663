"""Run a program for every event."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from genretagd.api import (
    DeliveryError,
    PluginError,
    Secret,
    TrackEvent,
    TrackTagged,
    TrackUnsure,
    event_to_text,
)

PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class RunCommand:
    """Run a program for every event: an argument list, never a shell.

    In the arguments, ``{path}``, ``{genre}`` (the first one), ``{genres}`` (all, separated by
    ``;``), ``{before}``, ``{confidence}``, ``{kind}`` and ``{key}`` stand for the event's values.
    What the program prints is logged. It has failed where its exit status is not 0, or where it takes
    longer than the action's ``time_limit_seconds``: then it is ended with all it started.

    Attributes
    ----------
    command : tuple of str
        The program and its arguments.
    events : tuple of str
        What to run it for.
    stdin : str
        ``"json"`` hands it the event as one line of JSON, ``"none"`` nothing.
    environment : mapping of str to str
        Its environment beside PATH, HOME and LANG; nothing else is handed on.
    secrets : mapping of str to Secret
        More of its environment, from where secrets are kept.
    directory : Path
        Where it runs.
    """

    api_version = "1.0"

    command: tuple[str, ...]
    events: tuple[Literal["tagged", "unsure", "failed", "moved"], ...] = ("tagged",)
    stdin: Literal["none", "json"] = "none"
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    directory: Path = Path("/")

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise PluginError('command: is empty, write command = ["/path/to/program", "{path}"]')
        if "{" in self.command[0]:
            raise PluginError("command: the program itself cannot come from an event")

    def check(self) -> None:
        """See that there is such a program."""
        if shutil.which(self.command[0], path=self._environment()["PATH"]) is None:
            raise PluginError(f"{self.command[0]}: no such program, write its whole path")

    def on_tagged(self, event: TrackEvent) -> None:
        """Run the program for an event."""
        if event.kind not in self.events:
            return
        values = _values(event)
        arguments = [self.command[0], *(_filled(argument, values) for argument in self.command[1:])]
        environment = self._environment()
        program = shutil.which(arguments[0], path=environment["PATH"]) or arguments[0]
        given = (event_to_text(event) + "\n").encode("ascii") if self.stdin == "json" else b""
        try:  # in our process group, so that it ends with us: at the time limit, and whatever happens to us
            done = subprocess.run(  # noqa: S603 - the user's own program, and no shell
                [program, *arguments[1:]], input=given, env=environment, cwd=self.directory, check=False
            )
        except OSError as exc:
            raise DeliveryError(f"{arguments[0]}: cannot be run: {exc.strerror}") from exc
        if done.returncode != 0:
            raise DeliveryError(f"{arguments[0]}: exit status {done.returncode}")

    on_unsure = on_failed = on_moved = on_tagged

    def _environment(self) -> dict[str, str]:
        found = {"PATH": PATH, "HOME": os.environ.get("HOME", "/"), "LANG": os.environ.get("LANG", "C.UTF-8")}
        found.update(self.environment)
        found.update({name: secret.reveal() for name, secret in self.secrets.items()})
        return found


def _values(event: TrackEvent) -> dict[str, str]:
    genres = event.after if isinstance(event, TrackTagged) else ()
    before = event.before if isinstance(event, TrackTagged | TrackUnsure) else ()
    confidence = event.confidence if isinstance(event, TrackTagged | TrackUnsure) else None
    return {
        "{path}": os.fspath(event.path),
        "{genre}": genres[0] if genres else "",
        "{genres}": ";".join(genres),
        "{before}": ";".join(before),
        "{confidence}": "" if confidence is None else f"{confidence:.4f}",
        "{kind}": event.kind,
        "{key}": event.key,
    }


def _filled(argument: str, values: Mapping[str, str]) -> str:
    """Return an argument with its values; no value is looked into for further placeholders."""
    filled, rest = "", argument
    while rest:
        name = next((name for name in values if rest.startswith(name)), None)
        if name is None:
            filled, rest = filled + rest[0], rest[1:]
            continue
        value = values[name].replace("\0", "")
        if not filled and value.startswith("-"):
            raise DeliveryError(f"{name}: begins with a dash, write --option={name}", permanent=True)
        filled, rest = filled + value, rest[len(name) :]
    return filled
