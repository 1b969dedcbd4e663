"""The sample files as a table, and sounds made here, encoded by PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 22_050
DATA = Path(__file__).parent / "data"
TINY_BUNDLE = DATA / "tiny-bundle"
FORMATS = {path.stem: path for path in sorted((DATA / "formats").iterdir()) if path.suffix != ".md"}
OWN_RATES = {"opus": 48_000, "musepack-sv8": 44_100, "dsd": 12_000, "wav": 4_000, "aiff": 4_000}
OWN_RATES |= dict.fromkeys(("alac", "flac", "flac-in-ogg", "tta", "wavpack", "ape"), 8_000)
"""Sample rates in Hz; 16,000 where none is named."""

LOSSLESS = ("alac", "flac", "flac-in-ogg", "tta", "wavpack", "ape")
"""The sample files that hold the same 8 kHz samples."""

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1", 12: "7.1.4"}
KINDS = {"int16": "s16", "int32": "s32", "float32": "flt", "float64": "dbl", "uint8": "u8"}


def make_music(seconds: float = 12.0) -> np.ndarray:
    """Return chords, noise and a slow sweep, different left and right, int16 `[shape=(2, n)]`."""
    at = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(5).standard_normal(at.size)
    chords = sum(np.sin(2 * np.pi * tone * (1 + np.floor(at) / 12) * at) for tone in (110.0, 165.0, 220.0))
    sweep = np.sin(2 * np.pi * (200 + 300 * at) * at)
    left = 0.15 * chords + 0.02 * noise
    right = 0.15 * chords * np.exp(-(at % 1.0)) + 0.1 * sweep
    return np.round(np.stack([left, right]) * 32767).astype(np.int16)


def encode(samples: np.ndarray, path: Path, *, codec: str, rate: int = RATE, **options: str) -> Path:
    """Write samples `[shape=(channels, n)]` to a file."""
    layout = LAYOUTS[samples.shape[0]]
    packed = np.ascontiguousarray(samples.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format=KINDS[str(samples.dtype)], layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=options)
        codec_context = stream.codec_context
        wanted = KINDS[str(samples.dtype)]
        formats = [one.name for one in codec_context.codec.audio_formats or ()]
        codec_context.format = next((name for name in formats if name.rstrip("p") == wanted), formats[0])
        codec_context.open()
        resampler = av.AudioResampler(
            format=codec_context.format, layout=layout, rate=rate, frame_size=codec_context.frame_size or 4096
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path
