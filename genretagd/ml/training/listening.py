"""What a bundle says of pictures, by the network file and the patches that serving uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genretagd.ml.bundle import Bundle
from genretagd.ml.classifier import Classifier
from genretagd.ml.decode import plan_excerpts
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
        Of every excerpt as many parts as serving would plan in a track of its length, but no more than the
        bundle's number dealt out evenly to the excerpts; spread as serving spreads them, and every part
        scaled to [0, 1] by itself as serving does. Excerpts that are no longer than a part are given back as
        they are.
    """
    choice, front_end = bundle.excerpts, bundle.front_end
    width = front_end.frames_in(round(choice.seconds * front_end.sr))
    most = max(1, choice.count // max(1, len(excerpts)))
    found: list[NDArray[np.float32]] = []
    for excerpt in excerpts:
        frames = excerpt.shape[1]
        if frames <= width:
            found.append(excerpt)
            continue
        seconds = (frames + 1) * front_end.hop_length / front_end.sr  # 387 columns count as 30 s
        number = len(plan_excerpts(seconds, count=most, seconds=choice.seconds))
        centres = (np.arange(number) + 0.5) / number * frames
        starts = np.clip(np.rint(centres - width / 2), 0, frames - width).astype(int)
        found += [scale(excerpt[:, start : start + width]) for start in starts]
    return found
