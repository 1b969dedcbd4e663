"""One bad item costs that item and no more."""

import errno
import os
import time

from genretagd.ml.training.isolation import Failure, Isolated


def work(item):
    if item == "crash":
        os._exit(7)
    if item == "hang":
        time.sleep(60)
    if item == "raise":
        raise ValueError("no good")
    if item == "write":
        raise OSError(errno.ENOSPC, "full")
    return item.upper()


def test_results_come_from_good_items_and_reasons_from_bad_ones():
    items = ["a", "crash", "b", "hang", "raise", "c", "write"]
    found = dict(Isolated(work, jobs=2, time_limit=3.0).run(items))
    assert [found[index] for index in (0, 2, 5)] == ["A", "B", "C"]
    assert found[1] == Failure("its process ended (exit status 7)")
    assert found[3] == Failure("took longer than 3 s")
    assert found[4] == Failure("no good")
    assert found[6] == Failure(f"[Errno {errno.ENOSPC}] full", errno.ENOSPC)


def test_nothing_to_do_starts_nothing():
    assert list(Isolated(work, jobs=2).run([])) == []
