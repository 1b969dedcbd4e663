"""Send mutated files through the tag store; print what became of them, and stop at the first finding.

    python benchmarks/mutations.py [--files 5000] [--seconds S] [--seed N] [--keep DIRECTORY]

Each file is one of the kinds in tests/tagging/tag_cases.py with bytes flipped, cut out, doubled,
zeroed, taken from another kind, or its end cut off; half of the mutations fall into the tags' part of the
file. It must be left as it was, with one of our errors, or be tagged so that it reads back, its
encoded audio is the same, and restoring gives back the very same bytes.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tagging"))

from tag_cases import CASES

from genretagd.domain import WriteOptions
from genretagd.errors import TrackError
from genretagd.ml.packets import audio_digest
from genretagd.tagging.store import FileTagStore

SLOW_SECONDS = 20.0
GENRES = ("Hip-Hop", "Jazz")
NUMBERS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\x80\0\0\0")


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Return data with one to four mutations."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        reach = min(len(result), 4096) if rng.random() < 0.5 else len(result)
        at = rng.randrange(max(reach, 1))
        if rng.random() < 0.2:
            at = max(len(result) - 1 - rng.randrange(400), 0)
        length = min(rng.choice((1, 2, 4, 16, 100, 5000)), len(result) - at)
        kind = rng.randrange(8)
        if kind == 0 and result:
            result[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            result[at : at + length] = rng.randbytes(length)
        elif kind == 2:
            del result[at : at + length]
        elif kind == 3:
            result[at:at] = result[at : at + length]
        elif kind == 4:
            result[at : at + length] = bytes(length)
        elif kind == 5:
            start = rng.randrange(len(other))
            result[at : at + length] = other[start : start + length]
        elif kind == 6:
            del result[at:]
        else:
            result[at : at + 4] = rng.choice(NUMBERS)
    return bytes(result)


def check(path: Path, data: bytes) -> str:
    """Tag one file and undo that; return what became of it; an AssertionError is a finding."""
    path.write_bytes(data)
    store = FileTagStore(audio_digest=audio_digest)
    try:
        found = store.read_genres(path)
        change = store.write_genres(path, GENRES, expected=found.version, options=WriteOptions())
    except TrackError as exc:
        assert path.read_bytes() == data, "a file was changed although its write failed"
        return exc.code
    now = store.read_genres(path)
    assert now.genres == GENRES, "what was written is not what is read"
    store.restore_fields(path, change.fields_before, expected=now.version, options=WriteOptions())
    if path.read_bytes() == data:
        return "tagged and restored"
    back = store.read_genres(path)
    assert "unsynchronised" in path.name, "restoring does not give back the same bytes"
    assert (back.genres, back.fields) == (found.genres, found.fields), "values not given back"
    return "tagged and restored in value, not to the byte"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where findings are kept; the run then goes on")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    originals = [(case, case.make()) for case in CASES]
    outcomes: collections.Counter[str] = collections.Counter()
    slowest = (0.0, "")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.files):
            if time.monotonic() - started > arguments.seconds:
                break
            case, data = rng.choice(originals)
            broken = mutated(data, rng.choice(originals)[1], rng)
            path = Path(folder) / f"{case.id}{case.suffix}"
            begun = time.monotonic()
            try:
                outcome = check(path, broken)
            except Exception as exc:
                if arguments.keep is None:
                    raise
                outcome = f"FINDING {type(exc).__name__}: {exc}"[:100]
                (arguments.keep / f"{arguments.seed}-{number}-{case.id}{case.suffix}").write_bytes(broken)
            outcomes[outcome] += 1
            slowest = max(slowest, (time.monotonic() - begun, case.id))
            if len(list(Path(folder).iterdir())) > 1:
                raise AssertionError(f"{case.id}: something was left behind")
            path.unlink()
    total, seconds = sum(outcomes.values()), time.monotonic() - started
    print(f"{total} mutated files in {seconds:.0f} s; the slowest took {slowest[0]:.2f} s ({slowest[1]})")
    for outcome, count in outcomes.most_common():
        print(f"  {count:>7}  {outcome}")
    sys.exit(any(outcome.startswith("FINDING") for outcome in outcomes))


if __name__ == "__main__":
    main()
