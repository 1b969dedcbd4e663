"""Make tests/data/formats: one sound, computed here, in every container.

Needs numpy, Debian's `ffmpeg`, `wavpack` and `musepack-tools`; run from anywhere:
``python tests/data/make_formats.py``. DSF and APE have no encoder there, so this file holds a minimal one
of each.
"""

import struct
import subprocess
import tempfile
import wave
import zlib
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "formats"
RATE = 16_000
SECONDS = 6.0

CHORDS = [(110, 220, 277, 330), (147, 220, 294, 370), (165, 247, 330, 415)] * 2
CHORDS += [(110, 220, 277, 330), (147, 220, 294, 370), (165, 208, 247, 330)] * 2

FFMPEG = {
    "mp3.mp3": (None, "-c:a libmp3lame -b:a 32k -id3v2_version 3"),
    "mp3-no-header.mp3": (None, "-c:a libmp3lame -b:a 32k -write_xing 0 -id3v2_version 0"),
    "aac.m4a": (None, "-c:a aac -b:a 32k"),
    "alac.m4a": (8000, "-c:a alac"),
    "flac.flac": (8000, "-c:a flac"),
    "flac-in-ogg.oga": (8000, "-c:a flac"),
    "vorbis.ogg": (None, "-c:a libvorbis -b:a 32k"),
    "opus.opus": (None, "-c:a libopus -b:a 24k"),
    "wav.wav": (4000, "-c:a pcm_s16le"),
    "aiff.aiff": (4000, "-c:a pcm_s16be"),
    "wma.wma": (None, "-c:a wmav2 -b:a 32k"),
    "tta.tta": (8000, "-c:a tta"),
}


def sound():
    """Plucked chords at 100 beats a minute (Karplus-Strong), with a tick of noise on every second beat."""
    random = np.random.default_rng(20)
    mixed = np.zeros(int(RATE * SECONDS))
    for beat, chord in enumerate(CHORDS):
        start = int(beat * 0.5 * RATE)
        length = min(int(0.9 * RATE), len(mixed) - start)
        for frequency in chord:
            mixed[start : start + length] += 0.15 * plucked(frequency, length, random)
        if beat % 2:
            length = min(1200, len(mixed) - start)
            fading = np.exp(-np.arange(length) / 300)
            mixed[start : start + length] += 0.1 * random.standard_normal(length) * fading
    return mixed * (0.7 / np.abs(mixed).max())


def plucked(frequency, length, random):
    period = int(RATE / frequency)
    string = random.uniform(-1, 1, period)
    result = np.empty(length)
    for index in range(length):
        result[index] = string[index % period]
        string[index % period] = 0.498 * (string[index % period] + string[(index + 1) % period])
    return result


def dsf(samples, *, rate=96_000, block=4096):
    """1-bit DSD by a second-order sigma-delta modulator, mono, in DSF."""
    at = np.arange(int(SECONDS * rate)) / rate
    signal = np.interp(at, np.arange(len(samples)) / RATE, samples) * 0.5
    bits = np.empty(len(signal), np.uint8)
    first = second = fed_back = 0.0
    for index, value in enumerate(signal):
        first += value - fed_back
        second += first - fed_back
        fed_back = 1.0 if second >= 0 else -1.0
        bits[index] = fed_back > 0
    data = np.packbits(bits, bitorder="little").tobytes()
    data += b"\x69" * (-len(data) % block)
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, len(signal), block, 0)
    body = form + struct.pack("<4sQ", b"data", 12 + len(data)) + data
    return struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(body), 0) + body


class RangeEncoder:
    """A range coder with carry propagation (Martin 1979, in the form of Schindler 1998), as APE uses it."""

    TOP, BOTTOM, SHIFT = 1 << 31, 1 << 23, 23

    def __init__(self):
        self.low, self.range, self.held, self.following = 0, self.TOP, 0, 0
        self.output = bytearray()

    def _emit(self, carry):
        self.output.append(self.held + carry & 0xFF)
        self.output += bytes([0x00 if carry else 0xFF]) * self.following
        self.following = 0

    def _normalise(self):
        while self.range <= self.BOTTOM:
            if self.low < 0xFF << self.SHIFT or self.low & self.TOP:
                self._emit(1 if self.low & self.TOP else 0)
                self.held = self.low >> self.SHIFT & 0xFF
            else:
                self.following += 1
            self.range <<= 8
            self.low = self.low << 8 & self.TOP - 1

    def encode(self, width, start, total):
        self._normalise()
        unit = self.range // total
        self.low += unit * start
        self.range = unit * width

    def finish(self):
        self._normalise()
        last = (self.low >> self.SHIFT) + 1
        self._emit(1 if last > 0xFF else 0)
        return bytes(self.output) + bytes([last & 0xFF, 0, 0, 0, 0, 0])


class ApeFrame:
    """One mono frame of Monkey's Audio 3.99 at its fastest level."""

    STARTS = (0, 19578, 36160, 48417, 56323, 60899, 63265, 64435, 64971, 65232, 65351)
    STARTS += (65416, 65447, 65466, 65476, 65482, 65485, 65488, 65490, 65491, 65492, 65493)
    ESCAPE = 63

    def __init__(self):
        self.coder = RangeEncoder()
        self.sum = 16 << 10
        self.coefficients = [360, 317, -109, 98]
        self.last = self.filtered = self.previous = 0
        self.deltas, self.signs = [0, 0, 0], [0, 0, 0]

    def encode(self, samples):
        for sample in samples.tolist():
            self._value(self._residual(sample))
        crc = zlib.crc32(samples.astype("<i2").tobytes()) >> 1
        data = struct.pack(">I", crc) + self.coder.finish()
        data += bytes(-len(data) % 4)
        return np.frombuffer(data, ">u4").astype("<u4").tobytes()

    def _residual(self, sample):
        delta = self.last - self.previous
        self.deltas = [delta, *self.deltas[:2]]
        self.signs = [sign(delta), *self.signs[:2]]
        inputs, signs = [self.last, *self.deltas], [sign(self.last), *self.signs]
        predicted = sum(a * b for a, b in zip(inputs, self.coefficients, strict=True)) >> 10
        current = sample - (self.filtered * 31 >> 5)
        residual = current - predicted
        self.coefficients = [c - s * -sign(residual) for c, s in zip(self.coefficients, signs, strict=True)]
        self.previous, self.last, self.filtered = self.last, current, sample
        return residual

    def _value(self, residual):
        value = 2 * residual - 1 if residual > 0 else -2 * residual
        pivot = max(1, self.sum >> 5)
        overflow, base = divmod(value, pivot)
        self._symbol(min(overflow, self.ESCAPE))
        if overflow >= self.ESCAPE:
            self.coder.encode(1, overflow >> 16, 1 << 16)
            self.coder.encode(1, overflow & 0xFFFF, 1 << 16)
        self.coder.encode(1, base, pivot)
        self.sum += (value + 1) // 2 - (self.sum + 16 >> 5)

    def _symbol(self, symbol):
        if symbol < len(self.STARTS) - 1:
            start, end = self.STARTS[symbol : symbol + 2]
            self.coder.encode(end - start, start, 1 << 16)
        else:
            self.coder.encode(1, symbol + 65535 - self.ESCAPE, 1 << 16)


def sign(value):
    """Return -1 for positive, 1 for negative numbers: the format's own convention."""
    return (value < 0) - (value > 0)


def ape(samples, *, rate=8000, per_frame=18_432):
    """Monkey's Audio 3.99, 16 bit, mono."""
    pieces = [samples[start : start + per_frame] for start in range(0, len(samples), per_frame)]
    frames = [ApeFrame().encode(piece) for piece in pieces]
    offset = 52 + 24 + 4 * len(frames)
    table = np.cumsum([offset] + [len(frame) for frame in frames[:-1]]).astype("<u4").tobytes()
    audio = b"".join(frames)
    header = struct.pack("<HHIIIHHI", 1000, 32, per_frame, len(pieces[-1]), len(pieces), 16, 1, rate)
    lengths = (52, 24, len(table), 0, len(audio), 0, 0)
    return struct.pack("<4sHH7I16s", b"MAC ", 3990, 0, *lengths, bytes(16)) + header + table + audio


def write_wave(path, samples, rate):
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(samples.astype("<i2").tobytes())


def main():
    TARGET.mkdir(exist_ok=True)
    samples = sound()
    with tempfile.TemporaryDirectory() as scratch:
        names = ("source.wav", "at-8000.wav", "at-44100.wav")
        source, at_8000, at_44100 = (Path(scratch) / name for name in names)
        write_wave(source, np.round(samples * 32767), RATE)
        for name, (rate, options) in FFMPEG.items():
            convert(source, TARGET / name, rate, options)
        convert(source, at_8000, 8000, "-c:a pcm_s16le")
        convert(source, at_44100, 44_100, "-c:a pcm_s16le")
        subprocess.run(["wavpack", "-y", "-q", at_8000, "-o", TARGET / "wavpack.wv"], check=True)
        mpcenc = ["mpcenc", "--overwrite", "--silent", "--quality", "2"]
        subprocess.run([*mpcenc, at_44100, TARGET / "musepack-sv8.mpc"], check=True)
        with wave.open(str(at_8000)) as stream:
            at_8000_samples = np.frombuffer(stream.readframes(1 << 20), "<i2").astype(np.int64)
    (TARGET / "ape.ape").write_bytes(ape(at_8000_samples))
    (TARGET / "dsd.dsf").write_bytes(dsf(samples))


def convert(source, target, rate, options):
    command = ["ffmpeg", "-loglevel", "error", "-y", "-i", source, "-map_metadata", "-1"]
    command += ["-fflags", "+bitexact", "-flags:a", "+bitexact", *(["-ar", str(rate)] if rate else [])]
    subprocess.run([*command, *options.split(), target], check=True)


if __name__ == "__main__":
    main()
