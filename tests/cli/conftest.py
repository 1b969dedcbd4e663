"""The command line, run in this process, with a small model and real files."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from genretagd.cli import main


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def genretagd(monkeypatch, capfd, repository) -> Callable[..., Result]:
    monkeypatch.setenv("GENRETAGD_BUNDLE", str(repository / "tests" / "data" / "tiny-bundle"))

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["genretagd", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        return Result(int(caught.value.code or 0), out, err)

    return run


@pytest.fixture
def album(tmp_path, repository) -> Path:
    """A folder with the same sound as MP3, FLAC and M4A, none with a genre."""
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("mp3.mp3", "flac.flac", "aac.m4a"):
        shutil.copyfile(repository / "tests" / "data" / "formats" / name, folder / name)
    return folder
