from __future__ import annotations

import base64
import itertools
import os
from dataclasses import replace
from pathlib import Path

import av
import mutagen.asf
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import numpy as np
import pytest
from damage import damaged_files, sample_files
from sounds import FORMATS, OWN_RATES, RATE, encode

from genretagd.errors import DecodeError
from genretagd.ml import container, excerpts
from genretagd.ml.decode import plan_excerpts, read_excerpts

ENCODERS = [  # file name, codec, options, relative error
    pytest.param(("a.wav", "pcm_s16le", {}, 0), id="wav-16"),
    pytest.param(("a24.wav", "pcm_s24le", {}, 0), id="wav-24"),
    pytest.param(("a32.wav", "pcm_s32le", {}, 0), id="wav-32"),
    pytest.param(("af.wav", "pcm_f32le", {}, 0), id="wav-float"),
    pytest.param(("ad.wav", "pcm_f64le", {}, 0), id="wav-double"),
    pytest.param(("a.aiff", "pcm_s16be", {}, 0), id="aiff"),
    pytest.param(("a.flac", "flac", {}, 0), id="flac"),
    pytest.param(("a.oga", "flac", {}, 0), id="flac-in-ogg"),
    pytest.param(("alac.m4a", "alac", {}, 0), id="alac"),
    pytest.param(("a.tta", "tta", {}, 0), id="tta"),
    pytest.param(("a.wv", "wavpack", {}, 0), id="wavpack"),
    pytest.param(("a.mp3", "libmp3lame", {"b": "192k"}, 0.1), id="mp3"),
    pytest.param(("a.m4a", "aac", {"b": "192k"}, 0.1), id="aac"),
    pytest.param(("a.ogg", "vorbis", {"b": "128k", "strict": "experimental"}, 0.3), id="vorbis"),
]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_its_six_seconds(name):
    found = read_excerpts(FORMATS[name], sr=RATE, count=1, seconds=30.0)
    assert found.seconds == pytest.approx(6.0, abs=0.1)
    assert found.waveforms[0].size == pytest.approx(6.0 * RATE, abs=0.1 * RATE)
    assert found.waveforms[0].dtype == np.float32
    assert 0.1 < np.abs(found.waveforms[0]).max() < 1.0
    assert found.damaged == 0


class LendingContainer:
    """A container that takes down which of its generators of packets were closed."""

    def __init__(self, real) -> None:
        self._real = real
        self.lent = self.closed = 0

    def __getattr__(self, name):
        return getattr(self._real, name)

    def demux(self, stream):
        self.lent += 1
        return LentPackets(self, self._real.demux(stream))


class LentPackets:
    def __init__(self, owner, real) -> None:
        self._owner, self._real = owner, real

    def __next__(self):
        return next(self._real)

    def close(self):
        self._owner.closed += 1
        self._real.close()


def test_what_packets_hold_is_given_back_after_every_excerpt_since_workers_live_long():
    with container.open_audio(FORMATS["mp3"]) as opened:
        lending = LendingContainer(opened.container)
        reader = excerpts.ExcerptReader(replace(opened, container=lending), sr=RATE)
        for start in (0.0, 2.0, 4.0):
            assert reader.read(start, 1.0).size == RATE
    assert (lending.lent, lending.closed) == (3, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_an_excerpt_is_the_same_whether_sought_or_read_through(name):
    rate = OWN_RATES.get(name, 16_000)
    whole = read_excerpts(FORMATS[name], sr=rate, count=1, seconds=30.0).waveforms[0]
    sought = read_excerpts(FORMATS[name], sr=rate, count=3, seconds=1.5)
    # FFmpeg finds WMA, short Musepack files and (from 9 on) AAC up to a packet away from where they say
    slack = {"wma": 0.1, "musepack-sv8": 1.7, "aac": 1024 / 16_000}.get(name, 0.0) * rate
    for start, waveform in zip(sought.starts, sought.waveforms, strict=True):
        size = 1 << (whole.size + waveform.size).bit_length()
        likeness = np.fft.irfft(np.fft.rfft(whole, size) * np.fft.rfft(waveform, size).conj())[: whole.size]
        found_at = int(likeness.argmax())
        assert abs(found_at - round(start * rate)) <= slack
        same = whole[found_at : found_at + waveform.size]
        assert np.corrcoef(same, waveform[: same.size])[0, 1] > 0.99


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_samples_are_the_mean_of_the_channels_in_every_container(tmp_path, music, encoder):
    name, codec, options, error = encoder
    path = encode(music, tmp_path / name, codec=codec, **options)
    found = read_excerpts(path, sr=RATE, count=2, seconds=3.0)
    mean = music.astype(np.float64).mean(axis=0) / 32768.0
    for start, waveform in zip(found.starts, found.waveforms, strict=True):
        begin = round(start * RATE)
        expected = mean[begin : begin + waveform.size]
        assert np.sqrt(np.mean((waveform - expected) ** 2)) <= error * np.sqrt(np.mean(expected**2)) + 1e-4


@pytest.mark.parametrize("channels", [1, 2, 6, 8, 12])
def test_full_scale_stays_full_scale_with_any_number_of_channels(tmp_path, channels):
    square = np.full((channels, 4 * RATE), 32767, np.int16)
    for name, codec in (("a.wav", "pcm_s16le"), ("f.wav", "pcm_f32le"), ("planes.wv", "wavpack")):
        path = encode(square, tmp_path / name, codec=codec)
        assert np.allclose(read_excerpts(path, sr=RATE, count=1, seconds=9.0).waveforms[0], 1.0, atol=1e-3)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 96_000, 192_000])
def test_a_tone_keeps_pitch_level_and_length_from_any_sample_rate(tmp_path, rate):
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(3 * rate) / rate)
    samples = np.round(tone * 16384).astype(np.int16)[np.newaxis]
    path = encode(samples, tmp_path / "tone.wav", codec="pcm_s16le", rate=rate)
    waveform = read_excerpts(path, sr=RATE, count=1, seconds=9.0).waveforms[0]
    assert waveform.size == 3 * RATE
    middle = waveform[RATE // 2 : -RATE // 2]
    expected = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(3 * RATE) / RATE)[RATE // 2 : -RATE // 2]
    assert np.abs(middle - expected).max() < 2e-3


def test_three_excerpts_cover_start_middle_and_end():
    assert plan_excerpts(240.0, count=3, seconds=30.0) == pytest.approx((25.0, 105.0, 185.0))


def test_short_tracks_give_fewer_excerpts_and_very_short_ones_all_they_have():
    assert plan_excerpts(70.0, count=3, seconds=30.0) == pytest.approx((2.5, 37.5))
    assert plan_excerpts(50.0, count=3, seconds=30.0) == pytest.approx((10.0,))
    assert plan_excerpts(12.0, count=3, seconds=30.0) == (0.0,)


@pytest.mark.parametrize("length", [0.1, 5.0, 29.9, 30.0, 30.1, 59.0, 61.0, 89.0, 91.0, 600.0, 36_000.0])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_planned_excerpts_lie_within_the_track_and_do_not_overlap(length, count):
    starts = plan_excerpts(length, count=count, seconds=30.0)
    assert 1 <= len(starts) <= count
    assert starts[0] >= 0.0
    assert all(later - earlier >= 30.0 - 1e-9 for earlier, later in itertools.pairwise(starts))
    assert starts[-1] + min(30.0, length) <= length + 1e-9


def test_not_a_number_and_infinity_become_silence_and_a_bounded_level(tmp_path):
    samples = np.zeros((2, 2 * RATE), np.float32)
    samples[0, 100:200], samples[0, 300:400], samples[0, 500] = np.nan, np.inf, 1e30
    samples[1, 300:350], samples[:, 600] = -np.inf, 3e38
    path = encode(samples, tmp_path / "odd.wav", codec="pcm_f32le")
    waveform = read_excerpts(path, sr=RATE, count=1, seconds=9.0).waveforms[0]
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() <= 16.0


def with_a_cover(directory, name: str) -> Path:
    path = directory / FORMATS[name].name
    path.write_bytes(FORMATS[name].read_bytes())
    track = mutagen.File(path)
    if track.tags is None:
        track.add_tags()
    picture = mutagen.flac.Picture()
    picture.mime, picture.type, picture.data = "image/png", 3, PNG
    picture.width = picture.height = 1
    if isinstance(track.tags, mutagen.id3.ID3):
        track.tags.add(mutagen.id3.APIC(mime="image/png", type=3, data=PNG))
    elif isinstance(track.tags, mutagen.mp4.MP4Tags):
        track.tags["covr"] = [mutagen.mp4.MP4Cover(PNG, mutagen.mp4.MP4Cover.FORMAT_PNG)]
    elif name == "flac":
        track.add_picture(picture)
    else:
        track.tags["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
    track.save()
    return path


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "vorbis", "opus", "aiff"])
def test_cover_art_is_neither_taken_for_the_audio_nor_decoded(tmp_path, name):
    path = with_a_cover(tmp_path, name)
    with container.open_audio(path) as opened:
        (cover,) = opened.container.streams.video
        assert cover.codec_context.name == "png"
        assert cover.codec_context.format is None  # known once a picture is decoded
    found = read_excerpts(path, sr=RATE, count=3, seconds=1.5)
    expected = read_excerpts(FORMATS[name], sr=RATE, count=3, seconds=1.5)
    assert found.seconds == expected.seconds
    assert all(map(np.array_equal, found.waveforms, expected.waveforms))


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)

EXPLAINED = [
    pytest.param(b"", "empty", "empty", id="empty"),
    pytest.param(b"Just some words.\n" * 99, "not audio", "not an audio file", id="text"),
    pytest.param(b"#EXTM3U\nhttp://127.0.0.1:9/x.mp3\n", "not audio", "not an audio file", id="playlist"),
    pytest.param(bytes(50_000), "not audio", "not an audio file", id="zeros"),
    pytest.param(b"fLaC" + bytes(99), "corrupt", "damaged", id="broken-flac"),
    pytest.param(PNG, "not audio", "not an audio file", id="picture"),
]


@pytest.mark.parametrize(("content", "code", "words"), EXPLAINED)
def test_what_is_not_a_track_is_explained(tmp_path, content, code, words):
    path = tmp_path / "track.mp3"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=words) as raised:
        read_excerpts(path, sr=RATE, count=1, seconds=3.0)
    assert raised.value.code == code
    assert str(raised.value).startswith(str(path))


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")
    with pytest.raises(DecodeError, match="not a regular file") as raised:
        read_excerpts(tmp_path / "pipe.mp3", sr=RATE, count=1, seconds=3.0)
    assert raised.value.code == "unreadable"


def test_a_missing_file_is_unreadable_and_trying_again_does_not_help(tmp_path):
    with pytest.raises(DecodeError) as raised:
        read_excerpts(tmp_path / "gone.mp3", sr=RATE, count=1, seconds=3.0)
    assert (raised.value.code, raised.value.transient) == ("unreadable", False)


def test_a_name_that_is_no_text_or_looks_like_an_address_is_only_a_name(tmp_path):
    for name in (b"\xff\xfe.mp3", b"concat:a|b.mp3", b"http:x.mp3", b"%03d.mp3"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_bytes(FORMATS["mp3"].read_bytes())
        assert read_excerpts(path, sr=RATE, count=1, seconds=9.0).seconds == pytest.approx(6.0, abs=0.1)


def bought(path: Path) -> None:
    path.write_bytes(FORMATS["aac"].read_bytes().replace(b"mp4a", b"drms"))


def encrypted_by_the_common_scheme(path: Path) -> None:
    scheme = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}
    with av.open(str(FORMATS["aac"])) as source, av.open(str(path), "w", "mp4", options=scheme) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)


@pytest.mark.parametrize("make", [bought, encrypted_by_the_common_scheme])
def test_a_protected_file_is_called_protected(tmp_path, make):
    make(tmp_path / "bought.m4p")
    with pytest.raises(DecodeError, match="copy-protected") as raised:
        read_excerpts(tmp_path / "bought.m4p", sr=RATE, count=1, seconds=3.0)
    assert raised.value.code == "encrypted"


@pytest.mark.parametrize("order", [(24_000, 22_050), (22_050, 24_000)])
def test_files_of_two_sample_rates_one_behind_the_other_give_every_excerpt(tmp_path, music, order):
    parts = [
        encode(music, tmp_path / f"{rate}.mp3", codec="libmp3lame", rate=rate).read_bytes() for rate in order
    ]
    path = tmp_path / "joined.mp3"
    path.write_bytes(b"".join(parts))
    with container.open_audio(path) as opened:
        reader = excerpts.ExcerptReader(opened, sr=RATE)
        sizes = [reader.read(start, 2.0).size for start in (16.0, 4.0, 18.0, 0.0)]
    assert sizes == pytest.approx([2 * RATE] * 4, abs=0.05 * RATE)


def test_a_seek_that_always_fails_still_gives_the_right_samples(monkeypatch):
    expected = read_excerpts(FORMATS["flac"], sr=8000, count=3, seconds=1.0)
    seek = excerpts.ExcerptReader._seek

    def fail_but_for_the_start(self, position):
        return seek(self, 0.0) and position == 0.0

    monkeypatch.setattr(excerpts.ExcerptReader, "_seek", fail_but_for_the_start)
    found = read_excerpts(FORMATS["flac"], sr=8000, count=3, seconds=1.0)
    for ours, theirs in zip(found.waveforms, expected.waveforms, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_track_with_many_damaged_packets_is_not_judged(tmp_path):
    aac = bytearray(FORMATS["aac"].read_bytes())
    half = len(aac) // 2
    aac[half : half + len(aac) // 4] = bytes(len(aac) // 4)
    (tmp_path / "holes.m4a").write_bytes(aac)
    with pytest.raises(DecodeError, match=r"damaged \(\d+ of \d+ packets\)") as raised:
        read_excerpts(tmp_path / "holes.m4a", sr=RATE, count=1, seconds=9.0)
    assert raised.value.code == "corrupt"


def test_every_damaged_file_is_read_or_explained_and_nothing_is_printed(tmp_path, capfd):
    codes, problems, number = set(), [], 0
    for name, content in damaged_files(sample_files()):
        path = tmp_path / name
        path.write_bytes(content)
        number += 1
        try:
            found = read_excerpts(path, sr=11_025, count=3, seconds=1.5)
        except DecodeError as exc:
            codes.add(exc.code)
            problems.append(exc.problem)
        else:
            assert found.waveforms
            assert all(np.isfinite(waveform).all() for waveform in found.waveforms)
        path.unlink()
    assert number >= 200
    assert all(len(problem) < 200 and ", " in problem for problem in problems)
    assert codes <= {
        "corrupt",
        "truncated",
        "empty",
        "not audio",
        "no audio stream",
        "unreadable",
        "unsupported",
    }
    assert capfd.readouterr() == ("", "")


def test_a_demuxer_that_follows_addresses_is_not_among_ours():
    assert not {"hls", "concat", "dash", "sdp", "rtsp", "image2", "tty"} & set(container.DEMUXERS)


def test_no_more_packets_are_read_than_the_bound(monkeypatch):
    monkeypatch.setattr(excerpts, "MAX_PACKETS", 20)
    found = read_excerpts(FORMATS["mp3"], sr=16_000, count=1, seconds=9.0)
    assert found.packets <= 20
    assert found.waveforms[0].size <= 20 * 1152
