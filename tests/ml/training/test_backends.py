"""The network and its training run on another backend of Keras, and what comes of it is served alike."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small import SMALL

from genretagd.errors import ModelError
from genretagd.ml import runtime
from genretagd.ml.training import export, loop, network

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # TensorFlow's

LEARN = """
import sys
import numpy as np
from small import SMALL, in_bands
from genretagd.ml.training import export, loop, network

labels = np.arange(48) % 2
examples = in_bands(labels)
model = network.build_default(n_outputs=2, **SMALL)
schedule = loop.Schedule(epochs=12, steps=6, batch_size=16, learning_rate=5e-3, averaging=0.5)
loop.fit(model, examples, schedule=schedule)
logits = loop.track_logits(model, examples.pictures, frames=32)
assert (logits.argmax(axis=1) == labels).mean() > 0.9, logits
model.save(sys.argv[1] + "/model.keras")
sys.stdout.buffer.write(export.from_file(sys.argv[1] + "/model.keras"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_what_another_backend_learns_is_converted_and_says_the_same(tmp_path, backend):
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", LEARN, str(tmp_path)],
        env=os.environ
        | {
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path(__file__).parent)]),
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    rng = np.random.default_rng(1)
    patches = rng.random((4, 32, 32, 1), np.float32)
    taken_over = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    wanted = np.asarray(taken_over(patches, training=False)["genre"])
    got = runtime.run(runtime.load(done.stdout), patches)
    assert np.abs(got - wanted).max() < 0.1 * max(1.0, np.abs(wanted).max())


def test_a_conversion_that_fails_elsewhere_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ModelError, match="cannot be converted by TensorFlow: "):
        export.from_file(tmp_path / "missing.keras")


def test_a_saved_network_is_converted_as_it_is(tmp_path):
    keras.utils.set_random_seed(0)
    model = network.build_default(n_outputs=2, **SMALL)
    model.save(tmp_path / "model.keras")
    assert export.from_file(tmp_path / "model.keras") == export.to_tflite(model)


def test_tensorflow_alone_is_not_compiled_by_xla(monkeypatch):
    model = network.build_default(n_outputs=2, **SMALL)
    for backend in ("tensorflow", "jax"):
        monkeypatch.setattr(keras.backend, "backend", lambda backend=backend: backend)
        loop._compile(model, schedule=loop.Schedule(), steps=1)
        assert model.jit_compile == (backend == "jax")
