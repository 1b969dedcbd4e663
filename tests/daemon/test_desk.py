from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from office import AFTER, BEFORE, Office

from genretagd.daemon.desk import PAUSE_SECONDS
from genretagd.domain import FileVersion, Outcome, Status
from genretagd.errors import LedgerError, WorkerError
from genretagd.ledger.versions import MAX_ATTEMPTS, Judgement
from genretagd.settling import Look


def ending(status: Status, **fields):
    def process(path: Path, /, *, tell) -> Outcome:
        return Outcome(path, status, reason="because", **({"code": "code"} | fields))

    return process


def test_a_settled_file_is_processed_recorded_and_told(office):
    office.settle()
    assert [outcome.status for outcome in office.work()] == [Status.TAGGED]
    assert office.versions.find("/m/a.mp3").version == AFTER
    assert len(office.kept) == len(office.told) == 1


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (Outcome(Path("/m/a.mp3"), Status.SKIPPED, code="read-only"), 1),
        (Outcome(Path("/m/a.mp3"), Status.FAILED, code="unreadable"), 1),
        (Outcome(Path("/m/a.mp3"), Status.FAILED, code="corrupt"), 0),
        (Outcome(Path("/m/a.mp3"), Status.UNSURE), 0),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_a_file_that_may_be_permitted_now_is_taken_up_again(office, outcome, again):
    office.settle()
    office.work(lambda _path, /, *, tell: outcome)
    office.settle()
    assert office.work() == []
    office.files["/m/a.mp3"] = Look(BEFORE, 6.0)  # another mode, owner or number of names
    assert len(office.desk.unknown(list(office.files.items()))) == again
    office.settle()
    assert len(office.work()) == again


@pytest.mark.parametrize(("code", "again"), [("read-only directory", 1), ("hard links", 0)])
def test_a_file_whose_folder_could_not_be_written_is_taken_up_again_when_it_can_be(
    office, monkeypatch, code, again
):
    writable = False
    monkeypatch.setattr("os.access", lambda _path, _mode: writable)
    office.settle()
    office.work(lambda path, /, *, tell: Outcome(path, Status.SKIPPED, code=code))
    files = list(office.files.items())
    assert office.desk.unknown(files) == []
    writable = True
    assert len(office.desk.unknown(files)) == again
    office.settle()
    assert len(office.work()) == again
    assert office.desk.unknown(list(office.files.items())) == []


def test_our_own_write_is_known_by_what_it_wrote(office):
    office.settle()
    office.work()
    office.settle()
    assert office.work() == []
    assert office.processed == ["/m/a.mp3"]


def test_what_somebody_else_writes_afterwards_is_processed(office):
    office.settle()
    office.work()
    office.files["/m/a.mp3"] = Look(replace(AFTER, mtime_ns=99), 7.0)
    office.settle()
    assert len(office.work()) == 1


def test_a_file_queued_twice_is_processed_once(office):
    office.settle()
    office.settle()
    assert len(office.work()) == 1


def test_a_file_that_is_gone_when_its_turn_comes_is_nobodys_failure(office):
    office.settle()
    office.files.clear()
    assert office.work() == [None]
    assert office.told == []
    assert office.versions.find("/m/a.mp3") is None


def test_a_file_deleted_in_hand_is_nobodys_failure(office):
    def process(path, /, *, tell):
        office.files.clear()
        return Outcome(path, Status.FAILED, code="unreadable")

    office.settle()
    assert office.work(process) == [None]
    assert office.told == []


def test_a_file_replaced_in_hand_settles_anew_and_nothing_is_recorded(office):
    def process(path, /, *, tell):
        office.files[str(path)] = Look(AFTER, 7.0)
        return Outcome(path, Status.UNSURE)

    office.settle()
    assert office.work(process) == [None]
    assert office.unsettled == ["/m/a.mp3"]
    assert office.versions.find("/m/a.mp3") is None


def test_a_failure_that_will_not_heal_is_not_tried_again(office):
    office.settle()
    office.work(ending(Status.FAILED))
    assert office.queue.later == 0
    office.settle()
    assert office.work() == []


def test_a_failure_that_may_heal_is_tried_again_after_growing_pauses(office):
    office.settle()
    times = []
    for _ in range(3):
        while not office.work(ending(Status.FAILED, transient=True)):
            office.now += 1.0
        times.append(office.now)
    assert times == [0.0, 30.0, 150.0]
    assert office.versions.find("/m/a.mp3").attempts == 3


@pytest.mark.parametrize(("code", "given_up"), [("time limit", True), ("no space", False)])
def test_a_failure_that_never_heals_is_given_up_if_it_may_be_the_files_own(office, code, given_up):
    office.settle()
    for _ in range(MAX_ATTEMPTS):
        assert len(office.work(ending(Status.FAILED, transient=True, code=code))) == 1
        office.now += 7 * 3600
    assert (len(office.work()) == 0) is given_up
    assert office.queue.later == 0


@pytest.mark.parametrize("linked", [False, True], ids=["file", "symbolic link"])
def test_attempts_at_a_link_are_attempts_at_what_it_leads_to(office, tmp_path, linked):
    target, link = tmp_path / "t.mp3", tmp_path / "l.mp3"
    target.write_bytes(b"x")
    link.symlink_to(target)
    office.files[str(link)] = office.files[str(target)] = Look(BEFORE, 5.0)
    office.settle(str(link if linked else target))
    for attempts in (1, 2, 3):
        office.work(ending(Status.FAILED, transient=True))
        assert office.versions.find(str(target)).attempts == attempts
        office.now += 7 * 3600


def test_of_a_device_that_hangs_one_file_at_a_time_is_tried_and_the_others_wait_untouched(
    office, monkeypatch
):
    hanging = {f"/nas/{number}.mp3": Look(FileVersion(7, number, 1, 1), 5.0) for number in range(0, 50, 10)}
    office.files |= hanging
    for path in office.files:
        office.settle(path)
    looked_at = []
    monkeypatch.setattr(office.desk, "_look", lambda path: looked_at.append(path) or office.files.get(path))
    tried = []

    def process(path, /, *, tell):
        if office.now >= 4000.0 or str(path) not in hanging:
            return office.tag(path, tell=tell)
        tried.append(office.now)
        return Outcome(path, Status.FAILED, code="hangs", transient=True)

    while office.now < 4000.0:
        office.work(process)
        office.now += 10.0
    assert tried == [0.0, 30.0, 150.0, 630.0, 2550.0]
    assert office.processed == ["/m/a.mp3"]
    assert len(looked_at) == len(tried) + 1
    while office.now < 12_000.0:
        office.work(process)
        office.now += 10.0
    assert sorted(office.processed) == sorted(office.files)


def test_a_device_that_hangs_is_tried_after_the_pause_though_the_clock_is_set_back(office):
    office.desk.hanging.hear(1, hangs=True)
    office.now += 30.0
    office.set_at -= 86_400.0
    assert office.desk.hanging.pause(1) == 0


def test_attempts_are_remembered_through_a_restart_and_the_file_is_taken_up_at_once(office):
    office.settle()
    office.work(ending(Status.FAILED, transient=True))
    again = Office(office.database)
    again.settle()
    assert len(again.work(ending(Status.FAILED, transient=True))) == 1
    assert again.versions.find("/m/a.mp3").attempts == 2


@pytest.mark.parametrize("error", [LedgerError("the disk is full"), WorkerError("worker: cannot be started")])
def test_what_is_no_files_fault_is_said_and_the_file_is_tried_again_later(office, error):
    def process(path, /, *, tell):
        raise error

    office.settle()
    assert office.work(process) == [None]
    assert office.troubles == [str(error)]
    assert office.versions.find("/m/a.mp3") is None
    office.now += PAUSE_SECONDS
    assert [outcome.status for outcome in office.work()] == [Status.TAGGED]
    assert office.troubles[-1] is None


@pytest.mark.parametrize("error", [LedgerError("the disk is full"), WorkerError("worker: cannot be started")])
def test_while_none_gets_through_one_file_a_minute_is_tried(office, error):
    office.files |= {
        f"/m/{number}.mp3": Look(FileVersion(1, number, 1, 1), 5.0) for number in range(20, 50, 10)
    }
    for path in office.files:
        office.settle(path)
    listened = []

    def process(path, /, *, tell):
        listened.append(office.now)
        if office.now <= 2 * PAUSE_SECONDS:
            raise error
        return office.tag(path, tell=tell)

    while office.now <= 2 * PAUSE_SECONDS:
        office.work(process)
        office.now += PAUSE_SECONDS / 4
    assert listened == [0.0, 0.0, PAUSE_SECONDS, 2 * PAUSE_SECONDS]
    assert None not in office.troubles
    office.now += PAUSE_SECONDS
    office.work(process)
    office.now += PAUSE_SECONDS
    office.work(process)
    assert sorted(office.processed) == sorted(office.files)
    assert office.troubles[-1] is None


def test_one_file_that_never_gets_through_holds_up_no_others(office):
    def process(path, /, *, tell):
        if str(path) == "/m/a.mp3":
            raise WorkerError("worker: not a message")
        return office.tag(path, tell=tell)

    office.settle()
    for number in range(20, 50, 10):
        office.files[f"/m/{number}.mp3"] = Look(FileVersion(1, number, 1, 1), 1.0)
        office.settle(f"/m/{number}.mp3")
        office.work(process)
        office.now += PAUSE_SECONDS
        assert office.processed[-1] == f"/m/{number}.mp3"


@pytest.mark.parametrize("healing", [True, False], ids=["failed", "worker ended"])
def test_a_file_that_is_dropped_at_the_end_leaves_no_trace(office, healing):
    def process(path, /, *, tell):
        office.queue.close()
        if healing:
            return Outcome(path, Status.FAILED, code="crashed", transient=True)
        raise WorkerError("worker: was ended with a track in hand")

    office.settle()
    assert office.work(process) == [None]
    assert office.troubles == []
    assert office.told == []
    assert office.versions.find("/m/a.mp3") is None


def test_a_file_that_is_finished_while_all_ends_is_recorded(office):
    def process(path, /, *, tell):
        office.queue.close()
        return office.tag(path, tell=tell)

    office.settle()
    office.work(process)
    assert office.versions.find("/m/a.mp3").status is Status.TAGGED


def test_a_tag_that_is_written_but_cannot_be_recorded_is_said(office, monkeypatch):
    office.settle()

    def fail(*_arguments, **_options):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(office.versions, "record", fail)
    assert office.work() == [None]
    assert office.troubles == ["the disk is full"]
    assert office.kept == []


def test_another_bundle_opens_every_file_again(office):
    office.settle()
    office.work(ending(Status.UNSURE))
    office.judgement = Judgement("better bundle", "policy")
    office.settle()
    assert len(office.work()) == 1


def test_a_moved_file_is_not_processed_again(office):
    office.settle()
    office.work()
    office.files["/m/b.mp3"] = office.files.pop("/m/a.mp3")
    office.settle("/m/b.mp3")
    assert office.work() == []
    assert office.versions.find("/m/b.mp3") is not None


def test_a_further_hard_link_is_not_processed_again(office):
    office.settle()
    office.files["/m/b.mp3"] = office.files["/m/a.mp3"]
    office.settle("/m/b.mp3")
    office.work(ending(Status.SKIPPED))
    assert {office.versions.find(path).status for path in office.files} == {Status.SKIPPED}
    assert len(office.told) == 1


def test_what_a_link_leads_to_is_processed_not_the_link(office, tmp_path):
    target, link = tmp_path / "t.mp3", tmp_path / "l.mp3"
    target.write_bytes(b"x")
    link.symlink_to(target)
    office.files[str(link)] = office.files[str(target)] = Look(BEFORE, 5.0)
    office.settle(str(link))
    office.work(ending(Status.UNSURE))
    assert office.told[0].path == target
    assert office.desk.known(str(link), Look(BEFORE, 5.0))


def test_a_model_that_changed_while_a_file_was_in_hand_opens_that_file_again(office):
    def process(path, /, *, tell):
        office.judgement = Judgement("better bundle", "policy")
        return Outcome(path, Status.UNSURE)

    office.settle()
    office.work(process)
    assert office.unsettled == ["/m/a.mp3"]


def test_a_version_that_waits_is_known_and_another_of_the_same_file_is_not(office):
    office.settle()
    assert office.desk.known("/m/a.mp3", Look(BEFORE, 5.0))
    assert not office.desk.known("/m/a.mp3", Look(AFTER, 5.0))


def test_of_a_folders_files_those_dealt_with_and_those_waiting_are_known(office):
    office.files |= {
        f"/m/{name}.mp3": Look(replace(BEFORE, inode=20 + n), 5.0) for n, name in enumerate("bcd")
    }
    office.settle("/m/b.mp3")
    office.work(ending(Status.UNSURE))
    office.settle("/m/c.mp3")
    unknown = office.desk.unknown(list(office.files.items()))
    assert [path for path, _ in unknown] == ["/m/a.mp3", "/m/d.mp3"]


def test_with_a_ledger_that_fails_every_file_stays_to_be_looked_at(office, monkeypatch):
    def fail(*_arguments, **_options):
        raise LedgerError("the ledger is locked")

    monkeypatch.setattr(office.versions, "open", fail)
    assert len(office.desk.unknown(list(office.files.items()))) == 1
    assert office.troubles == ["the ledger is locked"]
