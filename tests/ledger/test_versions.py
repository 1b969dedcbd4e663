from __future__ import annotations

import errno
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from genretagd.domain import FileVersion, Outcome, Status
from genretagd.ledger.versions import MAX_ATTEMPTS, Judgement, Versions
from genretagd.settling import Look

MINE = Judgement("bundle 1", "policy 1")
VERSION = FileVersion(device=5, inode=77, size=1000, mtime_ns=123)


@pytest.fixture
def there() -> set[str]:
    """Return the paths that exist; tests add and remove some."""
    return set()


@pytest.fixture
def devices() -> dict[str, int]:
    """Return the device of each directory that exists."""
    return {"/": 1, "/m": VERSION.device}


@pytest.fixture
def versions(database, there, devices):
    return Versions(
        database,
        exists=lambda path: os.fsdecode(path) in there,
        device_of=lambda path: devices.get(os.fsdecode(path)),
    )


def record(
    versions, path="/m/a.mp3", version=VERSION, *, status=Status.UNSURE, judgement=MINE, attempts=0, at=1e9,
    changed_at=None,
):  # fmt: skip
    outcome = Outcome(Path(path), status, reason="why", code="code")
    versions.record(outcome, version, judgement, attempts=attempts, at=at, changed_at=changed_at)


def test_what_was_recorded_is_done(versions):
    record(versions)
    found = versions.done("/m/a.mp3", VERSION, MINE)
    assert found is not None
    assert (found.status, found.code, found.reason, found.final) == (Status.UNSURE, "code", "why", True)


@pytest.mark.parametrize("change", [{"size": 1001}, {"mtime_ns": 124}], ids=lambda c: next(iter(c)))
def test_another_version_of_the_file_is_not_done(versions, change):
    record(versions)
    assert versions.done("/m/a.mp3", replace(VERSION, **change), MINE) is None


@pytest.mark.parametrize("other", [Judgement("bundle 2", "policy 1"), Judgement("bundle 1", "policy 2")])
def test_another_bundle_or_policy_opens_the_file_again(versions, other):
    record(versions)
    assert versions.done("/m/a.mp3", VERSION, other) is None


def test_what_failed_is_open_to_another_genretagd_and_what_was_judged_is_not(versions, monkeypatch):
    record(versions, "/m/failed.mp3", replace(VERSION, inode=78), status=Status.FAILED)
    record(versions, "/m/unsure.mp3")
    files = [("/m/failed.mp3", Look(VERSION, 1.0)), ("/m/unsure.mp3", Look(VERSION, 1.0))]
    assert versions.open(files, MINE) == []
    assert versions.done("/m/failed.mp3", VERSION, MINE).status is Status.FAILED
    monkeypatch.setattr("genretagd.ledger.versions.__version__", "99.0")
    assert versions.open(files, MINE) == files[:1]
    assert versions.done("/m/failed.mp3", VERSION, MINE) is None


@pytest.mark.parametrize("number", ["device", "inode"])
def test_a_number_that_is_given_out_anew_changes_nothing(versions, number):
    record(versions)
    version = replace(VERSION, **{number: 6})
    assert versions.done("/m/a.mp3", version, MINE) is not None
    assert versions.open([("/m/a.mp3", Look(version, 1.0))], MINE) == []


def test_a_file_whose_mode_or_names_decided_is_opened_again_when_they_change(versions, there):
    record(versions, status=Status.SKIPPED, changed_at=5.0)
    record(versions, "/m/b.mp3", replace(VERSION, inode=78))
    there |= {"/m/a.mp3", "/m/moved.mp3"}
    for changed_at, known in ((5.0, True), (6.0, False)):
        assert (versions.done("/m/a.mp3", VERSION, MINE, changed_at=changed_at) is not None) is known
        assert (versions.done("/m/moved.mp3", VERSION, MINE, changed_at=changed_at) is not None) is known
        look = Look(VERSION, changed_at)
        assert (versions.open([("/m/a.mp3", look)], MINE) == []) is known
        assert versions.open([("/m/b.mp3", Look(replace(VERSION, inode=78), changed_at))], MINE) == []


def test_a_moved_file_keeps_its_history_and_the_old_path_loses_it(versions, there):
    record(versions)
    there.add("/m/b.mp3")
    assert versions.done("/m/b.mp3", VERSION, MINE) is not None
    assert versions.find("/m/b.mp3").status is Status.UNSURE
    assert versions.find("/m/a.mp3") is None


def test_what_moved_does_not_wait_for_the_disk_each_time_and_what_was_done_does(database, versions):
    record(versions)
    ran = []
    database._connection.set_trace_callback(ran.append)
    versions.done("/m/moved.mp3", VERSION, MINE)
    assert "PRAGMA synchronous = NORMAL" in ran
    record(versions)
    assert ran.index("PRAGMA synchronous = FULL") > ran.index("PRAGMA synchronous = NORMAL")


def test_a_share_that_hangs_does_not_hold_up_the_ledger(database):
    asked, answering = threading.Event(), threading.Event()

    def exists(_path: bytes) -> bool:
        asked.set()
        return answering.wait(20)

    versions = Versions(database, exists=exists)
    record(versions)
    thread = threading.Thread(target=versions.done, args=("/m/moved.mp3", VERSION, MINE))
    other = threading.Thread(target=versions.find, args=("/n/b.mp3",))
    thread.start()
    assert asked.wait(20)
    other.start()
    other.join(5)
    held_up = other.is_alive()
    answering.set()
    thread.join()
    other.join()
    assert not held_up


def test_a_further_hard_link_shares_the_history(versions, there):
    record(versions)
    there |= {"/m/a.mp3", "/m/b.mp3"}
    assert versions.done("/m/b.mp3", VERSION, MINE) is not None
    assert versions.find("/m/a.mp3") is not None


def test_a_move_over_another_file_replaces_its_history(versions, there):
    record(versions, "/m/a.mp3")
    record(versions, "/m/b.mp3", replace(VERSION, inode=9, size=9), status=Status.KEPT)
    there.add("/m/b.mp3")
    assert versions.done("/m/b.mp3", VERSION, MINE).status is Status.UNSURE


def test_a_failure_that_may_heal_is_not_final_until_it_was_tried_often_enough(versions):
    record(versions, status=Status.FAILED, attempts=1)
    assert not versions.done("/m/a.mp3", VERSION, MINE).final
    record(versions, status=Status.FAILED, attempts=MAX_ATTEMPTS)
    assert versions.done("/m/a.mp3", VERSION, MINE).final


def test_numbers_and_names_at_their_limits_survive(versions):
    path = os.fsdecode(b"/m/\xff\xfe.mp3")
    version = FileVersion(device=2**40, inode=2**64 - 1, size=2**50, mtime_ns=-1)
    record(versions, path, version)
    assert versions.done(path, version, MINE).path == path
    assert versions.find(path).version == version


def test_files_are_counted_by_status_and_failures_by_code(versions):
    record(versions, "/m/a.mp3", status=Status.TAGGED)
    record(versions, "/m/b.mp3", status=Status.FAILED)
    record(versions, "/m/c.mp3", status=Status.FAILED)
    assert versions.counts() == {"tagged": 1, "failed": 2}
    assert versions.failures() == {"code": 2}


def test_files_long_gone_are_forgotten_and_all_others_stay(versions, there):
    for number in range(10):
        path = f"/m/{number}.mp3"
        record(versions, path, replace(VERSION, inode=number))
        there.add(path)
    record(versions, "/m/old.mp3", replace(VERSION, inode=20), at=10.0)
    record(versions, "/m/new.mp3", replace(VERSION, inode=21), at=1000.0)
    record(versions, "/mm/elsewhere.mp3", replace(VERSION, inode=22), at=10.0)
    assert versions.forget_missing("/m", older_than=500.0) == 1
    assert versions.find("/m/old.mp3") is None
    assert versions.find("/m/new.mp3") is not None
    assert versions.find("/mm/elsewhere.mp3") is not None


def test_files_of_a_share_that_is_missing_are_not_forgotten(versions, there, devices):
    record(versions, "/m/share/a/1.mp3", at=10.0)
    record(versions, "/m/2.mp3", replace(VERSION, inode=2), at=10.0)
    devices |= {"/m/share": 1}  # the mount point without its mount
    assert versions.forget_missing("/m", older_than=500.0) == 1
    assert versions.find("/m/share/a/1.mp3") is not None


def test_files_of_a_root_that_is_missing_are_not_forgotten(versions, there, devices):
    record(versions, "/m/1.mp3", at=10.0)
    del devices["/m"]
    assert versions.forget_missing("/m", older_than=500.0) == 0


def test_files_of_a_folder_that_was_deleted_are_forgotten(versions, there):
    record(versions, "/m/gone/too/1.mp3", at=10.0)
    assert versions.forget_missing("/m", older_than=500.0) == 1


@pytest.mark.parametrize("at_once", [1, 1000], ids=["at once", "when forgetting"])
def test_files_that_were_seen_since_the_device_got_another_number_are_forgotten_too(
    versions, there, devices, monkeypatch, at_once
):
    monkeypatch.setattr("genretagd.ledger.versions.DEVICES_AT_ONCE", at_once)
    paths = [f"/m/{number}.mp3" for number in range(3)]
    for path in paths:
        record(versions, path, at=10.0)
    devices["/m"] = 9  # the next boot
    there |= set(paths)
    assert versions.open([(path, Look(replace(VERSION, device=9), 1.0)) for path in paths], MINE) == []
    there.clear()
    assert versions.forget_missing("/m", older_than=500.0) == 3


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOTCONN])
def test_files_that_cannot_be_looked_at_are_not_forgotten_and_keep_no_others(
    database, tmp_path, monkeypatch, number
):
    versions = Versions(database)
    device = tmp_path.stat().st_dev
    real = os.lstat

    def lstat(path, **options):
        if b"/closed/" in os.fsencode(path):
            raise OSError(number, os.strerror(number))
        return real(path, **options)

    for inode, name in enumerate(("closed/1.mp3", "gone/2.mp3", "3.mp3")):
        record(versions, str(tmp_path / name), FileVersion(device, inode, 1, 1), at=10.0)
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "lstat", lstat)
    assert versions.forget_missing(str(tmp_path), older_than=500.0) == 2
    assert versions.find(str(tmp_path / "closed" / "1.mp3")) is not None


def test_forgetting_goes_through_any_number_of_files(versions, there, database):
    with database.transaction():
        for number in range(2500):
            path = f"/m/{number}.mp3"
            record(versions, path, replace(VERSION, inode=number), at=10.0)
            if number % 5:
                there.add(path)
    assert versions.forget_missing("/m", older_than=500.0) == 500


def test_asking_about_many_files_at_once_gives_those_that_are_not_finally_done(versions):
    files = []
    for number in range(600):
        path, version = f"/m/{number}.mp3", replace(VERSION, inode=2**64 - 1 - number)
        record(versions, path, version, attempts=number % 2)
        files.append((path, Look(version, 1.0)))
    changed = ("/m/0.mp3", Look(replace(VERSION, size=5), 1.0))
    never_seen = ("/m/new.mp3", Look(VERSION, 1.0))
    retried = [file for number, file in enumerate(files) if number % 2]
    assert versions.open([changed, never_seen, *files[1:]], MINE) == [changed, never_seen, *retried]
    assert len(versions.open(files, Judgement("bundle 2", "policy 1"))) == 600


@pytest.mark.parametrize("year", [1601, 2300])
def test_a_time_stamp_that_no_ledger_can_hold_is_one_that_it_can(tmp_path, versions, year):
    track = tmp_path / "a.mp3"
    track.write_bytes(b"x")
    seconds = int((datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    os.utime(track, ns=(0, seconds * 10**9))
    if track.stat().st_mtime_ns != seconds * 10**9:
        pytest.skip("this file system keeps no such time")
    version = FileVersion.of(track.stat())
    record(versions, str(track), version)

    assert versions.done(str(track), FileVersion.of(track.stat()), MINE) is not None
