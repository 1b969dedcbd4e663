"""What a prediction costs, step by step, beside the bare decoding that no program can avoid.

``python benchmarks/speed.py [FILE...]`` measures the given tracks, or four-minute ones that it encodes
itself. Every step of one track is measured in turn, again and again; shown is the median of the processor
time, which other programs on the machine disturb less than the clock on the wall. Steps run on one thread.

whole    the whole track decoded by PyAV, frames thrown away
bare     the bundle's excerpts sought and decoded by PyAV, frames thrown away
read     the same excerpts as we read them: to the sample, mono, resampled
mel      their log-mel spectrograms, scaled and cut into patches
model    the network on those patches
predict  everything, from the file's name to probabilities
cold     a new Python process that predicts one track, less one that does nothing
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from genretagd.ml.bundle import load_bundle
from genretagd.ml.classifier import Classifier
from genretagd.ml.decode import read_excerpts
from genretagd.ml.frontend import cut_patches, log_mel, scale
from genretagd.ml.runtime import Network

STEPS = ("whole", "bare", "read", "mel", "model", "predict")
ENCODED = {
    "track.mp3": ("libmp3lame", "192k"),
    "track.m4a": ("aac", "160k"),
    "track.opus": ("libopus", "128k"),
    "track.flac": ("flac", None),
    "track.wav": ("pcm_s16le", None),
}
RATE = 48_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files = given.files or make_tracks(Path(scratch))
        report = measure(files, bundle=given.bundle, repeat=given.repeat)
    print(json.dumps(report, indent=2) if given.json else as_table(report))


def measure(files: list[Path], *, bundle: str, repeat: int) -> dict[str, object]:
    classifier = Classifier(load_bundle(bundle))
    tracks = {path.name: measure_track(path, classifier, repeat=repeat) for path in files}
    cold = cold_start(files[0], bundle=bundle, repeat=repeat)
    return {
        "model": classifier.bundle.identity,
        "excerpts": f"{classifier.bundle.excerpts.count} x {classifier.bundle.excerpts.seconds:g} s",
        "milliseconds": tracks,
        "cold_milliseconds": {kind: 1e3 * seconds for kind, seconds in cold.items()},
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_track(path: Path, classifier: Classifier, *, repeat: int) -> dict[str, float]:
    bundle = classifier.bundle
    front_end, choice = bundle.front_end, bundle.excerpts
    mel_basis, colormap, network = bundle.mel_basis(), bundle.colormap(), Network(bundle)
    found = read_excerpts(path, sr=front_end.sr, count=choice.count, seconds=choice.seconds)

    def patches() -> np.ndarray:
        spectra = [scale(log_mel(one, front_end=front_end, mel_basis=mel_basis)) for one in found.waveforms]
        return np.concatenate([cut_patches(one, geometry=bundle.patch, colormap=colormap) for one in spectra])

    cut = patches()
    actions: dict[str, Callable[[], object]] = {
        "whole": lambda: decode_all(path),
        "bare": lambda: decode_at(path, found.starts, choice.seconds),
        "read": lambda: read_excerpts(path, sr=front_end.sr, count=choice.count, seconds=choice.seconds),
        "mel": patches,
        "model": lambda: network.logits(cut),
        "predict": lambda: classifier.predict(path),
    }
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    for _ in range(repeat):
        for step in STEPS:
            started = time.process_time()
            actions[step]()
            times[step].append(time.process_time() - started)
    return {step: 1e3 * statistics.median(values) for step, values in times.items()}


def decode_all(path: Path) -> int:
    with av.open(str(path)) as container:
        container.streams.audio[0].codec_context.thread_count = 1
        return sum(frame.samples for frame in container.decode(audio=0))


def decode_at(path: Path, starts: tuple[float, ...], seconds: float) -> int:
    samples = 0
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        for start in starts:
            container.seek(int(start / stream.time_base), stream=stream)
            left = seconds
            for frame in container.decode(stream):
                samples += frame.samples
                left -= frame.samples / frame.sample_rate
                if left <= 0:
                    break
    return samples


def cold_start(path: Path, *, bundle: str, repeat: int) -> dict[str, float]:
    """Return the seconds on the wall and of the processor that a prediction adds to a new Python process."""
    script = (
        "import sys; from pathlib import Path; from genretagd.ml.classifier import load_classifier\n"
        "load_classifier(sys.argv[2]).predict(Path(sys.argv[1]))"
    )
    predicting, idle = run_often([script, str(path), bundle], repeat), run_often(["pass"], repeat)
    return {kind: predicting[kind] - idle[kind] for kind in idle}


def run_often(arguments: list[str], repeat: int) -> dict[str, float]:
    walls, processors = [], []
    for _ in range(repeat):
        before, started = processor_of_children(), time.perf_counter()
        subprocess.run([sys.executable, "-c", *arguments], check=True)
        walls.append(time.perf_counter() - started)
        processors.append(processor_of_children() - before)
    return {"wall": statistics.median(walls), "processor": statistics.median(processors)}


def processor_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_tracks(directory: Path, *, seconds: int = 240) -> list[Path]:
    """Encode four minutes of stereo chords and noise in the usual formats."""
    at = np.arange(10 * RATE) / RATE
    noise = np.random.default_rng(1).standard_normal((2, at.size)) * 0.03
    chords = sum(
        np.sin(2 * np.pi * tone * at) * np.exp(-(at % 0.5) * 4) for tone in (110.0, 277.2, 329.6, 880.0)
    )
    piece = np.round(np.clip(noise + 0.15 * np.stack([chords, np.roll(chords, 99)]), -1, 1) * 32767)
    packed = np.ascontiguousarray(piece.astype(np.int16).T).reshape(1, -1)
    paths = []
    for name, (codec, bit_rate) in ENCODED.items():
        path = directory / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(
                codec, rate=RATE, layout="stereo", options={"b": bit_rate} if bit_rate else {}
            )
            fifo = av.AudioResampler(
                format=stream.codec_context.format, layout="stereo", rate=RATE, frame_size=960
            )
            for number in range(seconds // 10):
                frame = av.AudioFrame.from_ndarray(packed, format="s16", layout="stereo")
                frame.sample_rate, frame.pts = RATE, number * at.size
                for one in fifo.resample(frame):
                    container.mux(stream.encode(one))
            container.mux(stream.encode(None))
        paths.append(path)
    return paths


def as_table(report: dict) -> str:
    lines = [f"{report['model']}, {report['excerpts']}; milliseconds of processor time, median"]
    lines.append(f"{'track':<22}" + "".join(f"{step:>9}" for step in STEPS) + f"{'predict/bare':>14}")
    for name, row in report["milliseconds"].items():
        ratio = row["predict"] / row["bare"]
        lines.append(f"{name:<22}" + "".join(f"{row[step]:>9.1f}" for step in STEPS) + f"{ratio:>14.2f}")
    cold = report["cold_milliseconds"]
    lines.append(f"cold: {cold['processor']:.0f} ms of processor time, {cold['wall']:.0f} ms on the wall")
    lines.append(f"peak memory of this process: {report['peak_megabytes']:.0f} MB")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
