"""The example configuration is valid, complete, and tells the defaults."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import tomli

from genretagd.config import load_config
from genretagd.config.schema import SECTIONS, Config, RootConfig
from genretagd.errors import ConfigError

OPTIONS = [(section, f.name, f.default) for section, kind in SECTIONS.items() for f in fields(kind)]


@pytest.fixture
def example(repository: Path) -> Path:
    return repository / "config.example.toml"


def test_the_example_is_valid_and_says_nothing_but_defaults(example):
    config = load_config(example, environment={})

    assert config == Config(source=example)


@pytest.mark.parametrize(("section", "name", "default"), OPTIONS, ids=[f"{s}.{n}" for s, n, _ in OPTIONS])
def test_the_example_lists_every_option_with_a_comment(example, section, name, default):
    text = example.read_text(encoding="utf-8")
    body = re.split(r"^\[", text.split(f"\n[{section}]\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    mark = "# " if default is None else ""

    assert re.search(rf"^# .+\n{mark}{name} = ", body, re.MULTILINE)


def test_the_example_is_valid_with_every_comment_that_is_an_option_taken_out(example, tmp_path):
    text = example.read_text(encoding="utf-8")
    text = re.sub(r"^# (?=(\[\[\w+\]\]|[\w\"-]+ = .+)$)", "", text, flags=re.MULTILINE)
    path = tmp_path / "all.toml"
    path.write_text(text, encoding="utf-8")

    config = load_config(path, environment={})

    assert config.genres == {"Hip-Hop": "Rap", "Disco": ""}
    assert config.roots == (RootConfig(Path("/mnt/nas/music"), "poll"),)
    assert [action.use for action in config.actions] == ["jsonl_log"]
    assert all(
        tomli.loads(text)[section].keys() == {n for s, n, _ in OPTIONS if s == section}
        for section in SECTIONS
    )


def test_the_bounds_that_comments_tell_are_those_of_the_options(example):
    told = re.findall(
        r"^# [^\n]*\b(\d+) to (\d+)\b[^\n]*\n(?:# [^=\n]*\n)*(?:# )?(\w+) = ",
        example.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    for low, high, name in told:
        variable = f"GENRETAGD_{name.upper()}"
        for allowed in (low, high):
            load_config(environment={variable: allowed})
        for refused in (int(low) - 1, int(high) + 1):
            with pytest.raises(ConfigError, match=f"{variable}: must be between {low} and {high}"):
                load_config(environment={variable: str(refused)})

    assert [name for _, _, name in told] == ["excerpts", "min_confidence", "min_margin", "max_genres", "nice"]


def test_option_names_are_unique_over_all_sections():
    names = [name for _, name, _ in OPTIONS]

    assert len(names) == len(set(names))
