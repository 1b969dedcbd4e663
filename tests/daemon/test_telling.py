"""Who hears what became of a file, and how those who hear it are."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from genretagd.actions.plan import PluginRecord, PluginSource, PluginStatus
from genretagd.daemon.stats import Stats
from genretagd.daemon.telling import Telling
from genretagd.domain import Outcome, Status
from genretagd.events import Event, Idle


class PretendActions:
    """Takes down what it is told, and has one plugin that is not well."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    def start(self) -> None:
        pass

    def tell(self, event: Event, /) -> None:
        self.told.append(event)

    def records(self) -> list[PluginRecord]:
        source = PluginSource("webhook", "shipped", "genretagd")
        return [
            PluginRecord(
                "home",
                source,
                PluginStatus.CHECK_FAILED,
                problems=("no answer",),
                settings={"token": '"secret"'},
                last_error="no answer",
            )
        ]

    def close(self, *, drain_seconds: float) -> None:
        pass


class HangingActions(PretendActions):
    """Cannot be closed as long as it hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.answering = threading.Event()

    def close(self, *, drain_seconds: float) -> None:
        assert self.answering.wait(20)


@pytest.fixture
def actions() -> PretendActions:
    return PretendActions()


def telling(actions: PretendActions | None) -> Telling:
    return Telling(Stats(), actions=actions, news=lambda: None)


def test_how_plugins_are_is_told_without_their_settings(actions: PretendActions) -> None:
    assert telling(actions).plugins() == [
        {"name": "home", "status": "CHECK_FAILED", "problems": ["no answer"], "last_error": "no answer"}
    ]


def test_without_plugins_there_are_none_to_tell_of() -> None:
    assert telling(None).plugins() == []


def test_plugins_are_told_once_that_there_is_nothing_more_to_do(actions: PretendActions) -> None:
    here = telling(actions)
    here.idle()
    here.keep(Outcome(Path("/m/a.mp3"), Status.UNSURE, reason="below the threshold", code="unsure"))
    here.idle()
    here.idle()
    assert [isinstance(event, Idle) for event in actions.told] == [False, True]


def test_what_happens_while_one_set_of_actions_ends_is_told_to_the_next(actions: PretendActions) -> None:
    told = telling(actions)
    coming = PretendActions()

    def close(*, drain_seconds: float) -> None:
        told.keep(Outcome(Path("/m/a.mp3"), Status.UNSURE, reason="unsure"))

    actions.close = close  # type: ignore[method-assign]
    told.use(coming)
    assert [len(actions.told), len(coming.told)] == [0, 1]


def test_a_plugin_that_hangs_keeps_neither_a_reload_nor_a_stop_waiting(
    actions: PretendActions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("genretagd.daemon.telling.DRAIN_SECONDS", 0.0)
    monkeypatch.setattr("genretagd.daemon.telling.ABORT_SECONDS", 0.05)
    hanging = HangingActions()
    told = telling(hanging)
    told.use(actions)
    told.close()
    hanging.answering.set()
    assert caplog.messages == ["an action plugin hangs and cannot be ended, going on without it"]
