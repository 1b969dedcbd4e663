from __future__ import annotations

import errno
import unicodedata

import pytest

from genretagd.watcher.ignoring import IgnoreRules, is_audio_name, is_directory_name


@pytest.mark.parametrize(
    "name", ["a.mp3", "A.FLAC", "ä ö.Opus", "a.part.b.ogg", "tmp.wav", "x.m4a", "one.dsf"]
)
def test_finished_audio_files_are_looked_at(name):
    assert is_audio_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "a.mp3.part", "a.part.mp3", "a.mp3.crdownload", "a.flac.!qB", "a.tmp.mp3", "a.temp.m4a", "a.mp3.tmp",
        ".syncthing.a.mp3", ".syncthing.a.mp3.tmp", "._a.mp3", "~a.mp3", "a.mp3~", "a~tmp.mp3", "a~.flac",
        ".a.mp3.Xy12Zw", "a.mp3.aria2", "a.download.mp3", "cover.jpg", "mp3", ".mp3", "a.mp3.filepart",
    ],
)  # fmt: skip
def test_unfinished_hidden_and_other_files_are_not(name):
    assert not is_audio_name(name)


@pytest.mark.parametrize(
    "name", ["@eaDir", "@EADIR", "#recycle", ".stversions", ".Trash-1000", "lost+found", "$RECYCLE.BIN"]
)
def test_litter_of_nas_boxes_and_sync_tools_is_not_entered(name):
    assert not is_directory_name(name)


@pytest.fixture
def tree(tmp_path):
    for directory in ("a/b", "c", "@eaDir", ".hidden"):
        (tmp_path / directory).mkdir(parents=True)
    return tmp_path


def wants(tree, path: str, patterns=()) -> bool:
    return IgnoreRules(str(tree), patterns).wants(f"{tree}/{path}")


def test_without_rules_every_visible_audio_file_is_wanted(tree):
    assert wants(tree, "a/b/x.mp3")
    assert not wants(tree, "@eaDir/x.mp3")
    assert not wants(tree, ".hidden/x.mp3")
    assert not IgnoreRules(str(tree / "a")).wants(f"{tree}/c/x.mp3")


@pytest.mark.parametrize(
    ("patterns", "path", "wanted"),
    [
        (["*.wav"], "a/x.wav", False),
        (["*.wav"], "a/x.mp3", True),
        (["/c"], "c/x.mp3", False),
        (["/b"], "a/b/x.mp3", True),
        (["b/"], "a/b/x.mp3", False),
        (["*.mp3", "!keep.mp3"], "a/keep.mp3", True),
        (["a/**/x.mp3"], "a/b/x.mp3", False),
    ],
)
def test_patterns_mean_what_they_mean_to_git(tree, patterns, path, wanted):
    assert wants(tree, path, patterns) is wanted


def test_an_ignore_file_holds_for_its_directory_and_below(tree):
    (tree / "a" / ".genretagdignore").write_text("# comment\n*.mp3\n")
    assert not wants(tree, "a/b/x.mp3")
    assert wants(tree, "c/x.mp3")


@pytest.mark.parametrize("name", [".genretagdignore", ".ndignore"])
@pytest.mark.parametrize(
    ("line", "ignored"),
    [
        ("Album [Re-Issue]/", "Album [Re-Issue]/x.mp3"),
        ("Album [Z-A] *.flac", "Album [Z-A] 2.flac"),
        ("!", None),
        ("\\", None),
        ("x\\", None),
        ("\udcff[z-a]/", "\udcff[z-a]/x.mp3"),
    ],
)
def test_a_line_that_is_no_pattern_is_told_once_taken_literally_and_leaves_the_others_in_force(
    tree, name, line, ignored
):
    (tree / name).write_text(f"*.wav\n{line}\n*.ogg\n", encoding="utf-8", errors="surrogateescape")
    told = []
    rules = IgnoreRules(str(tree), warn=told.append)
    for _ in range(2):
        assert [rules.wants(f"{tree}/a/x.{suffix}") for suffix in ("wav", "mp3", "ogg")] == [
            False,
            True,
            False,
        ]
        assert ignored is None or not rules.wants(f"{tree}/{ignored}")
        rules.clear()
    (text,) = told
    assert text.startswith(f'{tree}/{name}: "{line}" is no pattern')


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_an_ignore_file_as_windows_writes_it_holds_from_its_first_line_on(tree, encoding):
    (tree / ".genretagdignore").write_bytes("*.mp3\r\nÄ.*\r\n".encode(encoding))
    assert not wants(tree, "a/x.mp3")
    assert not wants(tree, "a/Ä.wav")
    assert wants(tree, "a/x.wav")


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0c"])
def test_a_name_in_an_ignore_file_may_hold_what_ends_a_line_elsewhere(tree, odd):
    (tree / ".genretagdignore").write_text(f"a{odd}b/\n", encoding="utf-8")
    assert not wants(tree, f"a{odd}b/x.mp3")
    assert wants(tree, "b/x.mp3")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_a_pattern_holds_however_the_accents_of_a_name_are_stored(tree, form, other):
    pattern, name = (unicodedata.normalize(one, "Música/") for one in (form, other))
    assert not wants(tree, f"{name}x.mp3", [pattern])
    (tree / ".genretagdignore").write_text(f"{pattern}\n")
    assert not wants(tree, f"{name}x.mp3")


@pytest.mark.parametrize("name", [".genretagdignore", ".ndignore"])
@pytest.mark.parametrize("how", ["too long", "a link to nowhere", "not readable"])
def test_the_directory_of_an_ignore_file_that_cannot_be_read_is_passed_over(tree, name, how, monkeypatch):
    file = tree / "a" / name
    if how == "too long":
        file.write_text("#" * (1 << 20) + "\n")
    elif how == "a link to nowhere":
        file.symlink_to(tree / "not mounted")
    else:
        file.write_text("*.mp3\n")
        monkeypatch.setattr("builtins.open", denied)
    told = []
    rules = IgnoreRules(str(tree), warn=told.append)
    assert [rules.wants(f"{tree}/{path}") for path in ("a/x.mp3", "a/b/x.mp3", "c/x.mp3")] == [
        False,
        False,
        True,
    ]
    (text,) = told
    assert "cannot be read" in text


def denied(*_arguments, **_options):
    raise PermissionError(errno.EACCES, "Permission denied")


def test_patterns_hold_below_the_root_of_the_file_system_too():
    assert not IgnoreRules("/", ["/srv/*.mp3"]).wants("/srv/x.mp3")
    assert IgnoreRules("/", ["/rv/"]).wants("/srv/x.mp3")


def test_an_inner_ignore_file_takes_back_what_an_outer_one_ignores(tree):
    (tree / ".genretagdignore").write_text("*.mp3\n")
    (tree / "a" / ".genretagdignore").write_text("!*.mp3\n")
    assert wants(tree, "a/x.mp3")
    assert not wants(tree, "c/x.mp3")


def test_nomedia_closes_a_directory_and_all_below(tree):
    (tree / "a" / ".nomedia").touch()
    assert not wants(tree, "a/b/x.mp3")
    assert wants(tree, "c/x.mp3")


def test_an_empty_ndignore_closes_a_directory_and_a_filled_one_is_patterns(tree):
    (tree / "a" / ".ndignore").touch()
    (tree / "c" / ".ndignore").write_text("x*\n")
    assert not wants(tree, "a/x.mp3")
    assert not wants(tree, "c/x.mp3")
    assert wants(tree, "c/y.mp3")


def test_a_new_ignore_file_counts_after_clear(tree):
    rules = IgnoreRules(str(tree))
    assert rules.wants(f"{tree}/a/x.mp3")
    (tree / "a" / ".nomedia").touch()
    rules.clear()
    assert not rules.wants(f"{tree}/a/x.mp3")


def test_names_that_are_not_text_are_judged_like_others(tree):
    rules = IgnoreRules(str(tree), ["*.wav"])
    assert rules.wants(f"{tree}/a/\udcff.mp3")
    assert not rules.wants(f"{tree}/a/\udcff.wav")
