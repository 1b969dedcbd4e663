"""``spectrogram``, ``evaluate`` and ``train`` as a user runs them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from genretagd.cli.training import _tagged_files, print_result
from genretagd.errors import UsageError
from genretagd.ml.bundle import locate_bundle
from genretagd.ml.training.listener import Silent

needs_training = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="needs the training libraries"
)


@pytest.fixture
def music(tmp_path, repository):
    """Two genres of three formats each."""
    formats = repository / "tests" / "data" / "formats"
    for genre, names in {
        "alpha": ("mp3.mp3", "flac.flac", "aac.m4a"),
        "beta": ("mp3.mp3", "wav.wav"),
    }.items():
        folder = tmp_path / "music" / genre
        folder.mkdir(parents=True)
        for name in names:
            shutil.copyfile(formats / name, folder / name)
    return tmp_path / "music"


@pytest.fixture
def known_music(music, repository):
    """The same, its folders named like the small model's labels."""
    labels = json.loads((repository / "tests" / "data" / "tiny-bundle" / "bundle.json").read_text())["labels"]
    (music / "alpha").rename(music / labels[0].lower())
    return music


@needs_training
def test_spectrogram_writes_one_picture_per_track_and_only_once(genretagd, music, tmp_path):
    first = genretagd("spectrogram", music, tmp_path / "out", "--jobs", 1)
    assert (first.status, first.out.split(":")[0]) == (0, "5 written, 0 there already, 0 failed")
    pictures = sorted(path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("*.png"))
    assert pictures == [
        "alpha/aac.png", "alpha/flac.png", "alpha/mp3.png", "beta/mp3.png", "beta/wav.png",
    ]  # fmt: skip

    (music / "beta" / "wav.wav").touch()
    again = genretagd("spectrogram", music, tmp_path / "out", "--jobs", 1)
    assert again.out.startswith("1 written, 4 there already")


@needs_training
def test_tracks_of_one_name_in_two_albums_have_a_picture_each(genretagd, music, tmp_path):
    for album in ("One", "Two"):
        (music / "beta" / "Somebody" / album).mkdir(parents=True)
        shutil.copyfile(music / "beta" / "wav.wav", music / "beta" / "Somebody" / album / "01 Intro.wav")
    for made in ("7 written, 0 there already, 0 failed", "0 written, 7 there already, 0 failed"):
        assert genretagd("spectrogram", music, tmp_path / "out", "--jobs", 1).out.startswith(made)
    found = [path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("*Intro*.png")]
    assert sorted(found) == ["beta/Somebody/One/01 Intro.png", "beta/Somebody/Two/01 Intro.png"]


@needs_training
def test_spectrogram_names_a_damaged_file_and_goes_on(genretagd, music, tmp_path):
    (music / "alpha" / "bad.mp3").write_bytes(b"no sound at all" * 100)
    result = genretagd("spectrogram", music, tmp_path / "out", "--jobs", 2)
    assert result.status == 1
    assert "bad.mp3" in result.err
    assert result.out.startswith("5 written, 0 there already, 1 failed")


@needs_training
@pytest.mark.parametrize("place", [".", "spectrograms", "alpha/pictures"])
def test_spectrogram_does_not_write_where_its_pictures_would_hide_the_audio(genretagd, music, place):
    result = genretagd("spectrogram", music, music / place, "--jobs", 1)
    assert result.status == 2
    assert f"lies in {music}, where its pictures would take the place of the audio" in result.err
    assert not list(music.rglob("*.png"))


@needs_training
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda taken: taken, id="a file"),
        pytest.param(lambda taken: taken / "out", id="below a file"),
        pytest.param(lambda _: Path("/proc"), id="not a disk"),
    ],
)
def test_spectrogram_draws_nothing_where_it_cannot_write(genretagd, music, tmp_path, place):
    taken = tmp_path / "taken"
    taken.write_bytes(b"a file")
    result = genretagd("spectrogram", music, place(taken), "--jobs", 1)
    assert (result.status, result.out) == (2, "")
    assert "cannot be written (" in result.err
    assert "spectrograms:" not in result.err


@needs_training
def test_spectrogram_says_where_there_is_no_audio(genretagd, music, tmp_path):
    genretagd("spectrogram", music, tmp_path / "out", "--jobs", 1)
    (tmp_path / "out").rename(music / "spectrograms")
    result = genretagd("spectrogram", music, tmp_path / "more", "--jobs", 1)
    assert result.status == 2
    assert f"{music / 'spectrograms'}: no audio in it, these are spectrograms already" in result.err


@needs_training
def test_spectrogram_leaves_a_picture_that_is_not_its_own(genretagd, music, tmp_path):
    cover = tmp_path / "out" / "alpha" / "mp3.png"
    cover.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(cover)
    before = cover.read_bytes()
    result = genretagd("spectrogram", music, tmp_path / "out", "--jobs", 1)
    assert result.status == 1
    assert "alpha/mp3.png is there and no spectrogram of genretagd's" in result.err
    assert result.out.startswith("4 written, 0 there already, 1 failed")
    assert cover.read_bytes() == before


@needs_training
def test_evaluate_measures_audio_and_counts_other_folders_as_foreign(
    genretagd, known_music, repository, tmp_path
):
    bundle = repository / "tests" / "data" / "tiny-bundle"
    result = genretagd("evaluate", bundle, known_music, "-o", tmp_path / "out", "--json", "--jobs", 1)
    assert result.status == 0
    (printed,) = result.objects
    assert printed["tracks"] == 3
    assert printed["outside"]["tracks"] == 2
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["accuracy"] == printed["accuracy"]
    assert (tmp_path / "out" / "report.html").is_file()


@needs_training
def test_evaluate_measures_music_in_a_folder_whose_name_is_no_utf8(
    genretagd, known_music, repository, tmp_path
):
    bundle = repository / "tests" / "data" / "tiny-bundle"
    named = known_music.rename(tmp_path / os.fsdecode(b"mus\xefque"))
    result = genretagd("evaluate", bundle, named, "-o", tmp_path / "out", "--jobs", 1)
    assert result.status == 0
    assert r"on mus\xefque" in (tmp_path / "out" / "report.html").read_text()


@needs_training
def test_training_without_its_libraries_says_what_to_install(genretagd, music, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "keras" else found(name, *a)
    )
    result = genretagd("train", music)
    assert result.status == 2
    assert "keras not installed, run `pip install 'genretagd[train]'`" in result.err


@pytest.fixture
def planned(genretagd, music, monkeypatch):
    """Return the plan that a training of two genres is given with further arguments."""

    def plan(*arguments):
        plans = []

        def train(_, plan, __):
            plans.append(plan)
            raise UsageError("planned")

        with monkeypatch.context() as patched:
            patched.chdir(music.parent)
            patched.setattr("genretagd.ml.training.train.train", train)
            result = genretagd("train", "music", "--min-tracks", 1, *arguments)
        assert "planned" in result.err
        return plans[0]

    return plan


@needs_training
def test_what_was_typed_in_bytes_that_are_no_utf8_is_written_as_text(planned):
    typed = os.fsdecode(b"mod\xe8le")
    plan = planned("-o", typed, "--licence", typed, "--model-version", typed)
    assert plan.output.name == typed
    assert (plan.name, plan.licence, plan.version) == (r"mod\xe8le",) * 3
    assert r"-o 'mod\xe8le'" in plan.command


@needs_training
@pytest.mark.parametrize("typed", [".", "music/.."])
def test_state_and_report_of_a_bundle_are_named_after_its_directory(planned, music, typed):
    plan = planned("-o", typed)
    folder = music.parent.resolve()
    assert (plan.output, plan.name) == (folder, folder.name)
    assert plan.report == folder.with_name(f"{folder.name}-report")


def test_whoever_is_in_the_directory_that_was_replaced_is_told(tmp_path, monkeypatch, capsys):
    bundle = tmp_path / "model"
    bundle.mkdir()
    monkeypatch.chdir(bundle)
    errors = []
    for _ in range(2):
        print_result({}, report=tmp_path, problems=[], as_json=True, bundle=bundle)
        errors.append(capsys.readouterr().err)
        shutil.rmtree(bundle, ignore_errors=True)

    assert [f"enter it anew: cd {bundle}" in error for error in errors] == [False, True]


def test_long_names_of_foreign_music_keep_apart_from_their_figures(tmp_path, capsys):
    kind = {"undecided": 0.5, "tracks": 4}
    outside = kind | {"kinds": {"Traditional Irish Folk": kind, "Polka": kind}}
    figures = {"accuracy": 0.7, "macro_f1": 0.7, "ece": 0.1, "tracks": 8, "outside": outside}
    figures |= {"intervals": {"accuracy": [0.5, 0.9]}, "decided": {"share": 0.5, "precision": 0.75}}
    print_result(figures, report=tmp_path, problems=[], as_json=False)
    printed = capsys.readouterr().out
    assert "  Traditional Irish Folk 50% of 4\n" in printed
    assert "  Polka                  50% of 4\n" in printed


@pytest.mark.parametrize(
    ("share", "told"), [(0.5, "50% of 8 tracks, 75.0% of them right\n"), (0.0, "0% of 8 tracks\n")]
)
def test_of_tracks_that_are_decided_the_right_ones_are_counted(tmp_path, capsys, share, told):
    figures = {"accuracy": 0.7, "macro_f1": 0.7, "ece": 0.1, "tracks": 8, "outside": None}
    figures |= {"intervals": {"accuracy": [0.5, 0.9]}}
    figures |= {"decided": {"share": share, "precision": 0.75 if share else 1.0}}
    print_result(figures, report=tmp_path, problems=[], as_json=False)
    assert f"decided            {told}" in capsys.readouterr().out


@needs_training
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "name either a DATASET", id="nothing named"),
        pytest.param(["music", "--from-library", "music"], "name either a DATASET", id="both named"),
        pytest.param(["nowhere"], "no such folder", id="no such folder"),
        pytest.param(["music"], "3 tracks, a genre needs at least 10", id="too few tracks"),
        pytest.param(["music", "--arch", "big"], "--arch big: no such network", id="no such network"),
        pytest.param(["music", "--set", "epoch=3"], "--set epoch: no such setting", id="no such setting"),
        pytest.param(["music", "--set", "epochs=some"], "must be of type int", id="no number"),
        pytest.param(["music", "--set", "epochs=-1"], "epochs=-1: must be at least 1", id="no rounds"),
        pytest.param(["music", "--set", "mixup=nan"], "mixup=nan: must be at least 0", id="not a number"),
        pytest.param(["music", "--folds", 1], "--folds 1: must be 0", id="one fold"),
        pytest.param(["music", "--excerpts", 101], "less than or equal to 100", id="no bundle has so many"),
        pytest.param(["music", "--base", "nowhere"], "no such directory", id="no such base"),
        pytest.param(
            ["music", "--arch", "seed", "--pool", "a", "--teacher", "b.npz", "--set", "refit_share=0.4"],
            "leave out --pool and --teacher and --set refit_share",
            id="what the network does not hear",
        ),
        pytest.param(
            ["music", "--set", "arch=seed", "--teacher", "b.npz"], "leave out --teacher", id="no teacher"
        ),
        pytest.param(["music", "-o", "/"], "/: name a directory for the bundle", id="no name of its own"),
        pytest.param(
            ["music", "--min-tracks", 1, "--pool-genre", "x=Folk, World"],
            "'Folk, World' holds one of ; / ,",
            id="no label",
        ),
        pytest.param(
            ["music", "--min-tracks", 1, "--model-version", " "],
            "--model-version ' ': must not be blank",
            id="blank version",
        ),
        pytest.param(["--from-library", "nowhere"], "no such folder", id="no such library"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(genretagd, music, monkeypatch, arguments, words):
    monkeypatch.chdir(music.parent)
    result = genretagd("train", *arguments)
    assert result.status in (2, 3)
    assert words in result.err
    assert not (music.parent / "model").exists()
    assert not list(music.parent.glob("*.work"))


def without_description(bundle):
    (bundle / "bundle.json").unlink()


def without_a_network(bundle):
    described = json.loads((bundle / "bundle.json").read_text())
    del described["files"]["model.keras"]
    (bundle / "bundle.json").write_text(json.dumps(described))


def of_another_front_end(bundle):
    described = json.loads((bundle / "bundle.json").read_text())
    described["front_end"] |= {"sr": 16000, "hop_length": 512}
    (bundle / "bundle.json").write_text(json.dumps(described))


def damaged(bundle):
    content = bytearray((bundle / "model.keras").read_bytes())
    content[len(content) // 2] ^= 0x5A
    (bundle / "model.keras").write_bytes(content)


@needs_training
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_description, "bundle.json: cannot be read"),
        (without_a_network, "has no network to go on training from"),
        (of_another_front_end, "of another front end (sr 16000, hop_length 512), train without --base"),
        (damaged, "model.keras: not the file this bundle was written with"),
    ],
)
def test_a_trunk_that_cannot_be_kept_is_refused_before_any_music_is_looked_at(
    genretagd, tmp_path, spoil, words
):
    shutil.copytree(locate_bundle(), tmp_path / "base")
    spoil(tmp_path / "base")
    result = genretagd("train", tmp_path / "nowhere", "--base", tmp_path / "base")
    assert result.status == 3
    assert words in result.err


@needs_training
def test_the_trunk_of_a_sound_bundle_is_kept(planned, tmp_path):
    shutil.copytree(locate_bundle(), tmp_path / "base")
    assert planned("--base", tmp_path / "base").base == tmp_path / "base" / "model.keras"
    assert planned("--base", "default").base == locate_bundle() / "model.keras"


def test_of_a_library_hidden_files_are_not_learnt_from_and_unreadable_ones_are_named(music):
    for folder in (".Trash-1000/files", "beta/.cache"):
        (music / folder).mkdir(parents=True)
        shutil.copyfile(music / "beta" / "wav.wav", music / folder / "deleted.wav")
    (music / "alpha" / "damaged.flac").write_bytes(b"fLaC garbage" * 100)
    files, unreadable = _tagged_files(music, Silent())
    assert [file.path.relative_to(music).as_posix() for file in files] == [
        "alpha/aac.m4a", "alpha/flac.flac", "alpha/mp3.mp3", "beta/mp3.mp3", "beta/wav.wav",
    ]  # fmt: skip
    assert len(unreadable) == 1
    assert unreadable[0].startswith(f"{music / 'alpha' / 'damaged.flac'}: ")


@needs_training
@pytest.mark.parametrize("options", [(), ("--from-library",)], ids=["folders", "library"])
def test_whoever_waits_for_tags_to_be_read_is_told_of_how_many_files(genretagd, music, options):
    result = genretagd("train", *options, music, "--min-tracks", 1)
    assert result.err.startswith("reading tags: 5 to do\nreading tags: 5/5")


@needs_training
def test_a_library_with_too_few_tagged_files_is_refused_with_what_was_found(genretagd, music):
    result = genretagd("train", "--from-library", music)
    assert result.status == 2
    assert "two are needed; genres found" in result.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("train", "music", "-o", "model"), "interrupted, the same command goes on from here"),
        (("evaluate", "default", "music", "-o", "out"), "interrupted"),
    ],
    ids=["train", "evaluate"],
)
def test_ctrl_c_is_answered_in_words(genretagd, monkeypatch, command, said):
    def interrupted(*_what):
        raise KeyboardInterrupt

    monkeypatch.setattr("genretagd.cli.training.require_training", interrupted)
    result = genretagd(*command)

    assert (result.status, result.err) == (130, f"genretagd: {said}\n")
