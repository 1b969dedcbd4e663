from __future__ import annotations

import dataclasses
import errno
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sounds import TINY_BUNDLE

from genretagd.errors import ModelError, UsageError
from genretagd.ml.bundle import Bundle, load_bundle, locate_bundle, write_bundle
from genretagd.ml.runtime import Network


@pytest.fixture
def copied(tmp_path):
    directory = tmp_path / "bundle"
    shutil.copytree(TINY_BUNDLE, directory)
    return directory


def rewrite(directory, change) -> None:
    path = directory / "bundle.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_bundle_goes_to_json_and_back_unchanged(tiny_bundle):
    again = Bundle.from_json(json.loads(json.dumps(tiny_bundle.to_json())))
    assert again.to_json() == tiny_bundle.to_json()
    assert (
        dataclasses.replace(again, directory=tiny_bundle.directory, identity=tiny_bundle.identity)
        == tiny_bundle
    )


def test_the_description_holds_the_fields_of_the_documented_schema(tiny_bundle):
    assert list(tiny_bundle.to_json()) == [
        "schema_version", "name", "version", "labels", "outside_labels", "front_end", "excerpts", "patch",
        "calibration", "thresholds", "metrics", "data", "licence", "files",
    ]  # fmt: skip


def test_the_identity_names_the_content(copied):
    before = load_bundle(copied).identity
    assert before.startswith("tiny-1@")
    rewrite(copied, lambda content: content["calibration"].update(temperature=2.0))
    after = load_bundle(copied).identity
    assert after.startswith("tiny-1@")
    assert after != before


def test_a_written_bundle_is_the_one_that_is_read(tmp_path, tiny_bundle):
    files = {name: TINY_BUNDLE / name for name in ("model.tflite", "mel.npy")}
    written = write_bundle(tmp_path / "new", dataclasses.replace(tiny_bundle, name="other"), files=files)
    assert load_bundle(tmp_path / "new") == written
    assert written.name == "other"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "bundle.json",
        "mel.npy",
        "model.tflite",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def parts():
    return {name: (TINY_BUNDLE / name).read_bytes() for name in ("model.tflite", "mel.npy")}


def test_writing_over_a_bundle_replaces_it_and_leaves_nothing_behind(tmp_path, copied, tiny_bundle):
    write_bundle(copied, dataclasses.replace(tiny_bundle, version="2"), files=parts())
    assert load_bundle(copied).version == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize("beside", [True, False], ids=["beside a bundle", "alone"])
def test_a_bundle_is_never_written_over_anything_else(tmp_path, copied, tiny_bundle, beside):
    place = copied if beside else tmp_path / "Music"
    place.mkdir(exist_ok=True)
    (place / "song.flac").write_bytes(b"the only copy")
    with pytest.raises(UsageError, match=r"holds song\.flac, which is no part of a bundle"):
        write_bundle(place, dataclasses.replace(tiny_bundle, version="2"), files=parts())
    assert (place / "song.flac").read_bytes() == b"the only copy"
    assert not beside or load_bundle(place).version == "1"


@pytest.mark.parametrize("dangling", [True, False], ids=["dangling link", "file"])
def test_a_bundle_is_not_written_over_a_file(tmp_path, tiny_bundle, dangling):
    place = tmp_path / "model"
    if dangling:
        place.symlink_to(tmp_path / "away")
    else:
        place.write_bytes(b"x")
    with pytest.raises(UsageError, match="a file is there"):
        write_bundle(place, tiny_bundle, files=parts())
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_came_into_a_bundle_while_it_was_replaced_is_kept(tmp_path, copied, tiny_bundle, monkeypatch):
    monkeypatch.setattr("genretagd.ml.bundle.refuse_foreign", lambda _: None)
    (copied / "song.flac").write_bytes(b"the only copy")
    write_bundle(copied, dataclasses.replace(tiny_bundle, version="2"), files=parts())
    assert load_bundle(copied).version == "2"
    (kept,) = tmp_path.glob(".bundle.*.replaced/*")
    assert kept.read_bytes() == b"the only copy"


def test_a_bundle_that_cannot_be_replaced_is_put_back(tmp_path, copied, tiny_bundle, monkeypatch):
    rename = Path.rename

    def refused(path, target):
        if Path(target) == copied and not path.name.endswith(".replaced"):
            raise OSError(errno.EIO, "no more")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(ModelError, match="no more"):
        write_bundle(copied, dataclasses.replace(tiny_bundle, version="2"), files=parts())
    assert load_bundle(copied).version == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_that_could_not_be_read_is_not_written(tmp_path, tiny_bundle):
    with pytest.raises(ModelError, match=r"no hash of mel\.npy"):
        write_bundle(tmp_path / "new", tiny_bundle, files={"model.tflite": b"x"})
    assert list(tmp_path.iterdir()) == []


CHANGES = [
    pytest.param(lambda c: c.update(schema_version=2), "schema version 2", id="schema"),
    pytest.param(lambda c: c.pop("labels"), "labels: not a list", id="no-labels"),
    pytest.param(lambda c: c.update(labels=["Jazz"]), "labels: not a list of 2", id="one-label"),
    pytest.param(lambda c: c.update(labels=["Jazz", "Jazz"]), "stands twice", id="twin-labels"),
    pytest.param(lambda c: c.update(labels=["Jazz", "\udce8"]), "no UTF-8", id="label-of-bytes"),
    pytest.param(lambda c: c.update(labels=["Jazz", " "]), r"labels\[1\]: ' ' is not a text", id="blank"),
    pytest.param(lambda c: c.update(labels=["Jazz", "Funk / Soul"]), "which players split", id="split-label"),
    pytest.param(lambda c: c.update(colour="red"), "colour: unknown", id="unknown"),
    pytest.param(lambda c: c["front_end"].update(n_fft="big"), r"front_end\.n_fft: 'big' is not", id="type"),
    pytest.param(lambda c: c["front_end"].pop("sr"), r"front_end\.sr: missing", id="missing"),
    pytest.param(lambda c: c["front_end"].update(window="kaiser"), "this program knows hann", id="window"),
    pytest.param(lambda c: c["front_end"].update(filter_bank="../mel.npy"), "plain file name", id="path"),
    pytest.param(lambda c: c["calibration"].update(temperature=0.0), "temperature: 0.0 is not", id="zero"),
    pytest.param(lambda c: c["calibration"].update(outside_bias=float("nan")), "outside_bias: nan", id="nan"),
    pytest.param(lambda c: c["calibration"].update(temperature=10**400), "temperature: 10", id="huge"),
    pytest.param(lambda c: c["excerpts"].update(seconds=0.4), r"seconds: 0\.4 is not", id="short-excerpts"),
    pytest.param(lambda c: c["thresholds"].update(min_confidence=1.5), "min_confidence: 1.5", id="range"),
    pytest.param(lambda c: c["patch"].update(frames=None), "needs resize_to", id="whole-excerpt"),
    pytest.param(lambda c: c["patch"].update(frames=True), r"patch\.frames: True", id="truth-is-no-number"),
    pytest.param(lambda c: c["files"].update({"mel.npy": "abc"}), "not a SHA-256", id="hash"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_description_that_cannot_be_believed_is_refused(copied, change, message):
    rewrite(copied, change)
    with pytest.raises(ModelError, match=message) as raised:
        load_bundle(copied)
    assert str(raised.value).startswith(str(copied / "bundle.json"))


def test_all_problems_of_a_description_are_told_at_once(copied):
    def spoil(content):
        content["front_end"]["sr"] = -1
        content["excerpts"]["count"] = 0
        content["name"] = ""

    rewrite(copied, spoil)
    with pytest.raises(ModelError, match=r"name: .*front_end\.sr: .*excerpts\.count: "):
        load_bundle(copied)


def test_a_changed_file_is_not_loaded(copied):
    (copied / "mel.npy").write_bytes((copied / "mel.npy").read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match=r"mel\.npy: not the file this bundle was written with"):
        load_bundle(copied).mel_basis()


def test_a_pickle_is_not_unpickled(tmp_path, tiny_bundle):
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    files = {"model.tflite": TINY_BUNDLE / "model.tflite", "mel.npy": tmp_path / "evil.npy"}
    with pytest.raises(ModelError, match="not a numpy array"):
        write_bundle(tmp_path / "new", tiny_bundle, files=files)


def npz(array) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, array)
    return stream.getvalue()


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(npz(np.ones((16, 257))), "not a numpy array", id="archive"),
        pytest.param(b"\x93NUMPY\x01\x00v\x00" + 118 * b"(", "not a numpy array", id="header"),
        pytest.param(npy(np.ones((16, 257))).replace(b"(16,", b"(1" + 15 * b"6" + b","), "numpy", id="size"),
        pytest.param(npy(np.full((16, 257), np.nan)), "no number", id="nan"),
    ],
)
def test_a_filter_bank_that_is_none_is_refused(tmp_path, tiny_bundle, content, message):
    files = {"model.tflite": TINY_BUNDLE / "model.tflite", "mel.npy": content}
    with pytest.raises(ModelError, match=message):
        write_bundle(tmp_path / "new", tiny_bundle, files=files)


def test_a_filter_bank_of_another_shape_is_refused(copied):
    rewrite(copied, lambda content: content["front_end"].update(n_mels=17))
    with pytest.raises(ModelError, match=r"holds float32 of shape \(16, 257\)"):
        load_bundle(copied).mel_basis()


def test_a_model_of_another_shape_is_refused(copied):
    rewrite(copied, lambda content: content.update(labels=["A", "B", "C", "D"]))
    with pytest.raises(
        ModelError, match=r"into float32 \(1, 4\), the description says .* into float32 \(1, 5\)"
    ):
        Network(load_bundle(copied))
    rewrite(copied, lambda content: content["patch"].update(frames=33))
    with pytest.raises(ModelError, match=r"turns float32 \(1, 16, 32, 1\)"):
        Network(load_bundle(copied))


def test_a_model_that_is_no_model_is_refused(tmp_path, tiny_bundle):
    files = {"model.tflite": b"not a flat buffer", "mel.npy": TINY_BUNDLE / "mel.npy"}
    written = write_bundle(tmp_path / "new", tiny_bundle, files=files)
    with pytest.raises(ModelError, match=r"model\.tflite: cannot be loaded"):
        Network(written)


def test_a_directory_without_a_bundle_says_so(tmp_path):
    with pytest.raises(ModelError, match=r"bundle\.json: cannot be read"):
        load_bundle(tmp_path)
    for missing in ("nowhere", 300 * "x"):
        with pytest.raises(ModelError, match="no such directory"):
            locate_bundle(tmp_path / missing)


def test_a_description_that_is_not_json_says_so(copied):
    for content in ("{", 100_000 * "["):
        (copied / "bundle.json").write_text(content)
        with pytest.raises(ModelError, match="not JSON"):
            load_bundle(copied)
