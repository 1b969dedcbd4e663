"""The roots of a daemon, watched in threads of their own, with a desk that knows every file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from genretagd.config import Config
from genretagd.config.schema import WatchConfig
from genretagd.daemon import roots as module
from genretagd.daemon.roots import FORGET_EVERY_SECONDS, Roots, root_settings
from genretagd.errors import UsageError
from genretagd.watcher.report import RootSettings


class Forgetful:
    """Stands in for the ledger: counts how often it is asked to forget."""

    def __init__(self) -> None:
        self.asked = 0

    def forget_missing(self, _root: str, *, older_than: float) -> int:
        self.asked += 1
        return 0


@pytest.fixture
def versions() -> Forgetful:
    return Forgetful()


@pytest.fixture
def roots(versions: Forgetful) -> Iterator[Roots]:
    desk = SimpleNamespace(unknown=lambda _files: [], take_in=lambda _settled: None)
    made = Roots(desk, versions=versions, expect=lambda: None, news=lambda: None)  # type: ignore[arg-type]
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("roots", "message"),
    [
        ((), "no directory"),
        (("m", "m"), "part of"),
        (("m", "m/n"), "part of"),
        (("m/n", "m"), "part of"),
        (("f",), "not a"),
    ],
    ids=["none", "twice", "inside", "around", "file"],
)
def test_roots_that_make_no_sense_are_refused(tmp_path: Path, roots: tuple[str, ...], message: str) -> None:
    (tmp_path / "m" / "n").mkdir(parents=True)
    (tmp_path / "f").touch()
    config = Config(watch=WatchConfig(roots=tuple(tmp_path / root for root in roots)))
    with pytest.raises(UsageError, match=message):
        root_settings(config)


def test_what_is_wanted_is_asked_of_the_roots_and_the_ignore_files_that_there_are_now(
    roots: Roots, tmp_path: Path
) -> None:
    album = tmp_path / "music" / "album"
    album.mkdir(parents=True)
    track = str(album / "a.mp3")
    roots.set([RootSettings(str(tmp_path / "music"), mode="poll", ignore=("*.wav",))])
    assert roots.wants(track)
    assert not roots.wants(str(album / "a.wav"))
    assert not roots.wants(str(tmp_path / "a.mp3"))
    for name, content in ((".nomedia", ""), (".ndignore", ""), (".genretagdignore", "a.*")):
        (album / name).write_text(content)
        assert not roots.wants(track)
        (album / name).unlink()
    assert roots.wants(track)
    roots.set([])
    assert not roots.wants(track)


def test_who_asks_how_the_roots_are_while_they_change_gets_an_answer(
    roots: Roots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (RootSettings(str(tmp_path / name), mode="poll") for name in ("one", "other"))
    roots.set([one])
    watcher = next(iter(roots._threads.values())).watcher
    report = watcher.report()
    monkeypatch.setattr(watcher, "report", lambda: roots.set([one, other]) or report)
    assert roots.reports() == [report]
    monkeypatch.setattr(watcher, "report", lambda: report)
    assert [found.path for found in roots.reports()] == [one.path, other.path]


def test_a_root_whose_share_hangs_keeps_neither_a_start_nor_a_reload_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    there, share = tmp_path / "there", tmp_path / "share"
    there.mkdir()
    answering = threading.Event()
    real_path = os.path.realpath
    monkeypatch.setattr(
        "os.path.realpath", lambda path: answering.wait(20) if path == share else real_path(path)
    )
    monkeypatch.setattr("genretagd.daemon.roots.ANSWER_SECONDS", 0.05)
    try:
        settings = root_settings(Config(watch=WatchConfig(roots=(share, there))))
    finally:
        answering.set()
    assert [one.path for one in settings] == [str(share), str(there)]
    assert caplog.messages == [f"{share}: does not answer, is its share there?"]


def test_what_is_gone_is_forgotten_once_a_day_though_the_clock_is_set_back(
    roots: Roots, versions: Forgetful, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(time=lambda: 2e9, monotonic=lambda: 5.0)
    monkeypatch.setattr(module, "time", clock)
    roots._scanned("/music")
    roots._scanned("/music")
    assert versions.asked == 1
    clock.time = lambda: 1e9
    clock.monotonic = lambda: 5.0 + FORGET_EVERY_SECONDS
    roots._scanned("/music")
    assert versions.asked == 2
