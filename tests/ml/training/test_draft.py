"""A fitted network becomes a bundle, and who trains is told where it will be slow."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from small import SMALL
from spectrograms import EXCERPTS

from genretagd.ml import runtime
from genretagd.ml.bundle import load_bundle
from genretagd.ml.classifier import load_classifier
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import draft, export, network
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.prepare import Ingredients

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # TensorFlow's


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = network.build_default(
        n_outputs=3,
        **SMALL | {"n_mels": 128, "frames": 128, "channels": (8, 8, 16, 16, 16), "embedding": 256},
    )
    path = tmp_path_factory.mktemp("fitted") / "model.keras"
    model.save(path)
    return path


def written(fitted, folder):
    listener = Heard()
    draft.write(
        folder,
        fitted,
        name="mine",
        version="2",
        prepared=SimpleNamespace(
            material=SimpleNamespace(label_names=("High", "Low"), outside_names=("Speech",))
        ),
        ingredients=Ingredients(cache=folder / "cache", front_end=FrontEnd(), excerpts=EXCERPTS),
        arch="default",
        title="fold 3 of 5",
        listener=listener,
    )
    return listener.notes


def test_a_network_in_8_bits_is_written_without_a_word(fitted, tmp_path):
    assert written(fitted, tmp_path / "bundle") == []
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.name, bundle.version, bundle.labels) == ("mine", "2", ("High", "Low"))
    assert bundle.outside_labels == ("Speech",)
    assert bundle.read_file("model.keras") == fitted.read_bytes()
    load_classifier(tmp_path / "bundle")


def test_a_network_that_an_earlier_process_learnt_is_converted_without_a_greeting_of_libraries(fitted):
    convert = "import sys, pathlib; from genretagd.ml.training import export; "
    convert += "assert export.from_file(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", convert, fitted],
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""


def test_who_trains_is_told_that_weights_stay_in_floating_point(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST_QUANTISED_ERROR", 1e-9)
    (note,) = written(fitted, tmp_path / "bundle")
    assert note.startswith("fold 3 of 5: 8-bit weights would change what this network says")
    bundle = load_bundle(tmp_path / "bundle")
    assert not export.in_8_bits(bundle.read_file("model.tflite"))
    assert np.isfinite(
        runtime.run(runtime.load(bundle.read_file("model.tflite")), np.zeros((1, 128, 128, 1), "f4"))
    ).all()
