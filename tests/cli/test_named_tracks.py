"""Which tracks a command takes of what was named."""

from __future__ import annotations

import errno
import inspect
import os
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from genretagd.cli.app import app


def names(result):
    return [Path(track["path"]).name for track in result.objects]


def test_a_track_that_is_named_several_times_is_taken_once(genretagd, album):
    assert names(genretagd("predict", album / "mp3.mp3", album, album, "--json")) == [
        "mp3.mp3",
        "aac.m4a",
        "flac.flac",
    ]


def test_what_matches_a_pattern_is_passed_over(genretagd, album):
    assert names(genretagd("predict", album, "--ignore", "*.mp3", "--ignore", "/aac.*", "--json")) == [
        "flac.flac"
    ]


@pytest.mark.parametrize(("flag", "found"), [("--symlinks", 4), ("--no-symlinks", 2)])
def test_links_are_followed_where_that_is_asked_for(genretagd, album, tmp_path, flag, found):
    (tmp_path / "elsewhere").mkdir()
    (album / "aac.m4a").rename(tmp_path / "elsewhere" / "aac.m4a")
    (album / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "one.flac").write_bytes((album / "flac.flac").read_bytes())
    (album / "link.flac").symlink_to(tmp_path / "one.flac")

    assert len(genretagd("predict", album, flag, "--json").objects) == found


def test_a_folder_that_cannot_be_listed_comes_first_and_the_others_are_taken(genretagd, album, monkeypatch):
    (album / "locked").mkdir()
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)
    result = genretagd("predict", album, "--json")

    first, *others = result.objects
    assert (result.status, first["path"], len(others)) == (1, str(album / "locked"), 3)
    assert (first["status"], first["code"], first["reason"]) == (
        "failed",
        "unreadable",
        "cannot be listed: Permission denied",
    )


def named_parameters(group: typer.Typer) -> Iterator[tuple[str, typing.Any]]:
    """Yield every parameter that is a path, of all commands of a group, with what typer is told of it."""
    for command in group.registered_commands:
        signature = inspect.signature(command.callback, eval_str=True)
        for name, parameter in signature.parameters.items():
            kind, *told = typing.get_args(parameter.annotation) or (None,)
            kinds = {kind, *typing.get_args(kind)}
            if told and kinds & {Path, list[Path]}:
                yield f"{command.callback.__name__} {name}", told[0]
    for further in group.registered_groups:
        yield from named_parameters(further.typer_instance)


def test_no_command_takes_an_empty_name_for_the_current_folder():
    found = dict(named_parameters(app))
    assert {"undo paths", "train dataset", "train cache", "evaluate output", "try_one event"} <= found.keys()
    taken = []
    for name, told in found.items():
        try:
            told.parser("")
        except typer.BadParameter:
            continue
        except TypeError:  # no parser of ours
            pass
        taken.append(name)
    assert taken == []
