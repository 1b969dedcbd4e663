"""Where the configuration comes from, what beats what, and what is said about mistakes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from genretagd.config import did_you_mean, load_config, load_folder_config
from genretagd.config.schema import Config
from genretagd.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path: Path, text: str, **arguments) -> tuple[str, ...]:
    arguments.setdefault("environment", {})
    with pytest.raises(ConfigError) as caught:
        load_config(write(path, text), **arguments)
    return caught.value.problems


def test_the_command_line_beats_the_environment_which_beats_the_file(tmp_path):
    file = write(tmp_path / "c.toml", "[decision]\nmin_margin = 0.1\nmax_genres = 2\nmin_seconds = 3")
    environment = {"GENRETAGD_MIN_MARGIN": "0.2", "GENRETAGD_MAX_GENRES": "3"}

    config = load_config(file, environment=environment, overrides={"min_margin": 0.3, "max_genres": None})

    assert config.decision.min_margin == 0.3
    assert config.decision.max_genres == 3
    assert config.decision.min_seconds == 3.0


def test_the_file_is_the_named_one_then_the_variable_s_then_the_user_s_own(tmp_path, home_of_its_own):
    write(home_of_its_own / "config" / "genretagd" / "config.toml", "[decision]\nmax_genres = 2")
    assert load_config(environment={}).decision.max_genres == 2

    environment = {"GENRETAGD_CONFIG": str(write(tmp_path / "v.toml", "[decision]\nmax_genres = 3"))}
    assert load_config(environment=environment).decision.max_genres == 3

    named = write(tmp_path / "n.toml", "[decision]\nmax_genres = 4")
    assert load_config(named, environment=environment).decision.max_genres == 4


def test_a_named_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such configuration file, check --config"):
        load_config(tmp_path / "nowhere.toml", environment={})
    with pytest.raises(ConfigError, match=r"~nobody-of-this-name/c: no such configuration file"):
        load_config(Path("~nobody-of-this-name/c"), environment={})


def test_all_problems_are_told_at_once_with_line_key_and_hint(tmp_path):
    problems = problems_of(
        tmp_path / "c.toml",
        """
[decision]
min_confidense = 0.5
max_genres = 0
album = "yes"
[tags]
existing = "kep"
[wach]
x = 1
[[roots]]
mode = "poll"
[[actions]]
us = "x"
""",
        environment={"GENRETAGD_WORKERS": "many"},
        overrides={"min_margin": 2},
    )

    told = [problem.split("c.toml:")[-1] for problem in problems]
    assert told == [
        '3: decision.min_confidense: unknown option (did you mean "min_confidence"?)',
        "4: decision.max_genres: must be between 1 and 10, not 0",
        '5: decision.album: must be true or false, not "yes"',
        (
            '7: tags.existing: must be one of "keep", "append", "replace", "replace-ours", not "kep"'
            ' (did you mean "keep"?)'
        ),
        '8: wach: unknown section (did you mean "watch"?)',
        '10: roots.0: path is missing, write path = "/where/the/music/is"',
        '12: actions.0: use is missing, write use = "name of the plugin"',
        'GENRETAGD_WORKERS: must be a whole number, not "many"',
        "--min-margin: must be between 0 and 1, not 2",
    ]


def test_an_option_outside_its_section_is_told_where_it_belongs(tmp_path):
    (problem,) = problems_of(tmp_path / "c.toml", "existing = 'append'")

    assert problem.endswith("c.toml:1: existing: unknown section, this option belongs into [tags]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[decision\n", "not valid TOML"),
        ("[decision]\nmin_margin = nan", "must be a finite number"),
        ("decision = 3", "must be a table, written [decision]"),
        ("roots = 3", "must be an array of tables, written [[roots]]"),
        ("[decision]\nmin_margin = true", "must be a number, not true"),
        ("[decision]\nmax_genres = true", "must be a whole number, not true"),
        ('[[roots]]\npath = "a"\n[[roots]]\npath = "b"\nmode = 3', ":5: roots.1.mode: must be one of"),
        ("genres = 3", "genres: must be a table, written [genres]"),
        ('[genres]\nPop = "P"\nRock = ["a", true]', ':3: genres.Rock: must be a text, not ["a", true]'),
        ('[genres]\nRock = "Rock "', ":2: genres.Rock: must not begin or end with a space"),
        ('# a\u2028b\n[genres]\nRock = "Rock "', ":3: genres.Rock: must not begin or end with a space"),
        ('[genres]\nRock = "Ro\\u0007ck"', "genres.Rock: must not hold control characters"),
        ('[tags]\nprotected = "Rock"', 'must be a list, not "Rock"'),
        ('[library]\nignore = ["*.wav", "a [z-a]/"]', 'which "a [z-a]/" is none of (bad character range z-a'),
        ('[library]\nignore = ["!"]', ', not ["!"]'),
        ("[genres]\nRock = " + 20_000 * "[", "nested too deeply"),
        ('[plugins]\ndirectories = ["~nobody-of-this-name/plugins"]', "names the home of nobody"),
        ('[[actions]]\nuse = "x"\nsince = 2031-05-01', "must be no date or time"),
        ('[[actions]]\nuse = "x"\noptions = { at = [08:00:00] }', "must be no date or time"),
        ("#" * (1 << 20) + "\n", "longer than 1 MiB"),
    ],
)
def test_what_is_no_configuration_is_said_to_be_none(tmp_path, text, expected):
    problems = problems_of(tmp_path / "c.toml", text)

    assert len(problems) == 1
    assert expected in problems[0]


@pytest.mark.parametrize(
    ("content", "line"),
    [("\n[model]".encode("utf-16"), 1), ('[genres]\nRock = "Café"'.encode("latin-1"), 2)],
    ids=["utf-16", "latin-1"],
)
def test_a_file_in_another_encoding_is_told_where_and_what_to_do(tmp_path, content, line):
    path = tmp_path / "c.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=rf"c\.toml:{line}: is not UTF-8 text, save it as UTF-8"):
        load_config(path, environment={})


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[decision]\r\nmax_genres = 2\r\n")

    assert load_config(path, environment={}).decision.max_genres == 2


def test_a_folder_s_configuration_that_is_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / ".genretagd.toml"
    os.mkfifo(pipe)

    with pytest.raises(ConfigError, match="not a regular file"):
        load_folder_config(pipe, Config())


@pytest.mark.parametrize(
    ("variable", "text", "section", "name", "expected"),
    [
        ("GENRETAGD_ALBUM", "yes", "decision", "album", True),
        ("GENRETAGD_ALBUM", "off", "decision", "album", False),
        ("GENRETAGD_MIN_CONFIDENCE", "0.5", "decision", "min_confidence", 0.5),
        ("GENRETAGD_MIN_CONFIDENCE", "", "decision", "min_confidence", None),
        ("GENRETAGD_PROTECTED", " Rock, , Doom Metal,", "tags", "protected", ("Rock", "Doom Metal")),
        ("GENRETAGD_ROOTS", "/a,/b", "watch", "roots", (Path("/a"), Path("/b"))),
        ("GENRETAGD_EXISTING", "append", "tags", "existing", "append"),
    ],
)
def test_the_environment_speaks_text(variable, text, section, name, expected):
    config = load_config(environment={variable: text})

    assert getattr(getattr(config, section), name) == expected


def test_a_folder_overrides_decision_tags_and_genres_and_nothing_else(tmp_path):
    base = load_config(
        write(tmp_path / "c.toml", '[tags]\nmtime = "keep"\n[genres]\nPop = "P"'), environment={}
    )
    file = write(tmp_path / ".genretagd.toml", '[tags]\nexisting = "append"\n[genres]\nRock = "R"')

    config = load_folder_config(file, base)

    assert (config.tags.mtime, config.tags.existing) == ("keep", "append")
    assert config.genres == {"Pop": "P", "Rock": "R"}
    assert config.source == base.source
    with pytest.raises(ConfigError, match="unknown section"):
        load_folder_config(write(file, "[work]\nworkers = 9"), Config())


def test_a_word_that_is_near_is_found_among_words_that_can_be_read_once():
    assert did_you_mean("rok", iter(["Pop", "Rock"])) == ' (did you mean "Rock"?)'


@pytest.mark.parametrize(("text", "value"), [("ON", True), ("yes", True), ("Off", False), ("0", False)])
def test_words_in_the_environment_switch_options(text, value):
    assert load_config(environment={"GENRETAGD_ALBUM": text}).decision.album is value
