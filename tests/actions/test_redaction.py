"""What is shown holds no secret, no password of a URL and nothing that forges a line."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from genretagd.actions.redaction import Redactor

SECRET = "pä ss/w&rd"


@pytest.fixture
def redact(tmp_path: Path) -> Redactor:
    (tmp_path / "key").write_text("from-a-file\n")
    options = {"a": "env:SECRET", "b": ["plain", {"c": f"file:{tmp_path}/key"}], "d": "env:UNSET", "e": 5}
    return Redactor(options, environment={"SECRET": SECRET})


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        "from-a-file",
    ],
)
def test_a_secret_is_masked_in_every_form(redact: Redactor, form: str) -> None:
    assert redact(f"GET /?t={form} failed") == "GET /?t=*** failed"


KEY = "-----BEGIN KEY-----\n  MIIabcdefsecret==\n}\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "shown",
    [KEY, KEY.strip(), " ".join(KEY.split()), json.dumps(KEY), "a MIIabcdefsecret== b", quote(KEY)],
    ids=["as it is", "stripped", "on one line", "JSON", "a line of it", "quoted"],
)
def test_a_secret_of_several_lines_is_masked_in_whole_and_line_by_line(shown: str) -> None:
    told = Redactor({"key": "env:KEY"}, environment={"KEY": KEY})(shown)
    assert "***" in told
    assert "secret" not in told


def test_a_line_end_behind_a_secret_hides_nothing_from_us() -> None:
    redact = Redactor({"key": "env:KEY"}, environment={"KEY": "t0ken\n"})
    assert redact("401 for t0ken of {}") == "401 for *** of {}"


def test_a_secret_that_was_exchanged_is_masked_and_so_is_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("old-token")
    redact = Redactor({"key": f"file:{tmp_path}/key"}, environment={})
    (tmp_path / "key").write_text("new-token")
    redact.learn()
    assert redact("old-token new-token") == "*** ***"


def test_what_is_no_secret_stays(redact: Redactor) -> None:
    assert redact("plain text, caf\xe9 env:SECRET") == "plain text, caf\xe9 env:SECRET"


def test_the_password_of_a_url_is_masked_whoever_configured_it() -> None:
    redact = Redactor({}, environment={})
    assert redact("http://me:pass@host/x?y=a@b") == "http://***@host/x?y=a@b"


def test_the_parts_of_a_url_that_is_a_secret_are_masked() -> None:
    redact = Redactor({"url": "env:HOOK"}, environment={"HOOK": "https://chat.example/api/1234567/t0k3n-abc"})
    told = redact("POST /api/1234567/t0k3n-abc to chat.example failed")
    assert told == "POST /api/***/*** to *** failed"


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31m", "a\udcff", "a\u202eb", "a\u2028b", "a\x00"])
def test_nothing_forges_a_line(text: str) -> None:
    shown = Redactor({}, environment={})(text)
    assert shown.isprintable()
    assert shown.startswith("a\\")
