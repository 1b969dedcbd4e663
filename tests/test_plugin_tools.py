"""The tools that plugins are given: each must hold for every input."""

from __future__ import annotations

import os
import pickle
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genretagd import api
from genretagd.errors import PluginError
from genretagd.plugin_tools import (
    MAX_NAME_BYTES,
    Secret,
    adopt_rights,
    append_line,
    http_error,
    make_directories,
    path_below,
    read_secret,
    relative_path,
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


@pytest.fixture
def service_umask() -> Iterator[None]:
    previous = os.umask(0o077)
    yield
    os.umask(previous)


@pytest.mark.parametrize(
    ("above", "folder", "file"),
    [(0o755, 0o755, 0o644), (0o2775, 0o2775, 0o664), (0o700, 0o700, 0o600), (0o511, 0o711, 0o600)],
    ids=["everybody", "a-group", "nobody-else", "read-only"],
)
@pytest.mark.usefixtures("service_umask")
def test_who_could_read_the_folder_can_read_what_is_new_in_it(
    tmp_path: Path, above: int, folder: int, file: int
) -> None:
    if above == 0o511 and os.getuid():
        pytest.skip("nobody but root can write there")
    tmp_path.chmod(above)
    make_directories(tmp_path / "one" / "two")
    replace_file(tmp_path / "list", b"new")
    for path, mode in (("one", folder), ("one/two", folder), ("list", file)):
        assert (tmp_path / path).stat().st_mode & 0o7777 == mode, path


def test_a_group_that_cannot_be_given_is_not_replaced_by_one_that_may_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refused)
    status = list(tmp_path.stat()[:10])
    status[0], status[5] = 0o042775, status[5] + 1
    descriptor = os.open(tmp_path, os.O_RDONLY)
    adopt_rights(descriptor, os.stat_result(status))
    os.close(descriptor)
    assert tmp_path.stat().st_mode & 0o7777 == 0o755


def test_a_service_that_may_not_set_the_group_bit_sets_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fchmod

    def restricted(descriptor: int, mode: int) -> None:
        if mode & 0o6000:
            raise PermissionError
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", restricted)
    tmp_path.chmod(0o2775)
    make_directories(tmp_path / "one")
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o775


def test_a_directory_whose_name_is_taken_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"exists|[Nn]ot a directory"):
        make_directories(tmp_path / "file")


def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "log"
    append_line(file, b"one\n", header=b"header\n", sync=True)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (file.stat().st_size + 2, most)
    )  # two bytes are left, as it were
    try:
        with pytest.raises(OSError, match="too large"):
            append_line(file, b"two\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert file.read_bytes() == b"header\none\n"


def test_a_line_that_a_power_cut_left_unfinished_stays_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\ntw")
    append_line(tmp_path / "log", b"three\n", header=b"header\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntw\nthree\n"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk, its library ``real/Music``, links to it and from it, and a folder beside."""
    for folder in ("real/Music/Rock", "real/Music/Playlists", "other", "beside"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Music").symlink_to("real/Music")
    (tmp_path / "real/Music/linked").symlink_to(tmp_path / "other")
    (tmp_path / "lists").symlink_to("real/Music/Playlists")
    (tmp_path / "rock").symlink_to("Music/Rock")
    return tmp_path


SPELLINGS = ["Music", "real/Music", "beside/../Music", "real/../Music/Playlists/..", "lists/.."]


@pytest.mark.parametrize("music", SPELLINGS)
@pytest.mark.parametrize("told", SPELLINGS)
@pytest.mark.parametrize("track", ["Rock/a.mp3", "a.mp3", "linked/a.mp3", "gone/a.mp3"])
def test_the_spelling_of_a_library_makes_no_difference(disk: Path, music: str, told: str, track: str) -> None:
    folder, path = disk / music, disk / told / track
    assert path_below(path, folder) == Path(track)
    assert relative_path(path, folder / "Playlists") == Path("..", track)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("rock/a.mp3", "Rock/a.mp3"),
        ("beside/../rock/a.mp3", "Rock/a.mp3"),
        ("Music/linked/../b.mp3", None),
        ("other/a.mp3", None),
        ("Musical/a.mp3", None),
    ],
)
def test_what_is_below_a_library_is_told_by_where_it_is(disk: Path, path: str, below: str | None) -> None:
    assert path_below(disk / path, disk / "Music") == (below and Path(below))
    way = relative_path(disk / path, disk / "lists")
    assert os.path.realpath(disk / "real/Music/Playlists" / way) == os.path.realpath(disk / path)


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


def test_the_mark_of_windows_editors_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes("hunter2\r\n".encode("utf-8-sig"))
    assert read_secret(f"file:{tmp_path}/key", {}).reveal() == "hunter2"


def test_a_secret_of_the_environment_may_have_lines_but_no_ends() -> None:
    assert read_secret("env:KEY", {"KEY": " BEGIN\nkey\nEND\n"}).reveal() == "BEGIN\nkey\nEND"


@pytest.mark.parametrize(
    "text",
    ["hunter2", "env:", "file:", "", "https://x", "env:UNSET", "env:BLANK", "file:/no/such", "file:key"],
)
def test_what_is_no_secrets_place_is_refused_without_repeating_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("hunter2")
    with pytest.raises(ValueError, match=r"env:NAME|UNSET|BLANK|/no/such|must be a whole path") as caught:
        read_secret(text, {"BLANK": " \n"})
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


def test_success_is_no_error() -> None:
    assert http_error(204) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 120 ", 120.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:01:40 GMT", 100.0),
        ("soon", None),
        ("-5", None),
        ("Thu, 99 Jan 2026 00:01:40 GMT", None),
        ("", None),
    ],
)
def test_what_a_server_asks_for_before_the_next_try(
    header: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genretagd.plugin_tools.time.time", lambda: 1767225600.0)
    later = http_error(503, retry_after=header)
    assert later is not None
    assert later.retry_after_seconds == seconds


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
