"""The state of a run that may be killed: kept for the same run, dropped for any other."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from genretagd.errors import DISK_TROUBLE, CorpusError, GenretagdError, UsageError
from genretagd.lease import Lease
from genretagd.ml.training.listener import Listener

PLAN: Final = "plan.json"
MARK: Final = "recipe"
"""What every plan of a training speaks of."""
LOCK: Final = "lock"
PICTURES: Final = "pictures.u8"
CLEARING: Final[Mapping[str, Any]] = {}
"""Stands for the plan while a state is removed: what is left of it must serve no run."""


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Make the folder of the state where it is missing, and have it for this process alone.

    Raises
    ------
    UsageError
        Another process is at work there: each would overwrite what the other reads. Or the folder cannot
        be made, or holds files of another origin, which would be cleared away with the state.
    GenretagdError
        The disk is full or fails while the folder is in use.
    """
    lease = Lease(work / LOCK)
    try:
        work.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(work)
        alone = lease.take()
    except OSError as exc:
        raise UsageError(
            f"{work}: cannot be made ({exc.strerror}), training needs that folder beside its output (-o)"
        ) from exc
    if not alone:
        raise UsageError(
            f"{work}: another training is at work there, wait until it is done or choose another output (-o)"
        )
    try:
        yield
    except OSError as exc:
        if exc.errno not in DISK_TROUBLE:
            raise
        raise GenretagdError(
            f"{exc.filename or work}: {exc.strerror}; what was learnt so far is kept, the same command "
            "goes on from there"
        ) from exc
    finally:
        lease.give_back()


def _refuse_foreign(work: Path) -> None:
    names = {entry.name for entry in work.iterdir()}
    others = set() if _is_ours(work / PLAN) else names - {LOCK, PICTURES, f"{PLAN}.part"}
    if others:
        raise UsageError(
            f"{work}: holds {min(others)}, which no training left there, choose another output (-o)"
        )


def _is_ours(plan: Path) -> bool:
    try:
        content = json.loads(plan.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and (content == CLEARING or MARK in content)


def begin(work: Path, asked: Mapping[str, Any], listener: Listener) -> None:
    """Keep the state of an interrupted run that was asked for the same, drop any other.

    Parameters
    ----------
    work : Path
        The folder of the state.
    asked : mapping
        All that the result depends on, as JSON; the recipe among it.
    listener : Listener
        Told which of the two happened.
    """
    known = work / PLAN
    if known.exists():
        if json.loads(known.read_text()) == asked:
            listener.note(f"{work}: going on with the run that was interrupted")
            return
        listener.note(f"{work}: left by a run with other options or data, starting anew")
        _clear(work, keep=(PLAN, LOCK, PICTURES))
    write_json(known, asked)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Let trouble with writing say what is written, which the system does not."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, exc.filename or str(path)) from exc


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file of the state for writing: it is there whole or not at all, after a power cut too."""
    part = path.with_name(f"{path.name}.part")
    with named(path), part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with whole(path) as file:
        file.write(json.dumps(content).encode())


def save_weights(model: Any, path: Path) -> None:
    """Write a network's weights, whole or not at all."""
    weights: dict[str, Any] = {f"w{i}": value for i, value in enumerate(model.get_weights())}
    with whole(path) as file:
        np.savez(file, **weights)


@contextmanager
def arrays_in(path: Path) -> Iterator[Any]:
    """Open an archive of arrays.

    Raises
    ------
    CorpusError
        It is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
        raise CorpusError(f"{path}: cannot be read ({exc}), remove it") from exc


def load_weights(model: Any, path: Path) -> None:
    """Give a network the weights that one of the same form left."""
    with arrays_in(path) as arrays:
        model.set_weights([arrays[f"w{index}"] for index in range(len(arrays.files))])


def discard(work: Path) -> None:
    """Remove the state of a run that is done, as far as the disk lets it be removed.

    Killed in between, it leaves the mark of a state, which then belongs to no run and is cleared away by
    the next one there.
    """
    with suppress(OSError):
        _clear(work, keep=(PLAN, LOCK))
        (work / PLAN).unlink()
        (work / LOCK).unlink()
        work.rmdir()


def _clear(work: Path, *, keep: Collection[str]) -> None:
    write_json(work / PLAN, CLEARING)
    for entry in work.iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def discard_if_empty(work: Path) -> None:
    """Remove the folder of a run that came to nothing before it learnt anything."""
    for name in (PICTURES, LOCK):
        (work / name).unlink(missing_ok=True)
    if not any(work.iterdir()):
        work.rmdir()
