"""What the Makefile hands on to genretagd."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("typed", "handed_on"),
    [
        ("path/to/album", "path/to/album"),
        ("A$AP Rocky", "A$AP Rocky"),
        ("""It's  12" (`date`) #1""", """It's  12" (`date`) #1"""),
        ("~/Music/~/x", "{home}/Music/~/x"),
    ],
)
def test_a_folder_is_handed_on_as_it_is_called(
    repository: Path, tmp_path: Path, typed: str, handed_on: str
) -> None:
    command = tmp_path / "bin" / "genretagd"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    command.chmod(0o755)
    for stamp in (".venv", ".base"):  # as if all were installed
        (tmp_path / stamp).touch()

    done = subprocess.run(
        ["make", "--silent", "tag", f"VENV={tmp_path}", f"MUSIC={typed}"],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == f"tag\n{handed_on.format(home=os.environ['HOME'])}\n"
