"""What the configuration asks for: which plugins, with which options, under which limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from genretagd.actions.catalog import Catalog, PluginSource
from genretagd.config import ActionConfig, did_you_mean, option, read_options
from genretagd.config.convert import between
from genretagd.errors import ConfigError

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class PluginStatus(StrEnum):
    """How an action plugin is."""

    READY = "READY"
    STARTING = "STARTING"
    DISABLED = "DISABLED"
    LOAD_FAILED = "LOAD_FAILED"
    CONFIG_INVALID = "CONFIG_INVALID"
    CHECK_FAILED = "CHECK_FAILED"

    @property
    def is_final(self) -> bool:
        """Whether only the user can change it: by mending the plugin or the configuration."""
        return self in (PluginStatus.DISABLED, PluginStatus.LOAD_FAILED, PluginStatus.CONFIG_INVALID)


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What `genretagd plugins` and `genretagd status` say about one action.

    Attributes
    ----------
    name : str
        The action.
    source : PluginSource
        Where its plugin comes from.
    status : PluginStatus
        How it is.
    problems : tuple of str
        Why it is not ready.
    options : mapping of str to str, or None
        What each option of the plugin takes, in words; None as long as it could not be loaded.
    settings : mapping of str to str
        The options as configured, without secrets; empty as long as it could not be loaded.
    handlers : tuple of str
        The kinds of event it handles.
    summary : str
        What its author says about it.
    last_error : str or None
        What went wrong last.
    """

    name: str
    source: PluginSource
    status: PluginStatus
    problems: tuple[str, ...] = ()
    options: Mapping[str, str] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    handlers: tuple[str, ...] = ()
    summary: str = ""
    last_error: str | None = None


def _named(value: str | None) -> str | None:
    return None if value is None or NAME.fullmatch(value) else "must be letters, digits and . _ -"


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every [[actions]] table may have beside the plugin's own."""

    name: str | None = option(None, "name of this action; the plugin's own if unset", check=_named)
    enabled: bool = option(True, "false switches the action off; its events wait")
    time_limit_seconds: float = option(30.0, "an event may take so long", check=between(0.1, 3600))
    max_attempts: int = option(20, "an event is given up on after so many failures", check=between(1, 1000))
    memory_megabytes: int = option(1024, "a plugin may use so much address space", check=between(64, 1 << 20))


COMMON: Final = tuple(Common.__dataclass_fields__)
"""Names that a plugin's own options cannot have."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action to run: where its plugin comes from, its options as written, its limits.

    `where` is ``file:line`` of its table.
    """

    name: str
    source: PluginSource
    options: Mapping[str, Any]
    where: str
    common: Common


def plan_actions(actions: Sequence[ActionConfig], catalog: Catalog) -> tuple[ActionSpec, ...]:
    """Return what to run for the [[actions]] tables of a configuration.

    The options of the plugins themselves are checked where the plugins are loaded: in their own
    processes.

    Raises
    ------
    ConfigError
        With every problem: an unknown plugin, a wrong common option, a name used twice.
    """
    problems: list[str] = []
    specs: dict[str, ActionSpec] = {}
    for action in actions:
        source = catalog.find(action.use)
        if source is None:
            hint = did_you_mean(action.use, catalog.names())
            problems.append(f'{action.where}: actions: no plugin is named "{action.use}"{hint}')
            continue
        spec = _spec(action, source, problems)
        if spec.name in specs:
            problems.append(
                f'{action.where}: actions.{action.use}: a second action named "{spec.name}", '
                'give it a name of its own: name = "..."'
            )
        specs[spec.name] = spec
    if problems:
        raise ConfigError(problems)
    return tuple(specs.values())


def _spec(action: ActionConfig, source: PluginSource, problems: list[str]) -> ActionSpec:
    shared = {key: value for key, value in action.options.items() if key in COMMON}
    own = {key: value for key, value in action.options.items() if key not in COMMON}

    def problem(key: str, what: str) -> None:
        problems.append(f"{action.where}: actions.{action.use}.{key}: {what}")

    common = Common(**read_options(shared, Common, problem))
    return ActionSpec(
        name=common.name or source.name, source=source, options=own, where=action.where, common=common
    )
