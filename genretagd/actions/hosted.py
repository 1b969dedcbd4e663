"""One configured plugin in its process: started when needed, checked, asked, seen through its death."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from genretagd.actions.plan import ActionSpec, PluginRecord, PluginStatus
from genretagd.actions.process import HostDied
from genretagd.actions.redaction import Redactor
from genretagd.errors import DeliveryError
from genretagd.event_json import event_from_json, event_to_json
from genretagd.events import Event, Idle, TrackMoved

START_LIMIT_SECONDS: Final = 20.0


class Host(Protocol):
    """A plugin's process."""

    def ask(self, request: Mapping[str, Any], *, limit_seconds: float) -> dict[str, Any]:
        """Send a request and return the answer; raises `HostDied`."""

    def close(self) -> None:
        """Let the plugin close, then end the process."""

    def kill(self) -> None:
        """End the process at once; safe from any thread."""

    def release(self) -> None:
        """Give its pipes back."""


class HostedPlugin:
    """A plugin, seen from the parent. Used by one thread at a time; `abort` and `record` by any.

    Parameters
    ----------
    spec : ActionSpec
        The action.
    start_host : callable
        Starts a process for it.
    redact : Redactor
        Takes the secrets of this action out of a text.
    log : logging.LoggerAdapter
        Where problems are told, but for wrong options: whoever starts the plugin tells those.
    """

    def __init__(
        self,
        spec: ActionSpec,
        *,
        start_host: Callable[[ActionSpec], Host],
        redact: Redactor,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self.spec = spec
        self.redact = redact
        self.log = log
        self.aborted = False
        self.starting = False  # or being checked: nothing it is to do has begun
        self.status = PluginStatus.STARTING if spec.common.enabled else PluginStatus.DISABLED
        self.last_error: str | None = None
        self._start_host = start_host
        self._host: Host | None = None
        self._checked = False
        self._problems: tuple[str, ...] = ()
        self._handlers: tuple[str, ...] | None = None
        self._options: Mapping[str, str] | None = None
        self._summary = ""

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._host is not None

    @property
    def has_idle(self) -> bool:
        """Whether what the plugin is told counts as delivered only when its on_idle has returned."""
        return self._handlers is not None and Idle.kind in self._handlers

    def handles(self, kind: str) -> bool:
        """Return whether the plugin is to be told events of a kind; yes, as long as nobody knows."""
        return self._handlers is None or kind in self._handlers

    def record(self) -> PluginRecord:
        """Return what to say about this action.

        Its settings only where they were found to be right: else one may be a secret, written as itself.
        """
        known = self.spec.options if self._options is not None else {}
        return PluginRecord(
            name=self.spec.name,
            source=self.spec.source,
            status=self.status,
            problems=self._problems,
            options=self._options,
            settings={
                name: self.redact(json.dumps(value, ensure_ascii=False, default=str))
                for name, value in known.items()
            },
            handlers=self._handlers or (),
            summary=self._summary,
            last_error=self.last_error,
        )

    def load(self) -> bool:
        """Start the process, load the plugin and make it with its options, if it is not; return success.

        What went wrong is in `status`, and logged once where it is not the options.
        """
        if self._host is not None:
            return True
        with self._as_starting():
            return self._start(describe_only=False)

    def describe(self) -> bool:
        """Load the plugin's class alone, for its record, and end the process; return success."""
        loaded = self._start(describe_only=True)
        self.drop()
        return loaded

    def ready(self) -> bool:
        """Load the plugin and let it check whether it can work, where that is still to be done."""
        if not self.load() or self._host is None:
            return False
        if not self._checked:
            try:
                limit = self.spec.common.time_limit_seconds
                with self._as_starting():
                    answer = self._host.ask({"do": "check"}, limit_seconds=limit)
            except DeliveryError as exc:
                answer = {"error": str(exc)}
            if not answer.get("ok"):
                return self._refused(answer, PluginStatus.CHECK_FAILED)
            self._checked = True
        self.status, self._problems = PluginStatus.READY, ()
        return True

    @contextlib.contextmanager
    def _as_starting(self) -> Iterator[None]:
        self.starting = True
        try:
            yield
        finally:
            self.starting = False

    def _start(self, *, describe_only: bool) -> bool:
        try:
            self.redact.learn()
            self._host = host = self._start_host(self.spec)
            if self.aborted:
                self.drop()
                return False
            request = start_request(self.spec, describe_only=describe_only)
            answer = host.ask(request, limit_seconds=START_LIMIT_SECONDS)
            self.redact.learn()  # the process has read its secrets meanwhile
        except DeliveryError as exc:
            return self._refused({"error": str(exc)}, PluginStatus.CHECK_FAILED)
        if not answer.get("ok"):
            return self._refused(answer, PluginStatus.LOAD_FAILED)
        self._handlers = tuple(answer["handlers"])
        self._options = dict(answer["options"])
        self._summary = str(answer["summary"])
        return True

    def tell(self, event: Event) -> TrackMoved | None:
        """Tell the plugin an event and return where it moved the track to, if it did.

        Raises
        ------
        DeliveryError
            The plugin could not act on it; `HostDied` where its process is gone, too.
        """
        if self._host is None:
            raise HostDied("its process is gone")
        answer = self._host.ask(
            {"do": "event", "event": event_to_json(event)},
            limit_seconds=self.spec.common.time_limit_seconds,
        )
        if not answer.get("ok"):
            raise _refusal(answer)
        return _move(answer)

    def note(self, exc: DeliveryError) -> str:
        """Return what went wrong, without secrets, and remember it."""
        self.last_error = self.redact(str(exc))
        return self.last_error

    def abort(self) -> None:
        """End the process at once, for good; from any thread."""
        self.aborted = True
        host = self._host
        if host is not None:
            host.kill()

    def close(self) -> None:
        """Let the plugin close and end its process."""
        if self._host is not None and not self.aborted:
            self._host.close()
        self.drop()

    def drop(self) -> None:
        """End the process without a word."""
        host, self._host = self._host, None
        self._checked = False
        if host is not None:
            host.release()

    def _refused(self, answer: Mapping[str, Any], otherwise: PluginStatus) -> bool:
        self.drop()
        if self.aborted:
            return False
        status = PluginStatus(answer.get("status", otherwise))
        problems = tuple(self.redact(str(p)) for p in answer.get("problems", [answer.get("error")]))
        if status is not PluginStatus.CONFIG_INVALID and (status, problems) != (self.status, self._problems):
            self.log.error("%s: %s", status, "; ".join(problems))
        self.status, self._problems, self.last_error = status, problems, problems[0]
        return False


def start_request(spec: ActionSpec, *, describe_only: bool = False) -> dict[str, Any]:
    """Return the first request to a plugin's process."""
    source = spec.source
    return {
        "do": "start",
        "use": source.name,
        "origin": source.origin,
        "location": source.location,
        "problem": source.problem,
        "name": spec.name,
        "options": dict(spec.options),
        "where": spec.where,
        "memory_megabytes": spec.common.memory_megabytes,
        "describe_only": describe_only,
    }


def _move(answer: Mapping[str, Any]) -> TrackMoved | None:
    if answer.get("moved") is None:
        return None
    try:
        moved = event_from_json(answer["moved"])
    except ValueError as exc:
        raise HostDied(f"its process spoke nonsense: {exc}") from exc
    if not isinstance(moved, TrackMoved):
        raise HostDied("its process spoke nonsense")
    return moved


def _refusal(answer: Mapping[str, Any]) -> DeliveryError:
    text = str(answer.get("error", "failed without a word"))
    if answer.get("exhausted"):
        return HostDied(f"{text}: out of its memory limit, its process is started anew")
    return DeliveryError(
        text,
        permanent=bool(answer.get("permanent")),
        retry_after_seconds=answer.get("retry_after_seconds"),
    )
