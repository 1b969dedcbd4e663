from __future__ import annotations

import errno
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import mutagen.id3
import numpy as np
import pytest
from sounds import FORMATS, RATE, encode

from genretagd.errors import DecodeError
from genretagd.ml import container
from genretagd.ml.container import open_audio
from genretagd.ml.decode import read_excerpts
from genretagd.ml.lengths import Measured, measure
from genretagd.ml.packets import audio_digest

DTS_HEADER = bytes.fromhex("7ffe8001fc3c7ff0a2c00138")
"""Of a frame of 512 samples in 2,048 bytes, 44,100 Hz, two channels."""


@pytest.mark.parametrize("name", ["mp3", "flac", "tta", "ape", "musepack-sv8", "wavpack"])
@pytest.mark.parametrize("size", [100, 5_000, 3_000_000])
def test_the_format_is_told_by_what_follows_the_tags_and_not_by_the_name(tmp_path, name, size):
    path = tmp_path / "no-suffix"
    for number in range(2):
        tag = mutagen.id3.ID3()
        tag.add(mutagen.id3.APIC(mime="image/jpeg", data=np.random.default_rng(number).bytes(size)))
        tag.save(tmp_path / f"tag-{number}")
    tags = [(tmp_path / f"tag-{number}").read_bytes() for number in range(2)]
    path.write_bytes(b"".join(tags) + FORMATS[name].read_bytes())
    expected = read_excerpts(FORMATS[name], sr=RATE, count=1, seconds=30.0)
    found = read_excerpts(path, sr=RATE, count=1, seconds=30.0)
    np.testing.assert_array_equal(found.waveforms[0], expected.waveforms[0])
    assert audio_digest(path) == audio_digest(FORMATS[name])


def test_a_disk_that_fails_behind_the_first_bytes_makes_a_file_unreadable_for_now(monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(container, "skip_id3v2", fail)
    with pytest.raises(DecodeError) as caught, open_audio(FORMATS["mp3"]):
        pass
    assert (caught.value.code, caught.value.transient) == ("unreadable", True)


def have_the_disk_fail(monkeypatch):
    """Have whoever opens a file in Python meet a disk that fails; FFmpeg reads by itself."""

    class Failing:
        given = False

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def seek(self, _):
            pass

        def read(self, _):
            if self.given:
                raise OSError(errno.EIO, "Input/output error")
            self.given = True
            return b"some bytes"

    monkeypatch.setattr(Path, "open", lambda *_, **__: Failing())


@pytest.mark.parametrize("name", ["flac", "alac", "tta", "musepack-sv8"])
def test_a_file_that_the_disk_gives_a_part_of_is_unreadable_for_now_and_no_bad_copy(
    tmp_path, monkeypatch, name
):
    whole = FORMATS[name].read_bytes()
    path = tmp_path / "track"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DecodeError, match=r" copy$"):
        read_excerpts(path, sr=RATE, count=3, seconds=1.0)
    have_the_disk_fail(monkeypatch)
    with pytest.raises(DecodeError, match=r"input/output error.*check the disk or share") as caught:
        read_excerpts(path, sr=RATE, count=3, seconds=1.0)
    assert (caught.value.code, caught.value.transient) == ("unreadable", True)


def test_a_length_is_not_measured_up_to_where_the_disk_fails(monkeypatch):
    def fail(_):
        raise av.error.OSError(errno.EIO, "Input/output error")
        yield

    with open_audio(FORMATS["mp3"]) as opened:
        failing = replace(opened, container=SimpleNamespace(demux=fail, seek=lambda *_, **__: None))
        assert measure(failing) == Measured(0.0, 0)
        have_the_disk_fail(monkeypatch)
        with pytest.raises(DecodeError, match="check the disk or share"):
            measure(failing)


@pytest.mark.parametrize(("silence", "codec"), [(0.0, "dca"), (0.5, "dca"), (2.0, "dca"), (5.0, "pcm_s16le")])
def test_a_dts_stream_that_begins_a_wav_file_or_follows_silence_is_no_noise(tmp_path, silence, codec):
    path = tmp_path / "surround.wav"
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(2)
        stream.setsampwidth(2)
        stream.setframerate(44_100)
        stream.writeframes(bytes(4 * round(44_100 * silence)) + 400 * DTS_HEADER.ljust(2_048, b"\0"))
    with open_audio(path) as opened:
        assert opened.stream.codec_context.name == codec


@pytest.mark.parametrize(("version", "asked"), [("18.1.0", True), ("19.0.2", False), ("21.0.0", False)])
def test_pyav_is_asked_to_bear_tags_that_are_no_utf8_where_it_can_be(monkeypatch, version, asked):
    wanted = []

    def opened(*_, **options):
        wanted.append("metadata_errors" in options)
        raise av.error.InvalidDataError(1, "enough")

    monkeypatch.setattr(av, "__version__", version)
    monkeypatch.setattr(av, "open", opened)
    with pytest.raises(DecodeError), open_audio(FORMATS["mp3"]):
        pass
    assert wanted == [asked]


def test_a_layout_of_channels_in_an_order_of_its_own_does_not_end_the_process(tmp_path):
    """PyAV would free the list of channels at every frame: only a process of its own can tell."""
    path = encode(np.full((8, 4 * RATE), 8192, np.int16), tmp_path / "a.aiff", codec="pcm_s16be")
    code = (
        "import sys; from pathlib import Path; from genretagd.ml.decode import read_excerpts\n"
        "from genretagd.ml.packets import audio_digest\n"
        "for _ in range(5):\n"
        "    audio_digest(Path(sys.argv[1]))\n"
        "    found = read_excerpts(Path(sys.argv[1]), sr=22050, count=1, seconds=9.0)\n"
        "    assert abs(found.waveforms[0] - 0.25).max() < 1e-3\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, path], check=False, capture_output=True, text=True, timeout=120
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_a_codec_whose_number_is_no_text_is_read(tmp_path):
    path = encode(np.full((2, 4 * RATE), 8192, np.int16), tmp_path / "a.wav", codec="flac")
    found = read_excerpts(path, sr=RATE, count=1, seconds=9.0)
    assert np.allclose(found.waveforms[0], 0.25, atol=1e-3)
