"""Inject a fault at every operation of a write, in every mode, over every format; print how many.

    python benchmarks/faults.py [CASE...]

After each fault the file must hold the whole old or the whole new content, byte for byte, with its
mode, extended attributes and times; nothing else may be left in the directory after a sweep.
"""

from __future__ import annotations

import collections
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tagging"))

from fault_harness import MODES, Subject
from tag_cases import CASES


def main() -> None:
    wanted, known = set(sys.argv[1:]), {case.id for case in CASES}
    if wanted - known:
        sys.exit(f"no such case: {', '.join(sorted(wanted - known))}; there are: {', '.join(sorted(known))}")
    injected: collections.Counter[str] = collections.Counter()
    by_mode: collections.Counter[str] = collections.Counter()
    started = time.monotonic()
    formats = 0
    for case in CASES:
        if wanted and case.id not in wanted:
            continue
        formats += 1
        for policy in ("skip", "in-place"):
            with tempfile.TemporaryDirectory() as directory:
                subject = Subject(case, Path(directory), policy=policy)
                for at in range(subject.operations):
                    for mode in MODES:
                        injected[subject.try_fault(at, mode)] += 1
                        by_mode[mode] += 1
        print(f"{case.id:<28} {sum(injected.values()):>6} faults", flush=True)
    del injected[""]
    seconds = time.monotonic() - started
    print(
        f"{sum(injected.values())} faults over {formats} kinds of file in {seconds:.0f} s, none harmed a file"
    )
    for name, number in injected.most_common():
        print(f"  {number:>6}  at {name}")
    for name, number in by_mode.most_common():
        print(f"  {number:>6}  {name}")


if __name__ == "__main__":
    main()
