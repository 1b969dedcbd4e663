"""Damaged files made from whole ones: the same ones on every run, each named by what was done to it.

``python tests/damage.py DIRECTORY [FILE...]`` writes them (and a FIFO, an empty file, a text named .mp3
and the like) into a directory, from the given files or from tests/data/formats.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

FORMATS = Path(__file__).parent / "data" / "formats"
CUTS = (0.01, 0.1, 0.5, 0.95)
TEXT = b"This is not music.\n" * 50
PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\nhttp://127.0.0.1:9/x.mp3\n"


def sample_files() -> tuple[Path, ...]:
    """Return the whole files."""
    return tuple(sorted(path for path in FORMATS.iterdir() if path.suffix != ".md"))


def damaged_files(sources: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each damaged file: 14 for each source, and a few of no source."""
    suffixes = [source.suffix for source in sources]
    for number, source in enumerate(sources):
        whole = source.read_bytes()
        for kind, content in _versions_of(whole, random.Random(number)):
            yield f"{number:02}-{source.stem}-{kind}{source.suffix}", content
        stranger = suffixes[(number + 1) % len(suffixes)]
        yield f"{number:02}-{source.stem}-named-wrong{stranger}", whole
    yield "text.mp3", TEXT
    yield "text.flac", TEXT
    yield "playlist.mp3", PLAYLIST
    yield "playlist.m4a", PLAYLIST
    yield "empty.mp3", b""
    yield "zeros.mp3", bytes(40_000)
    yield "zeros.wav", bytes(40_000)
    yield "noise.mp3", random.Random(1).randbytes(40_000)
    yield "noise.ogg", random.Random(2).randbytes(40_000)
    yield "picture.m4a", b"\x89PNG\r\n\x1a\n" + random.Random(3).randbytes(4_000)
    yield "huge-tag.mp3", b"ID3\x03\x00\x00\x7f\x7f\x7f\x7f" + bytes(1000)
    yield "short.wav", b"RIFF"


def _versions_of(whole: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    for share in CUTS:
        yield f"cut-at-{share:.0%}".replace("%", "-percent"), whole[: int(len(whole) * share)]
    yield "beginning-lost", whole[len(whole) // 3 :]
    yield "middle-lost", whole[: len(whole) // 3] + whole[2 * len(whole) // 3 :]
    yield "middle-zeroed", _overwritten(whole, 0.4, bytes(len(whole) // 5))
    yield "middle-noise", _overwritten(whole, 0.4, chance.randbytes(len(whole) // 5))
    yield "head-flipped", _flipped(whole, chance, end=64, number=4)
    yield "header-flipped", _flipped(whole, chance, end=1024, number=20)
    yield "few-bits-flipped", _flipped(whole, chance, end=len(whole), number=8)
    yield "many-bits-flipped", _flipped(whole, chance, end=len(whole), number=len(whole) // 100)
    yield "head-of-ones", b"\xff" * 64 + whole[64:]


def _overwritten(whole: bytes, share: float, patch: bytes) -> bytes:
    start = int(len(whole) * share)
    return whole[:start] + patch + whole[start + len(patch) :]


def _flipped(whole: bytes, chance: random.Random, *, end: int, number: int) -> bytes:
    result = bytearray(whole)
    for _ in range(number):
        result[chance.randrange(min(end, len(result)))] ^= 1 << chance.randrange(8)
    return bytes(result)


def write_all(directory: Path, sources: Sequence[Path]) -> int:
    """Write every damaged file and the strange kinds into a directory, and return how many."""
    directory.mkdir(parents=True, exist_ok=True)
    number = 0
    for name, content in damaged_files(sources):
        (directory / name).write_bytes(content)
        number += 1
    os.mkfifo(directory / "pipe.mp3")
    (directory / "folder.mp3").mkdir()
    (directory / "dangling.mp3").symlink_to("nowhere.mp3")
    locked = directory / "locked.mp3"
    locked.write_bytes(sources[0].read_bytes())
    locked.chmod(0)
    return number + 4


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[2:]] or sample_files()
    print(write_all(Path(sys.argv[1]), given), "files")  # noqa: T201
