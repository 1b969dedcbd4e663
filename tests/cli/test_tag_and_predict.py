"""``predict`` and ``tag`` as a user runs them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from mutagen.id3 import ID3, TCON

from genretagd.domain import Provenance, WriteOptions
from genretagd.tagging.store import FileTagStore


def contents(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def test_predict_prints_the_best_labels_and_changes_nothing(genretagd, album):
    before = contents(album)

    result = genretagd("predict", album, "--min-confidence", 0)

    assert result.status == 0
    assert result.out.count("predicted") == 4  # three tracks, and the summary
    assert contents(album) == before


def test_predict_json_is_one_object_per_track_with_the_documented_fields(genretagd, album):
    result = genretagd("predict", album, "--json")

    assert [Path(o["path"]).name for o in result.objects] == ["aac.m4a", "flac.flac", "mp3.mp3"]
    for found in result.objects:
        assert set(found) == {
            "path", "status", "genres", "probabilities", "confidence", "outside", "reason", "code",
            "before", "after", "model", "seconds",
        }  # fmt: skip
        assert found["status"] in {"predicted", "unsure"}
        assert (found["genres"] == []) == (found["status"] == "unsure")
        assert sum(found["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
    assert "3 tracks in" in result.err


def test_tag_writes_once_and_keeps_what_is_there_the_second_time(genretagd, album):
    first = genretagd("tag", album, "--min-confidence", 0, "--json")
    after = contents(album)
    second = genretagd("tag", album, "--min-confidence", 0, "--json")

    assert [o["status"] for o in first.objects] == ["tagged"] * 3
    assert [o["status"] for o in second.objects] == ["kept"] * 3
    assert [o["genres"] for o in second.objects] == [o["genres"] for o in first.objects]
    assert contents(album) == after
    assert sorted(path.name for path in album.iterdir()) == ["aac.m4a", "flac.flac", "mp3.mp3"]


def test_names_and_tags_that_would_steer_a_terminal_are_shown_escaped(genretagd, album):
    track = (album / "mp3.mp3").rename(album / "a\nkept \x1b[2J.mp3")
    tags = ID3(track)
    tags.setall("TCON", [TCON(encoding=3, text=["\x1b]0;owned\x07"])])
    tags.save(track)
    shown = [genretagd("tag", track).out]
    shown.append(genretagd("tag", track, "--existing", "replace", "--min-confidence", 0).out)
    shown += [genretagd("history", track).out, genretagd("undo", track).out]

    for text in shown:
        assert "\x1b" not in text
        assert "a\\nkept \\x1b[2J.mp3" in text


@pytest.mark.parametrize("command", [("predict",), ("tag", "--dry-run")], ids=["predict", "tag"])
def test_a_name_for_a_label_that_the_model_has_not_is_warned_of(genretagd, album, command):
    result = genretagd(*command, album, "--genre", "Jaz=Bebop", "--genre", "Jazz=Bebop")
    assert result.status == 0
    assert result.err.count("the model has no label") == 1
    assert 'the model has no label "Jaz", its name is never used (did you mean "Jazz"?)' in result.err


@pytest.mark.parametrize("command", [("predict",), ("tag", "--dry-run")], ids=["predict", "tag"])
def test_a_folder_s_name_for_a_label_that_the_model_has_not_is_warned_of_once(genretagd, album, command):
    file = album.parent / ".genretagd.toml"
    file.write_text('[genres]\nJaz = "Bebop"\nJazz = "Bebop"')
    shutil.copytree(album, album / "more")

    result = genretagd(*command, album, "--genre", "Roc=Metal")

    told = [line for line in result.err.splitlines() if "the model has no label" in line]
    assert [line.partition(", its name")[0] for line in told] == [
        'genretagd: genres: the model has no label "Roc"',
        f'genretagd: {file}: genres: the model has no label "Jaz"',
    ]
    assert genretagd(*command, album).err == told[1] + "\n"


@pytest.mark.parametrize("command", [("predict",), ("tag", "--dry-run"), ("tag",)], ids=" ".join)
def test_a_name_that_no_genre_can_have_is_refused_before_any_track_is_touched(genretagd, album, command):
    result = genretagd(*command, album, "--genre", "Jazz=Bebop ", "--genre", "Rock", "--genre", "Pop=")
    assert result.status == 2
    assert "--genre: Jazz: must not begin or end with a space" in result.err
    assert 'not "Rock"' in result.err
    assert "Pop" not in result.err
    assert result.out == ""


def test_a_dry_run_knows_what_we_wrote_and_what_somebody_changed_since(genretagd, album, monkeypatch):
    wish = ("--min-confidence", 0, "--existing", "replace-ours", "--genre", "Rock=Schlager")
    wish += ("--genre", "Reggae=Schlager", "--genre", "Jazz=Schlager", "--genre", "Disco=Schlager")
    nothing_known = genretagd("tag", album, "--dry-run", *wish, "--json")
    genretagd("tag", album, "--min-confidence", 0, "--provenance")
    store = FileTagStore()
    tag = store.read_genres(album / "mp3.mp3")
    store.write_genres(
        album / "mp3.mp3",
        ["Zouk"],
        expected=tag.version,
        options=WriteOptions(),
        provenance=Provenance("default", 0.5),  # a tagger that leaves our fields where they are
    )
    planned = genretagd("tag", album, "--dry-run", *wish, "--json")
    done = genretagd("tag", album, *wish, "--json")

    assert {o["status"] for o in nothing_known.objects} == {"would tag"}
    assert [o["after"] for o in planned.objects] == [o["after"] for o in done.objects]
    assert {Path(o["path"]).name: o["code"] for o in done.objects}["mp3.mp3"] == "not ours"


def test_a_dry_run_shows_before_and_after_and_changes_nothing(genretagd, album, home_of_its_own):
    before = contents(album)

    result = genretagd("tag", "--dry-run", album, "--min-confidence", 0)

    assert result.out.count("(none) -> ") == 3
    next(album.glob("*.mp3")).chmod(0o444)
    result = genretagd("tag", "--dry-run", album, "--min-confidence", 0)
    assert (result.out.count("(none) -> "), result.out.count("the file is write-protected")) == (2, 1)
    assert contents(album) == before
    assert not list(home_of_its_own.rglob("ledger*"))


def test_what_is_older_than_the_retention_is_forgotten_by_the_next_run(
    genretagd, album, monkeypatch, tmp_path
):
    place = tmp_path / "ledger.sqlite3"
    monkeypatch.setenv("GENRETAGD_LEDGER", str(place))
    genretagd("tag", album, "--min-confidence", 0)
    with contextlib.closing(sqlite3.connect(place)) as ledger, ledger:
        ledger.execute("UPDATE changes SET at = at - 3 * 86400")

    found = []
    for days in ("4", "2"):
        monkeypatch.setenv("GENRETAGD_RETENTION_DAYS", days)
        genretagd("tag", album)
        found.append(len(genretagd("history", album / "mp3.mp3", "--json").objects))
    assert found == [1, 0]


def test_labels_are_written_under_the_names_the_user_gave_them(genretagd, album):
    names = [f"--genre={label}=Mine" for label in ("Classical", "Jazz", "Metal", "Rock", "Pop")]

    result = genretagd("tag", album, "--min-confidence", 0, "--json", *names)

    assert {tuple(o["genres"]) for o in result.objects} == {("Mine",)}


def test_album_mode_gives_a_folder_one_genre(genretagd, album):
    result = genretagd("tag", album, "--album", "--min-confidence", 0, "--json")

    assert len({tuple(o["genres"]) for o in result.objects}) == 1
    assert [o["status"] for o in result.objects] == ["tagged"] * 3


@pytest.mark.parametrize(("flag", "own", "opinions"), [("--no-album", "true", 1), ("--album", "false", 3)])
def test_a_folder_says_itself_whether_it_is_an_album(genretagd, album, flag, own, opinions):
    (album / ".genretagd.toml").write_text(f"[decision]\nalbum = {own}\n")

    result = genretagd("tag", album, flag, "--dry-run", "--min-confidence", 0, "--json")

    assert [o["status"] for o in result.objects] == ["would tag"] * 3
    assert len({o["confidence"] for o in result.objects}) == opinions


def test_a_folder_whose_configuration_is_not_valid_is_left_alone_and_the_others_are_tagged(genretagd, album):
    broken = album / "broken"
    broken.mkdir()
    shutil.copyfile(album / "mp3.mp3", broken / "mp3.mp3")
    (broken / ".genretagd.toml").write_text('[decision]\nalbum = "yes"\n')

    result = genretagd("tag", album, "--album", "--min-confidence", 0, "--json")
    told = {Path(o["path"]).relative_to(album): o for o in result.objects}

    assert result.status == 1
    assert told.pop(Path("broken/mp3.mp3"))["code"] == "folder configuration"
    assert {o["status"] for o in told.values()} == {"tagged"}


def test_every_file_that_cannot_be_tagged_says_why_and_the_run_goes_on(genretagd, album):
    (album / "text.mp3").write_text("these are words")
    (album / "zero.flac").touch()
    shutil.copyfile(album / "flac.flac", album / "wrong.mp3")
    os.mkfifo(album / "pipe.mp3")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(album / "socket.mp3"))

    result = genretagd("tag", album, "--min-confidence", 0, "--json")
    told = {Path(o["path"]).name: o for o in result.objects}

    assert result.status == 1
    assert [told[name]["status"] for name in ("mp3.mp3", "flac.flac", "aac.m4a")] == ["tagged"] * 3
    for name in ("text.mp3", "zero.flac"):
        assert told[name]["status"] == "failed"
        assert told[name]["reason"]
    for name in ("pipe.mp3", "socket.mp3"):
        assert (told[name]["status"], told[name]["code"]) == ("skipped", "not a file")


def test_a_line_of_an_ignore_file_that_is_no_pattern_is_warned_of_and_the_rest_holds(genretagd, album):
    (album / ".genretagdignore").write_text("*.mp3\nAlbum [Re-Issue]/\n*.m4a\n")

    result = genretagd("predict", album, "--json")

    assert [Path(track["path"]).name for track in result.objects] == ["flac.flac"]
    assert '"Album [Re-Issue]/" is no pattern' in result.err
    assert result.status == 0


def test_a_pipe_that_is_named_does_not_block(genretagd, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")

    result = genretagd("tag", tmp_path / "pipe.mp3", "--json")

    assert result.objects[0]["status"] in {"failed", "skipped"}
    assert "regular file" in result.objects[0]["reason"]


def test_a_named_file_without_permission_is_reported_and_the_others_are_listened_to(genretagd, album):
    named = [album / "mp3.mp3", album / "flac.flac"]
    named[0].chmod(0)
    if os.access(named[0], os.R_OK):
        pytest.skip("root may read everything")

    result = genretagd("predict", *named, "--min-confidence", 0, "--json")

    assert (result.status, [track["status"] for track in result.objects]) == (1, ["failed", "predicted"])


@pytest.mark.parametrize("command", ["tag", "predict", "undo", "history", "watch"])
def test_an_empty_name_is_refused_and_not_taken_for_the_folder_one_is_in(
    genretagd, album, monkeypatch, command
):
    monkeypatch.chdir(album)
    before = contents(album)

    result = genretagd(command, "")

    assert (result.status, "is empty, name a file or a directory" in result.err) == (2, True)
    assert contents(album) == before


@pytest.mark.parametrize("command", [["status"], ["undo", "--last"], ["history", "x"], ["plugins"]])
def test_a_ledger_that_cannot_be_looked_for_is_told_without_a_traceback(genretagd, command):
    result = genretagd(*command, "--ledger", "x" * 300)

    assert result.status == 1
    assert "xxx: File name too long" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "nowhere"], "nowhere: no such file or directory"),
        (["tag", ".", "--min-confidence", "2"], "--min-confidence: must be between 0 and 1"),
        (["tag", ".", "--config", "none.toml"], "none.toml: no such configuration file"),
        (["tag", ".", "--genre", "Rock"], "--genre: must be LABEL=NAME"),
        (["tag", ".", "--genre", "=Rap"], '--genre: must be LABEL=NAME, as in "Hip-Hop=Rap", not "=Rap"'),
        (["status", "--ledger", ""], '--ledger: must be a path, not ""'),
        (["status", "--config", ""], "is empty, name a file"),
        (["tag", ".", "--bundle", ""], '--bundle: must be a path or "default", not ""'),
        (["tag", ".", "--existing", "kep"], "keep"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong_and_exits_with_2(
    genretagd, arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    result = genretagd(*arguments)

    assert result.status == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_directory_that_is_gone_is_told_without_a_traceback(genretagd, album, monkeypatch):
    (album / "gone").mkdir()
    monkeypatch.chdir(album / "gone")
    (album / "gone").rmdir()

    result = genretagd("tag", "x.mp3", "--ledger", "x")

    assert (result.status, result.err) == (
        2,
        "genretagd: the directory that you are in is gone, enter another\n",
    )


def test_no_usable_model_exits_with_3_and_changes_nothing(genretagd, album):
    before = contents(album)

    result = genretagd("tag", album, "--model", album / "no-bundle")

    assert result.status == 3
    assert "no-bundle" in result.err
    assert contents(album) == before


def test_names_that_are_not_text_are_tagged_and_told(genretagd, album):
    name = os.fsencode(album) + b"/\xff\xfe name.mp3"
    shutil.copyfile(album / "mp3.mp3", name)

    result = genretagd("tag", album, "--min-confidence", 0, "--json")

    assert os.fsdecode(name) in {o["path"] for o in result.objects}
    assert {o["status"] for o in result.objects} == {"tagged"}
    assert genretagd("predict", os.fsdecode(name)).status == 0


def test_neither_predict_nor_tag_imports_a_training_library(repository, album):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from genretagd.workers.service import Service, WorkerSettings\n"
        "from genretagd.domain import WriteOptions\n"
        f"service = Service(WorkerSettings({str(repository / 'tests/data/tiny-bundle')!r}))\n"
        "track = Path(sys.argv[1])\n"
        "tag = service.read_genres(track)\n"
        "service.predict(track)\n"
        "service.write_genres(track, ['Rock'], expected=tag.version, options=WriteOptions())\n"
        "heavy = {'tensorflow', 'keras', 'librosa', 'scipy', 'numba', 'sklearn', 'matplotlib', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, album / "mp3.mp3"], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_ctrl_c_before_anything_has_begun_is_130_without_a_traceback(genretagd, monkeypatch, album):
    def interrupted(_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("genretagd.cli._start_ahead", interrupted)
    result = genretagd("predict", album)

    assert (result.status, result.err) == (130, "genretagd: interrupted\n")


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_trouble_and_nothing_is_printed_into_a_file(closed, album, repository):
    model = repository / "tests" / "data" / "tiny-bundle"
    arguments = ["tag", "--min-confidence=0", f"--model={model}", str(album)]
    subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-m", "genretagd", *arguments], check=True
    )

    for track in album.iterdir():
        assert FileTagStore().read_genres(track).genres


def test_a_worker_imports_nothing_from_the_folder_that_one_is_in(album, repository):
    (album / "av.py").write_text("raise SystemExit(3)")
    model = repository / "tests" / "data" / "tiny-bundle"
    script = "import sys; sys.path.remove(''); from genretagd.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", "--min-confidence=0", f"--model={model}", "."],
        cwd=album, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout.count("predicted  ")) == (0, 3)
