"""A network that was fitted, as a bundle that can be measured but is not calibrated yet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genretagd.ml.bundle import MODEL, TRAINABLE, Bundle, write_bundle
from genretagd.ml.training import export
from genretagd.ml.training.listener import Listener
from genretagd.ml.training.prepare import Ingredients, Prepared
from genretagd.ml.training.recipe import COLOUR_FILE, Arch, colour_map, geometry, heard
from genretagd.ml.training.spectra import mel_filter_bank

NOT_IN_8_BITS: Final = (
    "8-bit weights would change what this network says, so they stay in floating point: the model is right, "
    "but four times as large and about three times as slow"
)


def write(
    folder: Path,
    trained: Path,
    *,
    name: str,
    version: str,
    prepared: Prepared,
    ingredients: Ingredients,
    arch: Arch,
    title: str,
    listener: Listener,
) -> None:
    """Convert a network that was saved as ``.keras`` and write it as a bundle.

    Parameters
    ----------
    folder : Path
        The bundle's directory.
    trained : Path
        The network.
    name, version : str
        Of the bundle.
    prepared : Prepared
        What its outputs mean.
    ingredients : Ingredients
        What it was taught to hear: front end and excerpts.
    arch : str
        Of the network.
    title : str
        What the listener calls this network.
    listener : Listener
        Told where the network is served slower than others of its kind.

    Raises
    ------
    ModelError
        The network cannot be converted.
    """
    listener.stage(f"{title}: writing the network", 0)
    description = Bundle(
        name=name,
        version=version,
        labels=prepared.material.label_names,
        outside_labels=prepared.material.outside_names,
        front_end=ingredients.front_end,
        excerpts=heard(arch, learnt=ingredients.excerpts),
        patch=geometry(arch),
    )
    converted = export.from_file(trained)
    if not export.in_8_bits(converted):
        listener.note(f"{title}: {NOT_IN_8_BITS}")
    files: dict[str, bytes | Path] = {
        MODEL: converted,
        TRAINABLE: trained,
        ingredients.front_end.filter_bank: _npy(mel_filter_bank(ingredients.front_end)),
    }
    if description.patch.colormap is not None:
        files[COLOUR_FILE] = _npy(colour_map())
    write_bundle(folder, description, files=files)


def _npy(values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()
