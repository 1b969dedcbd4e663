"""What several commands share: the configuration, the ledger's place, the tracks that were named."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genretagd.config import Config, load_config, unfit_name
from genretagd.config.loading import PREFIX
from genretagd.domain import Outcome, Status
from genretagd.errors import ConfigError, TrackError, UsageError
from genretagd.logs import one_line

if TYPE_CHECKING:
    import typer

    from genretagd.ledger.journal import Journal
    from genretagd.policy import FolderPolicies
    from genretagd.workers.pool import WorkerPool


def configuration(ctx: typer.Context) -> Config:
    """Return the configuration in force for a command that `options.configurable` has given flags.

    Its parameter ``config`` names the file, and ``genre`` holds LABEL=NAME pairs, where it has them.
    The bundle, the watched directories, the ledger and the plugins' directories are absolute in it.

    Raises
    ------
    ConfigError
        With every problem of the file, the environment and the command line.
    """
    given: Mapping[str, Any] = ctx.obj or {}
    overrides = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None and value != []
    }
    config = load_config(ctx.params.get("config"), overrides=overrides)
    names, problems = dict(config.genres), []
    for pair in ctx.params.get("genre") or ():
        label, separator, name = pair.partition("=")
        if not separator or not label:
            problems.append(f'--genre: must be LABEL=NAME, as in "Hip-Hop=Rap", not "{pair}"')
        elif wrong := unfit_name(name):
            problems.append(f"--genre: {label}: {wrong}")
        names[label] = name
    if problems:
        raise ConfigError(problems)
    return dataclasses.replace(_absolute(config, named={*overrides, *os.environ}), genres=names)


def _absolute(config: Config, *, named: Container[str]) -> Config:
    """Return a configuration with whole paths: services, and the processes of plugins, run elsewhere.

    A relative path in the configuration file lies beside that, one that was `named` on the command
    line (by option) or in the environment (by variable) in the current directory.
    """

    def whole(option: str, path: Path) -> Path:
        if config.source is None or option in named or PREFIX + option.upper() in named:
            return path.absolute()
        return config.source.absolute().parent / path

    bundle, ledger = config.model.bundle, config.ledger.ledger
    if bundle != "default":
        bundle = os.fspath(whole("bundle", Path(os.path.expanduser(bundle))))  # noqa: PTH111 - "~nobody" too
    if ledger is not None:
        ledger = whole("ledger", ledger)
    watched = tuple(whole("roots", root) for root in config.watch.roots)
    directories = tuple(whole("directories", directory) for directory in config.plugins.directories)
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, bundle=bundle),
        watch=dataclasses.replace(config.watch, roots=watched),
        roots=tuple(dataclasses.replace(root, path=whole("[[roots]]", root.path)) for root in config.roots),
        ledger=dataclasses.replace(config.ledger, ledger=ledger),
        plugins=dataclasses.replace(config.plugins, directories=directories),
    )


def warn_of_labels(pool: WorkerPool, tracks: Iterable[Path], policy_for: FolderPolicies) -> None:
    """Say which labels are given a name by the user, or by folders of the tracks, that the model has not.

    Without any name, no model is loaded.
    """
    from genretagd.policy import unknown_labels

    for track in {track.parent: track for track in tracks}.values():
        with contextlib.suppress(TrackError):  # the track's outcome tells it
            policy_for(track)
    if not policy_for.labels:
        return
    with pool.worker() as worker:
        known = worker.warm()
    for problem in unknown_labels(policy_for.labels, known):
        _warn(problem)


def ledger_path(config: Config) -> Path:
    """Return the file of the ledger: the configured one, or that in the user's own state directory.

    Raises
    ------
    UsageError
        None is configured, and the user has no home.
    """
    if config.ledger.ledger is not None:
        return config.ledger.ledger
    import platformdirs

    return users_own(platformdirs.user_state_dir, else_name="a file with --ledger") / "ledger.sqlite3"


def users_own(directory: Callable[[str], str], *, else_name: str) -> Path:
    """Return our directory of a kind that platformdirs knows, which mostly lies in the user's home.

    Raises
    ------
    UsageError
        The user has no home.
    """
    try:
        return Path(directory("genretagd"))
    except RuntimeError as exc:
        raise UsageError(f"the user has no home directory, set HOME or name {else_name}") from exc


def named_tracks(paths: Iterable[Path], config: Config, problem: Callable[[Outcome], None]) -> Iterator[Path]:
    """Yield the tracks that were named on the command line: files as they are, directories walked.

    Parameters
    ----------
    paths : iterable of Path
        What was named.
    config : Config
        Says what is passed over, and whether links are followed.
    problem : callable
        Told the outcome of each directory that cannot be listed, and of what is no file.

    Raises
    ------
    UsageError
        A named path is not there, or out of reach; said before the first track is touched.
    """
    named = list(paths)
    for path in named:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise UsageError(f"{path}: no such file or directory, check the spelling") from exc
        except OSError as exc:
            raise UsageError(f"{path}: cannot be looked at: {exc.strerror}") from exc
    seen: set[Path] = set()
    for path in named:
        for track in _tracks_below(path, config, problem) if os.path.isdir(path) else (path,):  # noqa: PTH112
            if track not in seen:
                seen.add(track)
                yield track


def check_recorded(paths: Iterable[Path], journal: Journal) -> None:
    """Refuse paths that neither are there nor were, as far as can be seen and is recorded.

    Raises
    ------
    UsageError
        There is one.
    """
    for path in paths:
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            problem = "no such file or directory, and no change of it is recorded, check the spelling"
        except OSError as exc:
            problem = f"cannot be looked at ({exc.strerror}), and no change of it is recorded"
        else:
            continue
        if not journal.history(path) and not journal.changes(below=(path,)):
            raise UsageError(f"{path}: {problem}")


def _warn(problem: str) -> None:
    print(f"genretagd: {one_line(problem)}", file=sys.stderr)


def _tracks_below(directory: Path, config: Config, problem: Callable[[Outcome], None]) -> Iterator[Path]:
    from genretagd.watcher.ignoring import IgnoreRules  # `--help` does without
    from genretagd.watcher.scanning import Walk

    def unreadable(path: str, reason: str) -> None:
        problem(Outcome(Path(path), Status.FAILED, reason=f"cannot be listed: {reason}", code="unreadable"))

    def odd(path: str) -> None:
        problem(Outcome(Path(path), Status.SKIPPED, reason="no regular file", code="not a file"))

    root = os.fspath(directory)
    walk = Walk(
        IgnoreRules(root, config.library.ignore, warn=_warn),
        follow=config.library.symlinks,
        on_skip=unreadable,
        on_odd=odd,
    )
    try:
        for listing in walk.below(root.rstrip("/") or "/"):
            yield from (Path(path) for path, _ in sorted(listing.files, key=lambda item: item[0]))
    except OSError as exc:
        unreadable(root, exc.strerror or str(exc))
