from __future__ import annotations

import errno
import os
from dataclasses import fields
from pathlib import Path

import pytest

from genretagd.config import Config
from genretagd.config.schema import FOLDER_SECTIONS, SECTIONS
from genretagd.errors import TagError
from genretagd.policy import FOLDER_CONFIG, FolderPolicies, Policy, of_target

OTHERWISE = {
    "decision": {
        "min_confidence": "0.5",
        "min_margin": "0.5",
        "max_genres": "2",
        "min_seconds": "9.0",
        "silence_dbfs": "-9.0",
        "album": "true",
    },
    "tags": {
        "existing": '"append"',
        "placeholders": '["Misc"]',
        "protected": '["Mine"]',
        "mtime": '"keep"',
        "hardlinks": '"break"',
        "id3v1": '"leave"',
        "provenance": "true",
    },
    "genres": {"Rock": '"Guitars"'},
}
"""Every option that a folder may set, with another value than its default."""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name, policy in (("quiet", "keep"), ("loud", "replace"), ("plain", None)):
        (tmp_path / name / "album").mkdir(parents=True)
        if policy:
            (tmp_path / name / FOLDER_CONFIG).write_text(f'[tags]\nexisting = "{policy}"\n')
    return tmp_path


def test_a_folder_s_own_configuration_holds_below_it_and_a_broken_one_protects_its_tracks(
    tmp_path: Path,
) -> None:
    album = tmp_path / "artist" / "album"
    album.mkdir(parents=True)
    (tmp_path / "artist" / ".genretagd.toml").write_text('[tags]\nexisting = "append"\n[genres]\nRock = "R"')
    (album / ".genretagd.toml").write_text('[tags]\nexisting = "replace"')
    policy_for = FolderPolicies(Config())

    assert policy_for(tmp_path / "a.mp3").existing == "keep"
    assert policy_for(tmp_path / "artist" / "a.mp3").existing == "append"
    assert policy_for(album / "a.mp3").existing == "replace"
    assert policy_for(album / "a.mp3").decision.genre_names == {"Rock": "R"}

    (album / ".genretagd.toml").write_text("[tags]\nexisting = 3")
    with pytest.raises(TagError, match="its folder's configuration is not valid"):
        policy_for(album / "a.mp3")


@pytest.mark.parametrize(
    ("section", "option"), [(section, option) for section, table in OTHERWISE.items() for option in table]
)
def test_every_option_that_a_folder_may_set_is_of_effect(section: str, option: str, tmp_path: Path) -> None:
    (tmp_path / FOLDER_CONFIG).write_text(f"[{section}]\n{option} = {OTHERWISE[section][option]}\n")
    found, usual = FolderPolicies(Config())(tmp_path / "1.mp3"), Policy.of(Config())
    assert found != usual
    assert (found.fingerprint() == usual.fingerprint()) == (option == "album")  # says nothing of one track


def test_no_option_that_a_folder_may_set_is_left_out_above() -> None:
    known = {section: {f.name for f in fields(SECTIONS[section])} for section in FOLDER_SECTIONS}
    assert {s: set(table) for s, table in OTHERWISE.items() if s != "genres"} == known


def test_a_folder_does_not_decide_for_a_neighbour_that_is_named_from_within_it(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library / "loud" / "album")
    policy_for = FolderPolicies(Config())
    assert policy_for(Path("../../plain/1.mp3")).existing == "keep"
    assert policy_for(library / "plain" / ".." / "loud" / "1.mp3").existing == "replace"


def test_a_link_to_a_track_is_subject_to_the_folder_of_the_track(library: Path) -> None:
    (library / "quiet" / "album" / "1.mp3").touch()
    (library / "loud" / "link.mp3").symlink_to(Path("..") / "quiet" / "album" / "1.mp3")
    policy_for = FolderPolicies(Config())
    assert of_target(policy_for, library / "loud" / "link.mp3").existing == "keep"
    assert of_target(policy_for, library / "loud" / "2.mp3").existing == "replace"


def test_tracks_of_a_linked_folder_are_subject_to_the_folders_above_it_too(library: Path) -> None:
    (library / "plain" / "link").symlink_to(library / "loud" / "album")
    policy_for = FolderPolicies(Config())
    assert policy_for(library / "plain" / "link" / "1.mp3").existing == "replace"
    (library / "loud" / "other").symlink_to(library / "plain")
    assert policy_for(library / "loud" / "other" / "1.mp3").existing == "replace"


def test_a_changed_folder_configuration_is_read_again(library: Path) -> None:
    policy_for, file = FolderPolicies(Config()), library / "loud" / FOLDER_CONFIG
    assert policy_for(library / "loud" / "1.mp3").existing == "replace"
    file.write_text('[tags]\nexisting = "append"\n')
    os.utime(file, ns=(0, 0))
    assert policy_for(library / "loud" / "1.mp3").existing == "append"
    file.unlink()
    assert policy_for(library / "loud" / "1.mp3").existing == "keep"


def test_a_folder_configuration_that_changed_within_one_tick_of_the_clock_is_read_again(
    library: Path,
) -> None:
    policy_for, file = FolderPolicies(Config()), library / "plain" / FOLDER_CONFIG
    for text, existing in (("", "keep"), ('[tags]\nexisting = "append"\n', "append")):
        file.write_text(text)
        os.utime(file, ns=(5, 5))
        assert policy_for(library / "plain" / "1.mp3").existing == existing


def test_a_folder_configuration_that_is_a_link_to_nowhere_protects_its_tracks(library: Path) -> None:
    (library / "plain" / FOLDER_CONFIG).symlink_to(library / "not mounted")
    with pytest.raises(TagError, match="leads nowhere") as caught:
        FolderPolicies(Config())(library / "plain" / "album" / "1.mp3")
    assert caught.value.transient


def test_where_a_folder_configuration_cannot_be_looked_for_it_is_not_taken_for_missing(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = Path.stat

    def broken(path: Path, **kwargs: bool) -> os.stat_result:
        if path == library / "loud" / FOLDER_CONFIG:
            raise OSError(errno.ESTALE, "Stale file handle")
        return stat(path, **kwargs)

    monkeypatch.setattr(Path, "stat", broken)
    with pytest.raises(TagError, match="Stale") as caught:
        FolderPolicies(Config())(library / "loud" / "1.mp3")
    assert caught.value.transient
