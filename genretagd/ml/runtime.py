"""The network of a bundle, run by LiteRT on one thread."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from genretagd.errors import ModelError
from genretagd.ml.bundle import MODEL, Bundle
from genretagd.ml.frontend import FloatArray


class Network:
    """Runs patches through a bundle's `model.tflite`.

    Parameters
    ----------
    bundle : Bundle
        Whose model it is; its shapes must be those the description states.

    Raises
    ------
    ModelError
        The model cannot be loaded or has other shapes.
    """

    def __init__(self, bundle: Bundle) -> None:
        content = bundle.read_file(MODEL)
        self._where = f"{bundle.directory}/{MODEL}"
        try:
            self._interpreter = load(content)
        except (ValueError, RuntimeError, OSError, ImportError) as exc:
            problem = f"cannot be loaded ({exc}), install or train the bundle again"
            raise ModelError(f"{self._where}: {problem}") from exc
        self._check(bundle)

    def _check(self, bundle: Bundle) -> None:
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        number = len(bundle.labels) + len(bundle.outside_labels)
        wanted = (f"float32 (1, {', '.join(map(str, bundle.patch_shape()))})", f"float32 (1, {number})")
        found = tuple(
            " and ".join(f"{np.dtype(one['dtype']).name} {tuple(map(int, one['shape']))}" for one in ends)
            for ends in (inputs, outputs)
        )
        if found != wanted:
            raise ModelError(
                f"{self._where}: turns {found[0]} into {found[1]}, the description says {wanted[0]} into "
                f"{wanted[1]}; train the bundle again"
            )

    def logits(self, patches: FloatArray) -> FloatArray:
        """Run patches one at a time, so that no result depends on its neighbours.

        Parameters
        ----------
        patches : np.ndarray [shape=(patches, height, width, channels), dtype=float32]
            In [0, 1].

        Returns
        -------
        np.ndarray [shape=(patches, labels + outside_labels), dtype=float32]

        Raises
        ------
        ModelError
            They are not all finite, and no threshold would hold back what follows from that.
        """
        logits = run(self._interpreter, patches)
        if not np.isfinite(logits).all():
            raise ModelError(f"{self._where}: gives what is no number, install or train the bundle again")
        return logits


def load(content: bytes) -> Any:
    """Return a LiteRT interpreter for a flat buffer, on one thread and ready to run."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - 100 ms, only to predict

    with without_notices():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


def run(interpreter: Any, patches: FloatArray) -> FloatArray:
    """Run patches through an interpreter one at a time: see `Network.logits`."""
    entry = interpreter.get_input_details()[0]["index"]
    output = interpreter.get_output_details()[0]["index"]
    results = []
    for patch in patches:
        interpreter.set_tensor(entry, patch[np.newaxis])
        interpreter.invoke()
        results.append(interpreter.get_tensor(output)[0].copy())
    return np.stack(results)


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """Keep off standard error what libraries say of themselves there; failures come as exceptions."""
    try:
        kept = os.dup(2)
    except OSError:  # closed; nothing to keep clean
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
