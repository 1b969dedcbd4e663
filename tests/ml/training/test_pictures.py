"""Pictures say how they were made, and are believed only then."""

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from spectrograms import picture, record

from genretagd.errors import CorpusError
from genretagd.ml.frontend import FrontEnd
from genretagd.ml.training.pictures import Excerpt, read_picture, read_record, write_picture
from genretagd.ml.training.spectra import as_record

OURS = as_record(FrontEnd())


def test_a_picture_comes_back_with_its_record_and_every_value(tmp_path):
    values, made = (
        picture("Low", seed=1),
        record(artist="Björk", excerpts=(Excerpt(1.5, 200), Excerpt(40.0, 187))),
    )
    write_picture(tmp_path / "deep" / "a.png", values, made)

    read, found = read_picture(tmp_path / "deep" / "a.png", front_end=OURS)

    assert (read == values).all()
    assert found == made


def test_a_picture_shows_low_bands_at_the_bottom_and_describes_itself_in_words(tmp_path):
    write_picture(tmp_path / "a.png", picture("Low", seed=1), record())

    with Image.open(tmp_path / "a.png") as image:
        assert (image.mode, image.size) == ("L", (387, 128))
        assert np.asarray(image)[64:].mean() > np.asarray(image)[:64].mean() + 50
        assert "77.5 ms" in image.text["Description"]
        assert "song.flac" in image.text["Title"]


def test_a_picture_of_another_front_end_is_refused_and_every_difference_named(tmp_path):
    foreign = as_record(FrontEnd(hop_length=512, n_fft=1024))
    write_picture(tmp_path / "a.png", picture("Low", seed=1), record(front_end=foreign))

    with pytest.raises(
        CorpusError, match=r"another front end.*hop_length 512 instead of 1708.*n_fft 1024 instead of 2048"
    ):
        read_picture(tmp_path / "a.png", front_end=OURS)


def test_a_bare_picture_of_the_corpus_size_is_taken_for_the_default_front_end(tmp_path):
    Image.fromarray(picture("Low", seed=1)[::-1]).save(tmp_path / "a.png")

    values, found = read_picture(tmp_path / "a.png", front_end=OURS)

    assert found is None
    assert (values == picture("Low", seed=1)).all()


@pytest.mark.parametrize("size", [(386, 128), (387, 96), (128, 128)], ids=str)
def test_a_bare_picture_of_another_size_is_refused(tmp_path, size):
    Image.new("L", size).save(tmp_path / "a.png")
    with pytest.raises(CorpusError, match="picture without a word on how it was made"):
        read_picture(tmp_path / "a.png", front_end=OURS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "not a readable picture", id="empty"),
        pytest.param(b"text", "not a readable picture", id="text"),
        pytest.param("truncated", "damaged picture", id="truncated"),
        pytest.param("jpeg", "JPEG picture", id="jpeg"),
        pytest.param("colour", "8-bit grey", id="colour"),
    ],
)
def test_what_is_no_spectrogram_is_named_as_what_it_is(tmp_path, content, words):
    path = tmp_path / "a.png"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "truncated":
        write_picture(path, picture("Low", seed=1), record())
        path.write_bytes(path.read_bytes()[:9000])
    else:
        image = Image.new("RGB", (387, 128))
        image.save(path, "JPEG" if content == "jpeg" else "PNG")
    with pytest.raises(CorpusError, match=words):
        read_picture(path, front_end=OURS)


def test_a_picture_of_monstrous_size_is_not_opened(tmp_path, monkeypatch):
    Image.new("1", (2000, 2000)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(CorpusError, match="not a readable picture"):
        read_picture(tmp_path / "a.png", front_end=OURS)


@pytest.mark.parametrize("columns", [(), (0, 387), (-1, 388), (386,), (388,), (387, 387)], ids=str)
def test_a_record_that_does_not_fit_its_picture_is_refused(tmp_path, columns):
    made = record(excerpts=tuple(Excerpt(0.0, count) for count in columns))
    write_picture(tmp_path / "a.png", picture("Low", seed=1), made)
    with pytest.raises(CorpusError, match="its record is of another picture"):
        read_picture(tmp_path / "a.png", front_end=OURS)


def test_a_picture_of_other_rows_than_its_record_says_is_refused(tmp_path):
    write_picture(tmp_path / "a.png", picture("Low", seed=1)[:96], record())
    with pytest.raises(CorpusError, match="96 rows instead of 128"):
        read_picture(tmp_path / "a.png", front_end=OURS)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        write_picture(tmp_path / "a.png", np.zeros((128, 387), complex), record())
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_made_anew_when_the_file_or_the_front_end_changes():
    assert record().made_like(record(artist="somebody", excerpts=()))
    for change in ({"size": 2}, {"mtime_ns": 2}, {"source": "b"}, {"front_end": {}}, {"wanted": {}}):
        assert not record().made_like(record(**change))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('{"version": 9}', "version 9", id="of the future"),
        pytest.param("{}", "cannot be understood", id="empty"),
        pytest.param("[" * 100_000, "cannot be understood", id="nested without end"),
    ],
)
def test_a_record_that_is_none_is_refused(tmp_path, text, words):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("genretagd", text)
    Image.new("L", (387, 128)).save(tmp_path / "b.png", pnginfo=info)
    with pytest.raises(CorpusError, match=words):
        read_record(tmp_path / "b.png")
