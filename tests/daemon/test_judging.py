"""What a path is judged by."""

from __future__ import annotations

from pathlib import Path

from genretagd.daemon.judging import KEPT_SECONDS, Judging
from genretagd.ledger.versions import Judgement


class CountingEngine:
    """Names policies by the order in which it is asked for them."""

    threads = 1
    ready = True

    def __init__(self, bundle: str = "bundle") -> None:
        self.bundle = bundle
        self.asked: list[str] = []

    def policy_of(self, path: Path, /) -> str:
        self.asked.append(str(path.parent))
        return f"policy {len(self.asked)}"


def judging(engine: CountingEngine, now: list[float]) -> Judging:
    return Judging(engine, clock=lambda: now[0])  # type: ignore[arg-type]


def test_a_folder_is_looked_up_once_for_a_moment() -> None:
    engine, now = CountingEngine(), [100.0]
    judge = judging(engine, now)
    assert judge("/m/a/1.mp3") == judge("/m/a/2.mp3") == Judgement("bundle", "policy 1")
    assert judge("/m/b/1.mp3") == Judgement("bundle", "policy 2")
    assert engine.asked == ["/m/a", "/m/b"]


def test_a_changed_policy_is_seen_after_that_moment() -> None:
    engine, now = CountingEngine(), [100.0]
    judge = judging(engine, now)
    judge("/m/a/1.mp3")
    now[0] += KEPT_SECONDS
    assert judge("/m/a/1.mp3") == Judgement("bundle", "policy 2")


def test_another_engine_is_asked_at_once() -> None:
    engine, now = CountingEngine(), [100.0]
    judge = judging(engine, now)
    judge("/m/a/1.mp3")
    judge.use(CountingEngine("other"))  # type: ignore[arg-type]
    assert judge("/m/a/1.mp3") == Judgement("other", "policy 1")


def test_what_is_remembered_does_not_grow_with_the_folders_that_come_by() -> None:
    engine, now = CountingEngine(), [100.0]
    judge = judging(engine, now)
    sizes = []
    for number in range(1000):
        now[0] += KEPT_SECONDS / 10
        judge(f"/m/{number}/1.mp3")
        sizes.append(len(judge._known))
    assert max(sizes) <= 11
