"""What the documents tell a user to type exists, and what they link to is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from genretagd.cli.app import COMMANDS, app

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    REPOSITORY / "README.md",
    REPOSITORY / "CHANGELOG.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
LINE = re.compile(r"^(?: {4}|\$ )(?:\S+/)?(genretagd .+)$", re.MULTILINE)
INLINE = re.compile(r"`(genretagd [^`]+)`")
TARGET = re.compile(r"\bmake ([a-z]+)\b")


def typed(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    return [*LINE.findall(text), *INLINE.findall(text)]


LINES = sorted({line for document in DOCUMENTS for line in typed(document)})


def flags_of(words: list[str]) -> set[str]:
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("line", LINES)
def test_every_command_line_in_the_documents_has_a_command_and_flags_that_exist(line):
    line = re.sub(r"\[(-[^]]*)\]", r"\1", line.replace("…", "").replace("|", " "))
    words = shlex.split(line, comments=True)[1:]
    if words[0] not in {"--help", "--version"}:
        assert words[0] in COMMANDS
    known = flags_of(list(words)) | {"--help", "--version", "-h"}

    assert {word.split("=")[0] for word in words if re.match(r"^--?[a-z]", word)} <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_of_every_command_in_a_sentence_what_it_does(name):
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200).output

    assert re.search(rf"^  {name} +[A-Z].+[.]$", shown, re.MULTILINE)


def test_every_make_target_in_the_documents_exists():
    targets = set(
        re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    told = {
        name
        for document in DOCUMENTS
        for code in re.findall(r"(?m)^ {4}(make .+)$|`(make [^`]+)`", document.read_text(encoding="utf-8"))
        for name in TARGET.findall(" ".join(code))
    }

    assert told <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []
