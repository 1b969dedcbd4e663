"""Make sounds that are no music, for the default model to learn to leave alone: speech, noise, tones, clicks.

    python benchmarks/non_music.py FOLDER

writes 30-second WAV files and the `tracks.csv` that makes FOLDER a pool for `genretagd train --pool FOLDER`.
Speech is synthesised by espeak-ng, which must be on the PATH; everything else is drawn from a fixed seed.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

SR = 22_050
SECONDS = 30
VOICES = (
    "en en-us+f3 en-gb+m4 en-029+f2 de+m3 de+f4 fr+f2 fr+m1 es+m5 es+f1 it+f4 it+m2 "
    "pt+m1 pt-br+f5 ru+m2 ru+f3 pl+f1 pl+m6 nl+m7 nl+f2 sv+f5 sv+m3 tr+f4 hi+m1"
).split()
NEWS = """Good evening. Here is the news. The council met for nine hours and could not agree on the colour
of the bridge. Trains to the coast run every twenty minutes, except on Sundays, when they do not run. """
NOVEL = """Chapter one. He had walked since noon, and the road was long, and nobody had told him about the
dogs. When at last he came to the house there was no light in any window, and the door stood open. """


def speech(voice: str, text: str, speed: int) -> np.ndarray:
    """Return a text read aloud again and again."""
    raw = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text * 3], capture_output=True, check=True
    ).stdout
    samples = np.frombuffer(raw[44:], np.int16).astype(np.float64) / 32768
    return np.resize(samples, SR * SECONDS)


def coloured(rng: np.random.Generator, power: float) -> np.ndarray:
    """Return noise whose amplitude falls with frequency to a power."""
    spectrum = np.fft.rfft(rng.standard_normal(SR * SECONDS))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** power
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, SR * SECONDS)
    return noise / np.abs(noise).max()


def sounds(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return sounds by name; what precedes the number in the name is the group they are split by."""
    n = SR * SECONDS
    t = np.arange(n) / SR
    made: dict[str, np.ndarray] = {}
    for i in range(8):
        made[f"noise-{i}"] = coloured(rng, rng.uniform(0.0, 1.2)) * rng.uniform(0.1, 0.9)
        beat = 1 + np.sin(2 * np.pi * rng.uniform(0.1, 5) * t) * rng.uniform(0.2, 1)
        made[f"breathing noise-{i}"] = coloured(rng, rng.uniform(0.0, 1.0)) * beat / 2
        base = rng.uniform(45, 130)
        made[f"hum-{i}"] = sum(np.sin(2 * np.pi * base * k * t) / k for k in range(1, 9)) * 0.2
        made[f"hum-{i}"] = made[f"hum-{i}"] + 0.02 * coloured(rng, 0.5)
        made[f"tone-{i}"] = 0.4 * np.sign(np.sin(2 * np.pi * rng.uniform(80, 3000) * t)) ** (1 + 2 * (i % 2))
        made[f"clicks-{i}"] = (rng.random(n) < rng.uniform(2e-5, 8e-4)) * rng.uniform(0.3, 1.0, n)
        period = int(rng.uniform(0.1, 1.5) * SR)
        made[f"ticking-{i}"] = ((np.arange(n) % period) < 40) * rng.standard_normal(n) * 0.6
        sweep = rng.uniform(0.05, 1.0)
        made[f"siren-{i}"] = 0.4 * np.sin(2 * np.pi * (600 * t + 300 / sweep * np.sin(2 * np.pi * sweep * t)))
        made[f"hiss-{i}"] = rng.standard_normal(n) * 10.0 ** rng.uniform(-4, -2)
    return made


def write(path: Path, samples: np.ndarray) -> None:
    """Write a mono WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SR)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    path.write_bytes(content.getvalue())


def main(folder: Path) -> None:
    """Write all sounds and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    for i, voice in enumerate(VOICES):
        for j, text in enumerate((NEWS, NOVEL)):
            name = f"speech-{i}-{j}"
            spoken = speech(voice, text, speed=int(rng.integers(120, 210)))
            write(folder / f"{name}.wav", spoken + coloured(rng, 0.5) * 10.0 ** rng.uniform(-4, -1.5))
            rows.append({"id": name, "my_genre": "other:speech", "split_group": f"voice-{i}"})
    for name, samples in sounds(rng).items():
        stem = name.replace(" ", "-")
        write(folder / f"{stem}.wav", samples)
        rows.append({"id": stem, "my_genre": "other:noise", "split_group": stem.rpartition("-")[0]})
    with (folder / "tracks.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, ["id", "my_genre", "split_group"])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
