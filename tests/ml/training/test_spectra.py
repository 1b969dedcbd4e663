"""Pictures of a corpus are made in processes of their own."""

import errno
import resource

import pytest
from sounds import FORMATS
from spectrograms import EXCERPTS, make_corpus

from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training import spectra
from genretagd.ml.training.corpus import Source
from genretagd.ml.training.isolation import Failure
from genretagd.ml.training.listener import Silent
from genretagd.ml.training.material import gather


def drawn(monkeypatch, tmp_path, failure):
    """Draw two tracks, of which the first fails."""

    class Failing:
        def __init__(self, *_, **__):
            pass

        def run(self, items):
            yield from enumerate([failure, *[()] * (len(items) - 1)])

    monkeypatch.setattr(spectra, "Isolated", Failing)
    return spectra.draw_all(
        [Source(FORMATS[name], "audio", "Rock", name) for name in ("flac", "mp3")],
        place=spectra.cache_place(tmp_path),
        front_end=FrontEnd(),
        excerpts=EXCERPTS,
        mel_basis=lambda: None,
        jobs=1,
        listener=Silent(),
    )


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_ends_the_work_and_is_no_fault_of_a_track(monkeypatch, tmp_path, trouble):
    with pytest.raises(OSError, match=str(tmp_path)) as raised:
        drawn(monkeypatch, tmp_path, Failure("no space", trouble))
    assert raised.value.errno == trouble


@pytest.mark.parametrize("trouble", [None, errno.EIO, errno.EACCES])
def test_a_track_that_cannot_be_read_is_passed_over(monkeypatch, tmp_path, trouble):
    found = drawn(monkeypatch, tmp_path, Failure("torn", trouble))
    assert found.problems == (f"{FORMATS['flac']}: torn",)
    assert (found.pictures[0], found.made) == (None, 1)


def test_trouble_with_the_array_of_pictures_names_the_file(tmp_path):
    pictures = sorted(make_corpus(tmp_path / "corpus", tracks=1).rglob("*.png"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as raised:
            gather(pictures, front_end=FrontEnd(), excerpts=EXCERPTS, file=tmp_path / "work" / "pictures")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.filename == str(tmp_path / "work" / "pictures.u8")
