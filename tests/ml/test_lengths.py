"""How long a track is said to be, guessed to be, and is."""

from __future__ import annotations

import struct

import av
import mutagen.asf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import numpy as np
import pytest
from sounds import FORMATS, RATE, encode, make_music

from genretagd.errors import DecodeError
from genretagd.ml import container
from genretagd.ml.decode import read_excerpts
from genretagd.ml.lengths import stated_seconds


@pytest.mark.parametrize("name", ["flac", "tta", "aiff", "wav", "wma"])
def test_a_file_that_holds_half_of_what_its_header_says_is_truncated(tmp_path, name):
    whole = FORMATS[name].read_bytes()
    path = tmp_path / FORMATS[name].name
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DecodeError, match="ends after 3 s of 6 s") as raised:
        read_excerpts(path, sr=RATE, count=3, seconds=1.0)
    assert raised.value.code == "truncated"


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4"])
def test_a_film_that_goes_on_in_silence_is_not_truncated(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as film:
        pictures = film.add_stream("mpeg4", rate=5)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = film.add_stream("aac", rate=RATE, layout="mono")
        for number in range(60):
            film.mux(pictures.encode(av.VideoFrame(64, 48, "yuv420p")))
            if number < 30:
                samples = np.full((1, RATE // 5), 1000 * (-1) ** number, np.int16)
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                frame.sample_rate, frame.pts = RATE, number * samples.size
                film.mux(sound.encode(frame))
        for stream in (pictures, sound):
            film.mux(stream.encode(None))
    found = read_excerpts(path, sr=RATE, count=3, seconds=1.5)
    assert found.seconds == pytest.approx(6.0, abs=0.2)
    assert len(found.waveforms) == 3


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.w64", "pcm_s16le"), ("a.caf", "pcm_s16be")]
)
def test_plain_samples_that_end_before_their_chunk_does_are_truncated(tmp_path, music, name, codec):
    path = encode(music, tmp_path / name, codec=codec)
    assert read_excerpts(path, sr=RATE, count=1, seconds=2.0).seconds == pytest.approx(12.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DecodeError, match="ends after 8 s of 12 s") as raised:
        read_excerpts(path, sr=RATE, count=3, seconds=1.0)
    assert raised.value.code == "truncated"


@pytest.mark.parametrize("size", [0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
def test_a_wav_file_written_as_a_stream_is_measured(tmp_path, music, size):
    content = bytearray(encode(music, tmp_path / "streamed.wav", codec="pcm_s16le").read_bytes())
    at = content.index(b"data")
    content[4:8] = content[at + 4 : at + 8] = size.to_bytes(4, "little")
    (tmp_path / "endless.wav").write_bytes(content)
    found = read_excerpts(tmp_path / "endless.wav", sr=RATE, count=2, seconds=2.0)
    assert found.seconds == pytest.approx(12.0, abs=0.1)


def test_a_flac_file_of_unknown_length_is_measured(tmp_path):
    flac = bytearray(FORMATS["flac"].read_bytes())
    flac[21] &= 0xF0  # the 36-bit number of samples in STREAMINFO
    flac[22:26] = bytes(4)
    (tmp_path / "streamed.flac").write_bytes(flac)
    found = read_excerpts(tmp_path / "streamed.flac", sr=RATE, count=1, seconds=2.0)
    assert found.seconds == pytest.approx(6.0)


def test_a_guessed_length_that_is_too_long_is_corrected(tmp_path):
    mp3 = FORMATS["mp3-no-header"].read_bytes()
    (tmp_path / "padded.mp3").write_bytes(mp3 + bytes(4 * len(mp3)))
    found = read_excerpts(tmp_path / "padded.mp3", sr=RATE, count=3, seconds=1.0)
    assert found.seconds == pytest.approx(6.1, abs=0.2)
    assert len(found.waveforms) == 3


def wma_with_a_cover_that_its_header_knows_nothing_of(directory):
    path = encode(make_music(30.0), directory / "cover.wma", codec="wmav2", b="96k")
    picture = struct.pack("<bi", 3, 400_004) + "image/jpeg\0\0".encode("utf-16-le") + b"\xff\xd8\xff\xe0"
    track = mutagen.asf.ASF(path)
    track["WM/Picture"] = mutagen.asf.ASFByteArrayAttribute(picture + bytes(400_000))
    track.save()
    return path, 30.0


def matroska_of_unknown_length_that_begins_in_silence(directory):
    music = np.concatenate([np.zeros((2, 10 * RATE), np.int16), make_music(12.0)], axis=1)
    quality = {"flags": "+qscale", "global_quality": "236"}
    path = encode(music, directory / "streamed.mka", codec="libmp3lame", **quality)
    content = path.read_bytes()
    at = content.index(b"\x44\x89\x88")  # the element Duration gives way to one that is void
    path.write_bytes(content[:at] + b"\xec\x89" + bytes(9) + content[at + 11 :])
    return path, 22.0


@pytest.mark.parametrize(
    "make",
    [wma_with_a_cover_that_its_header_knows_nothing_of, matroska_of_unknown_length_that_begins_in_silence],
)
def test_a_length_guessed_from_the_bit_rate_makes_no_file_truncated(tmp_path, make):
    path, seconds = make(tmp_path)
    with container.open_audio(path) as opened:
        assert stated_seconds(opened) > seconds + 2.0
    found = read_excerpts(path, sr=RATE, count=3, seconds=5.0)
    assert found.seconds == pytest.approx(seconds, abs=0.1)
    assert len(found.waveforms) == 3


def flac_that_states_one_second() -> bytes:
    content = bytearray(FORMATS["flac"].read_bytes())
    content[21:26] = (content[21] & 0xF0, *(8_000).to_bytes(4, "big"))
    return bytes(content)


def mp3_that_states_one_second() -> bytes:
    content = bytearray(FORMATS["mp3"].read_bytes())
    at = content.index(b"Info") + 8  # the tag of LAME, its flags, and the number of frames
    content[at : at + 4] = (28).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("make", [flac_that_states_one_second, mp3_that_states_one_second])
def test_a_stated_length_that_is_too_short_is_corrected(tmp_path, make):
    path = tmp_path / "long"
    path.write_bytes(make())
    with container.open_audio(path) as opened:
        assert stated_seconds(opened) == pytest.approx(1.0, abs=0.1)
    found = read_excerpts(path, sr=RATE, count=3, seconds=1.8)
    assert found.seconds == pytest.approx(6.0, abs=0.1)
    assert len(found.waveforms) == 3


@pytest.mark.parametrize(("name", "kind"), [("opus", "opus"), ("opus", "mka"), ("wma", "wma")])
def test_a_recording_of_a_broadcast_that_had_begun_long_ago_is_heard_as_any_other(tmp_path, name, kind):
    path = tmp_path / f"recording.{kind}"
    with av.open(str(FORMATS[name])) as whole, av.open(str(path), "w") as recording:
        copied = recording.add_stream_from_template(whole.streams.audio[0])
        for packet in whole.demux(audio=0):
            if packet.size:
                packet.pts = packet.dts = packet.pts + round(60 / packet.time_base)
                packet.stream = copied
                recording.mux(packet)
    expected = read_excerpts(FORMATS[name], sr=RATE, count=3, seconds=1.0)
    found = read_excerpts(path, sr=RATE, count=3, seconds=1.0)
    assert found.seconds == pytest.approx(expected.seconds, abs=0.1)
    assert found.starts == pytest.approx(expected.starts, abs=0.1)
    assert len({waveform.tobytes() for waveform in found.waveforms}) == 3
