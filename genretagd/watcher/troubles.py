"""What keeps a root, or a part of it, from being seen: said once per change, not once per look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Troubles:
    """The troubles of one root.

    Parameters
    ----------
    root : str
        The root.
    say : callable
        Told (level, text) of what a person should know.

    Attributes
    ----------
    problem : str or None
        What is wrong with the root as a whole, and what to do.
    """

    def __init__(self, root: str, say: Callable[[str, str], None]) -> None:
        self._root = root
        self._say = say
        self.problem: str | None = None
        self._mistakes: dict[str, str] = {}
        self._unlisted: dict[str, str] = {}
        self._unlisted_before: dict[str, str] = {}

    def scan_begins(self) -> None:
        """Forget what a scan finds again if it is still so."""
        self._mistakes = {}
        self._unlisted, self._unlisted_before = {}, self._unlisted

    def warn(self, problem: str) -> None:
        """Take down, and say, what is wrong with the root."""
        self.problem = problem
        self._say("warning", f"{self._root}: {problem}")

    def unlisted(self, path: str, reason: str) -> None:
        """Take down a directory that cannot be listed."""
        if reason not in {self._unlisted.get(path), self._unlisted_before.get(path)}:
            self._say("warning", f"{path}: cannot be listed ({reason}), its files are not seen")
        self._unlisted[path] = reason

    def mistake(self, path: str, exc: Exception, *, answer: str = "passing it over") -> None:
        """Take down what nobody foresaw; only the first of a scan is said."""
        text = f"unexpected {type(exc).__name__}: {exc}"
        if not self._mistakes:
            self._say("error", f"{path}: {text}, {answer}")
        self._mistakes[path] = text

    def guarded(self, ask: Callable[[str], Result], otherwise: Result) -> Callable[[str], Result]:
        """Return a function of a path that takes down its mistakes and answers `otherwise` then."""

        def asked(path: str) -> Result:
            try:
                return ask(path)
            except Exception as exc:  # noqa: BLE001 - what is odd about one file must not hide the others
                self.mistake(path, exc)
                return otherwise

        return asked

    @property
    def unlisted_count(self) -> int:
        """How many directories could not be listed."""
        return len(self._unlisted)

    def summary(self) -> str | None:
        """Return what is wrong, or None where nothing is."""
        if self.problem is not None or not self._mistakes:
            return self.problem
        path, text = next(iter(self._mistakes.items()))
        more = len(self._mistakes) - 1
        return f"{path}: {text}" + (f", and {more} more" if more else "")
