"""What the wheel holds: the plugins, the model, and nothing large beside them."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, repository) -> Path:
    return Path(next(WheelBuilder(str(repository)).build(directory=str(tmp_path_factory.mktemp("dist")))))


def test_the_wheel_is_under_10_megabytes(wheel):
    assert wheel.stat().st_size < 10 * MEGABYTE


def test_the_wheel_holds_the_shipped_plugins_the_default_model_and_the_type_marker(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    plugins = {f"genretagd/shipped_plugins/{path.name}" for path in (repository / "plugins").glob("*.py")}

    assert len(plugins) >= 12
    assert plugins <= names
    assert {f"genretagd/data/default/{name}" for name in ("bundle.json", "mel.npy", "model.tflite")} <= names
    assert "genretagd/py.typed" in names


def test_the_wheel_holds_no_tests_and_no_recordings(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert not [name for name in names if name.split("/")[0] != "genretagd" and ".dist-info/" not in name]
    assert not [name for name in names if name.endswith((".mp3", ".flac", ".png", ".wav"))]


def test_what_to_install_is_written_so_that_every_shell_takes_it(repository):
    texts = [
        path
        for place, pattern in {"genretagd": "*.py", "plugins": "*.py", "docs": "*.md", ".": "*.md"}.items()
        for path in (repository / place).glob(f"**/{pattern}" if place != "." else pattern)
    ]
    found = {path.name for path in texts if "pip install" in path.read_text(encoding="utf-8")}
    bare = [path for path in texts if re.search(r"pip install [\w.]+\[", path.read_text(encoding="utf-8"))]

    assert {"README.md", "mqtt.py", "training.py"} <= found
    assert not bare, "zsh takes the brackets for a pattern of file names"
