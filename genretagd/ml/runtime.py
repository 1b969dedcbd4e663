"""The network of a bundle, run by LiteRT on one thread."""

from __future__ import annotations

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
        where = f"{bundle.directory}/{MODEL}"
        try:
            from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - 100 ms, only to predict

            self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        except (ValueError, RuntimeError, OSError, ImportError) as exc:
            raise ModelError(f"{where}: cannot be loaded ({exc}), install or train the bundle again") from exc
        self._where = where
        self._check(bundle)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._interpreter.allocate_tensors()

    def _check(self, bundle: Bundle) -> None:
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"{self._where}: {len(inputs)} inputs and {len(outputs)} outputs, one of each is needed"
            )
        found = tuple(int(size) for size in inputs[0]["shape"][1:])
        wanted = bundle.patch_shape()
        if found != wanted or inputs[0]["dtype"] is not np.float32:
            raise ModelError(
                f"{self._where}: takes {np.dtype(inputs[0]['dtype']).name} patches of shape {found}, the description "
                f"says float32 of shape {wanted}; train the bundle again"
            )
        logits = tuple(int(size) for size in outputs[0]["shape"][1:])
        number = len(bundle.labels) + len(bundle.outside_labels)
        if logits != (number,) or outputs[0]["dtype"] is not np.float32:
            raise ModelError(
                f"{self._where}: returns shape {logits}, the description has {number} labels; train the bundle again"
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
        """
        results = []
        for patch in patches:
            self._interpreter.set_tensor(self._input, patch[np.newaxis])
            self._interpreter.invoke()
            results.append(self._interpreter.get_tensor(self._output)[0].copy())
        return np.stack(results)
