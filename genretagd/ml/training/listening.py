"""What a bundle says of pictures, by the network file and the patches that serving uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genretagd.ml.bundle import Bundle
from genretagd.ml.classifier import Classifier
from genretagd.ml.frontend import scale
from genretagd.ml.training.listener import Listener
from genretagd.ml.training.material import Pictures


def track_logits(
    bundle: Bundle, pictures: Pictures, tracks: NDArray[np.int32], listener: Listener
) -> NDArray[np.float32]:
    """Return each track's logits as serving computes them `[shape=(tracks, labels + outside_labels)]`."""
    classifier = Classifier(bundle)
    listener.stage("measuring", len(tracks))
    found = np.empty((len(tracks), len(bundle.labels) + len(bundle.outside_labels)), np.float32)
    for index, track in enumerate(tracks):
        excerpts = [part.astype(np.float32) / np.float32(255.0) for part in pictures.excerpts(int(track))]
        found[index] = classifier.spectrogram_logits(as_heard(excerpts, bundle=bundle))
        listener.step()
    return found


def as_heard(excerpts: Sequence[NDArray[np.float32]], *, bundle: Bundle) -> list[NDArray[np.float32]]:
    """Cut excerpts as long as a bundle listens to out of longer ones.

    Parameters
    ----------
    excerpts : sequence of np.ndarray [shape=(n_mels, frames)]
        Of one track.
    bundle : Bundle
        Says how many excerpts of how many seconds are listened to.

    Returns
    -------
    list of np.ndarray [shape=(n_mels, frames)]
        As many parts as the bundle has excerpts, dealt out evenly to those given and evenly spread over
        each (the middle, where it is one), every part scaled to [0, 1] by itself as serving does. Excerpts
        that are no longer than that are given back as they are.
    """
    choice, front_end = bundle.excerpts, bundle.front_end
    width = front_end.frames_in(round(choice.seconds * front_end.sr))
    parts = max(1, choice.count // max(1, len(excerpts)))
    found: list[NDArray[np.float32]] = []
    for excerpt in excerpts:
        spare = excerpt.shape[1] - width
        if spare <= 0:
            found.append(excerpt)
            continue
        starts = np.linspace(0, spare, parts) if parts > 1 else np.asarray([spare / 2])
        found += [scale(excerpt[:, start : start + width]) for start in np.rint(starts).astype(int)]
    return found
