"""How long work tells whoever watches what it is doing."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Is told about stages, steps and what a person should know."""

    def stage(self, title: str, /, total: int) -> None:
        """Begin a stage of so many steps; the one before has ended."""

    def step(self, detail: str = "", /, *, seconds_left: float | None = None) -> None:
        """End one step of the stage; `detail` is worth a line of its own where it is not empty.

        `seconds_left` is for those who know better than by the steps done so far.
        """

    def note(self, message: str, /) -> None:
        """Say something a person should know now."""


class Silent:
    """Listens and says nothing."""

    def stage(self, title: str, /, total: int) -> None:
        """Say nothing."""

    def step(self, detail: str = "", /, *, seconds_left: float | None = None) -> None:
        """Say nothing."""

    def note(self, message: str, /) -> None:
        """Say nothing."""
