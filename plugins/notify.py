"""Send a message to people: by mail, chat or phone, through Apprise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from genretagd.api import DeliveryError, Idle, PluginError, Secret, TrackFailed, TrackTagged


@dataclass(frozen=True)
class Notify:
    """Send one message about all that was done, once there is nothing more to tag.

    A message that no service takes is sent again later; with one that takes it, it counts as sent, and
    the log says which of the others did not.

    Attributes
    ----------
    urls : tuple of Secret
        Where to, as Apprise writes it: ``mailto://...``, ``tgram://...`` and many more.
    lines : int
        At most so many tracks are named.
    failures : bool
        Name tracks that could not be processed, too.
    """

    api_version = "1.0"

    urls: tuple[Secret, ...]
    lines: int = 10
    failures: bool = True
    _tagged: list[str] = field(default_factory=list, init=False, repr=False)
    _undone: list[str] = field(default_factory=list, init=False, repr=False)
    _failed: list[str] = field(default_factory=list, init=False, repr=False)

    def check(self) -> None:
        """See that Apprise understands every address."""
        self._services()

    def on_tagged(self, event: TrackTagged) -> None:
        """Remember a tagged track."""
        genres = ", ".join(event.after) or "no genre again"
        (self._undone if event.undo else self._tagged).append(f"{_shown(event.path.name)}: {_shown(genres)}")

    def on_failed(self, event: TrackFailed) -> None:
        """Remember a track that could not be processed."""
        if self.failures:
            self._failed.append(f"{_shown(event.path.name)}: {_shown(event.reason)}")

    def on_idle(self, event: Idle) -> None:  # noqa: ARG002 - every handler is told its event
        """Send the message."""
        told = {"tagged": self._tagged, "undone": self._undone, "failed": self._failed}
        if not any(told.values()):
            return
        counts = [f"{len(lines)} {word}" for word, lines in told.items() if lines or word == "tagged"]
        title = f"genretagd: {', '.join(counts)}"
        body = "\n".join(line for lines in told.values() for line in self._some(lines))
        self._send(title, body)
        for lines in told.values():
            lines.clear()

    def _send(self, title: str, body: str) -> None:
        services = self._services()
        with ThreadPoolExecutor(len(services)) as threads:
            send = partial(_sent, title=title, body=body)
            refused = [n for n, sent in enumerate(threads.map(send, services), start=1) if not sent]
        told = f"urls: {_numbers(refused)} did not take the message"
        if len(refused) == len(services):
            raise DeliveryError(told)
        if refused:
            print(told)  # not sent again: the others would get it twice

    def _some(self, lines: list[str]) -> list[str]:
        left = len(lines) - self.lines
        return lines[: self.lines] + ([f"and {left} more"] if left > 0 else [])

    def _services(self) -> list[Any]:
        try:
            import apprise  # noqa: PLC0415 - an optional part of the installation
        except ImportError as exc:
            raise PluginError('apprise: is missing, run `pip install "genretagd[notify]"`') from exc
        if not self.urls:
            raise PluginError("urls: is empty, name the place of an address")
        services = []
        for number, url in enumerate(self.urls, start=1):
            service = apprise.Apprise()
            if not service.add(url.reveal()):
                raise PluginError(f"urls: Apprise does not understand number {number}")
            services.append(service)
        return services


def _sent(service: Any, *, title: str, body: str) -> bool:
    return bool(service.notify(title=title, body=body, body_format="text"))


def _numbers(numbers: list[int]) -> str:
    return f"number{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _shown(text: str) -> str:
    """Return text on one line, of a bounded length."""
    kept = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return kept if len(kept) <= 120 else kept[:119] + "…"
