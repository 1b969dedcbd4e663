"""What the Makefile hands on to genretagd."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Make = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make(repository: Path, tmp_path: Path) -> Make:
    """Run make as if all were installed, with a genretagd that prints its arguments."""
    command = tmp_path / "bin" / "genretagd"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    for stamp in (".venv", ".base", ".train"):
        (tmp_path / stamp).touch()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--silent", f"VENV={tmp_path}", *arguments],
            cwd=repository, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    ("typed", "handed_on"),
    [
        ("path/to/album", "path/to/album"),
        ("A$AP Rocky", "A$AP Rocky"),
        ("""It's  12" (`date`) #1""", """It's  12" (`date`) #1"""),
        ("~/Music/~/x", "{home}/Music/~/x"),
    ],
)
def test_a_folder_is_handed_on_as_it_is_called(make: Make, typed: str, handed_on: str) -> None:
    handed_on = handed_on.format(home=os.environ["HOME"])

    assert make("tag", f"MUSIC={typed}").stdout == f"tag\n{handed_on}\n"
    assert make("train", f"DATASET={typed}", "BUNDLE=x").stdout == f"train\n{handed_on}\n-o\nx\n"


@pytest.mark.parametrize("arguments", [["tag"], ["predict"], ["train"], ["train", "DATASET=x"]])
def test_what_is_not_named_is_asked_for(make: Make, arguments: list[str]) -> None:
    done = make(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"write make {arguments[0]} " in done.stderr
