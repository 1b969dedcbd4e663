"""The tools that plugins are given: each must hold for every input."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genretagd import api
from genretagd.errors import PluginError
from genretagd.plugin_tools import (
    MAX_NAME_BYTES,
    Secret,
    http_error,
    read_secret,
    replace_file,
    safe_file_name,
    state_directory,
)


@given(text=st.text(), limit=st.integers(8, MAX_NAME_BYTES))
def test_any_text_becomes_the_name_of_one_file(text: str, limit: int) -> None:
    name = safe_file_name(text, max_bytes=limit)
    assert 0 < len(name.encode("utf-8")) <= limit
    assert not set(name) & set('/\\<>:"|?*\0\n\r\t\x1b\x7f\u2028\u2029')
    assert name not in (".", "..")
    assert name[0] not in ". "
    assert name[-1] not in ". "
    assert safe_file_name(name, max_bytes=limit) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AC/DC", "AC_DC"),
        (" . x\u00a0.", "x"),
        ("..", "Unknown"),
        (".hidden", "hidden"),
        ("...And Justice for All", "And Justice for All"),
        ("Vol. 4...", "Vol. 4"),
        ("con", "_con"),
        ("COM1.txt", "_COM1.txt"),
        ("Concrete", "Concrete"),
        ("What?", "What_"),
        ("a\nb", "a_b"),
        ("\udcff", "_"),
        ("   ", "Unknown"),
        ("Ä" * 200, "Ä" * 127),
        ("e\u0301", "\xe9"),
    ],
)
def test_names_are_made_harmless_and_stay_readable(text: str, name: str) -> None:
    assert safe_file_name(text) == name


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(b"old")
    file.chmod(0o640)
    replace_file(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        replace_file(tmp_path / "list", b"new")
    finally:
        os.umask(previous)
    assert (tmp_path / "list").stat().st_mode & 0o777 == 0o640


def test_a_rewrite_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list"
    file.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(file, b"new")
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_a_secret_shows_its_origin_and_never_itself(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("  hunter2  \nsecond line\n")
    secret = read_secret(f"file:{tmp_path}/key", {})
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError, match="not serialized"):
        pickle.dumps(secret)
    assert str(Secret("x")) == "Secret(...)"


@pytest.mark.parametrize("text", ["hunter2", "env:", "file:", "", "https://x", "env:UNSET", "file:/no/such"])
def test_what_is_no_secrets_place_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"env:NAME|UNSET|/no/such") as caught:
        read_secret(text, {})
    assert "hunter2" not in str(caught.value)


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        read_secret(f"file:{tmp_path}/key", {})


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (301, True),
        (400, True),
        (401, True),
        (404, True),
        (408, False),
        (425, False),
        (429, False),
        (500, False),
    ],
)
def test_an_http_status_says_whether_to_try_again(status: int, *, permanent: bool) -> None:
    error = http_error(status)
    assert error is not None
    assert error.permanent is permanent


def test_success_is_no_error_and_a_date_is_no_number_of_seconds() -> None:
    assert http_error(204) is None
    later = http_error(503, retry_after="120")
    dated = http_error(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    assert later is not None
    assert dated is not None
    assert (later.retry_after_seconds, dated.retry_after_seconds) == (120.0, None)


def test_a_plugin_has_a_directory_of_its_own_where_genretagd_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PluginError, match="run by genretagd"):
        state_directory()
    monkeypatch.setenv("GENRETAGD_PLUGIN_STATE", str(tmp_path / "a" / "b"))
    assert state_directory().is_dir()


def test_the_api_offers_what_it_says() -> None:
    assert all(hasattr(api, name) for name in api.__all__)
    assert api.__all__ == sorted(api.__all__, key=lambda name: (name != "API_VERSION", name))
