from __future__ import annotations

import av
import numpy as np
import pytest
from sounds import FORMATS, encode

from genretagd.errors import DecodeError
from genretagd.ml import chain
from genretagd.ml.chain import find_links
from genretagd.ml.decode import read_excerpts

RATE = 24_000
CODECS = [
    pytest.param("vorbis", {"strict": "experimental"}, id="vorbis"),
    pytest.param("libopus", {}, id="opus"),
    pytest.param("flac", {}, id="flac"),
]
CHAINS = [
    pytest.param(((300, 2.0), (900, 9.0)), id="short-long"),
    pytest.param(((900, 9.0), (300, 2.0)), id="long-short"),
    pytest.param(((900, 6.0), (300, 6.0)), id="equals"),
    pytest.param(((300, 1.0), (900, 8.0), (600, 1.0)), id="between"),
    pytest.param(((300, 1.0), (600, 0.5), (900, 1.5), (300, 4.0), (600, 2.0), (900, 2.0)), id="many"),
]


def tone(hertz: int, seconds: float) -> np.ndarray:
    wave = np.round(9000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE))
    return np.stack([wave, wave]).astype(np.int16)


def pitches(waveform: np.ndarray, *, seconds: float = 0.25) -> list[int]:
    """Return the strongest frequency in Hz of every quarter second, to the nearest 100."""
    blocks = waveform[: waveform.size // round(seconds * RATE) * round(seconds * RATE)]
    spectra = np.abs(np.fft.rfft(blocks.reshape(-1, round(seconds * RATE))))
    return [round(float(peak) / seconds / 100) * 100 for peak in spectra.argmax(axis=1)]


def make_chain(directory, tones, codec, options) -> bytes:
    return b"".join(
        encode(tone(*one), directory / f"{number}.ogg", codec=codec, rate=RATE, **options).read_bytes()
        for number, one in enumerate(tones)
    )


@pytest.mark.parametrize("tones", CHAINS)
@pytest.mark.parametrize(("codec", "options"), CODECS)
def test_all_links_of_a_chain_are_heard_in_their_places(tmp_path, tones, codec, options):
    path = tmp_path / "chain.ogg"
    path.write_bytes(make_chain(tmp_path, tones, codec, options))
    played = [hertz for hertz, seconds in tones for _ in range(round(seconds / 0.25))]
    total = sum(seconds for _, seconds in tones)

    whole = read_excerpts(path, sr=RATE, count=1, seconds=30.0)
    assert whole.seconds == pytest.approx(total, abs=0.1)
    assert whole.damaged == 0
    heard = pitches(whole.waveforms[0])
    assert sum(ours != theirs for ours, theirs in zip(heard, played, strict=False)) <= len(tones) - 1
    assert abs(len(heard) - len(played)) <= 1

    found = read_excerpts(path, sr=RATE, count=3, seconds=2.0)
    assert [waveform.size for waveform in found.waveforms] == pytest.approx([2 * RATE] * 3, abs=RATE // 10)
    for start, waveform in zip(found.starts, found.waveforms, strict=True):
        there = played[int(start / 0.25) : int(start / 0.25) + 9]
        assert set(pitches(waveform)) <= set(there)


def test_a_chain_of_flac_gives_the_samples_of_the_same_music_in_one_piece(tmp_path, music):
    pieces = [music[:, :50_000], music[:, 50_000:70_000], music[:, 70_000:]]
    links = [encode(one, tmp_path / f"{at}.oga", codec="flac") for at, one in enumerate(pieces)]
    (tmp_path / "chain.oga").write_bytes(b"".join(link.read_bytes() for link in links))
    whole = encode(music, tmp_path / "whole.oga", codec="flac")
    expected, found = (
        read_excerpts(path, sr=22_050, count=3, seconds=3.0) for path in (whole, tmp_path / "chain.oga")
    )
    assert found.starts == pytest.approx(expected.starts)
    for ours, theirs in zip(found.waveforms, expected.waveforms, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["vorbis", "opus", "flac-in-ogg"])
def test_an_ordinary_file_has_no_links_and_is_not_searched_for_any(monkeypatch, name):
    monkeypatch.setattr(chain, "_link_starts", pytest.fail)
    assert find_links(FORMATS[name]) == ()


def test_streams_that_sound_together_are_no_links(tmp_path):
    path = tmp_path / "multiplexed.ogg"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=48_000, layout="mono") for codec in ("flac", "libopus")]
        for stream in streams:
            stream.codec_context.open()
        for number in range(100):
            for stream in streams:
                samples = np.zeros((1, stream.codec_context.frame_size), np.int16)
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48_000, number * samples.size
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    assert find_links(path) == ()
    joined = tmp_path / "joined.ogg"
    joined.write_bytes(path.read_bytes() + FORMATS["opus"].read_bytes())
    assert find_links(joined) == (
        range(path.stat().st_size),
        range(path.stat().st_size, joined.stat().st_size),
    )


def test_a_damaged_link_is_passed_over(tmp_path):
    links = make_chain(tmp_path, ((300, 3.0),), "flac", {}), make_chain(tmp_path, ((900, 3.0),), "flac", {})
    broken = bytearray(links[0])
    broken[28:] = bytes(len(broken) - 28)
    (tmp_path / "chain.oga").write_bytes(links[0] + broken + links[1])
    found = read_excerpts(tmp_path / "chain.oga", sr=RATE, count=1, seconds=30.0)
    assert found.seconds == pytest.approx(6.0)
    assert set(pitches(found.waveforms[0])) == {300, 900}


def test_a_chain_in_which_nothing_sounds_is_damaged(tmp_path):
    link = make_chain(tmp_path, ((300, 3.0),), "flac", {})
    other = FORMATS["opus"].read_bytes()
    silent = bytes(len(link) - 400)
    (tmp_path / "chain.oga").write_bytes(link[:400] + silent + other[:100] + bytes(9000))
    with pytest.raises(DecodeError, match="damaged") as raised:
        read_excerpts(tmp_path / "chain.oga", sr=RATE, count=1, seconds=3.0)
    assert raised.value.code == "corrupt"


def test_no_more_links_are_told_apart_than_the_bound(tmp_path, monkeypatch):
    path = tmp_path / "chain.ogg"
    path.write_bytes(make_chain(tmp_path, ((300, 1.0), (600, 1.0), (900, 1.0)), "flac", {}))
    assert len(find_links(path)) == 3
    monkeypatch.setattr(chain, "MAX_FIRST_PAGES", 2)
    assert [link.stop for link in find_links(path)][-1] == path.stat().st_size
    assert len(find_links(path)) == 2
