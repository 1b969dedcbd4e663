from __future__ import annotations

import errno
import fcntl
import resource

import pytest

from genretagd.daemon.lock import InstanceLock, instances
from genretagd.errors import LedgerError, UsageError


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "instances"


def test_a_root_is_watched_by_one_daemon_at_a_time(directory):
    lock = InstanceLock(directory, ["/music"])
    with pytest.raises(UsageError, match="/music"):
        InstanceLock(directory, ["/music"])
    lock.release()
    InstanceLock(directory, ["/music"]).release()


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (["/music"], ["/music/new"]),
        (["/music/new"], ["/music"]),
        (["/a", "/b"], ["/c", "/b"]),
        (["/"], ["/x"]),
    ],
)
def test_roots_that_overlap_are_refused_with_the_process_that_has_them(directory, held, wanted):
    lock = InstanceLock(directory, held)
    with pytest.raises(UsageError, match=r"process [0-9]+ watches"):
        InstanceLock(directory, wanted)
    lock.release()


def test_other_roots_may_have_a_daemon_of_their_own(directory):
    one = InstanceLock(directory, ["/music"])
    two = InstanceLock(directory, ["/music2"])
    assert [instance.running for instance in instances(directory)] == [True, True]
    one.release()
    two.release()


def test_what_a_daemon_that_ended_leaves_is_listed_as_not_running(directory):
    lock = InstanceLock(directory, ["/music"])
    lock.release()
    lock.release()
    (found,) = instances(directory)
    assert not found.running
    assert found.roots == ("/music",)


def test_a_damaged_lock_file_is_no_instance(directory):
    directory.mkdir()
    (directory / "x.lock").write_text("not json")
    assert instances(directory) == []


def test_a_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="keep the ledger on a local disk"):
        InstanceLock(tmp_path / "file" / "instances", ["/music"])


def test_a_disk_that_is_full_is_said_with_the_place(directory):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(LedgerError, match="instances: no daemon can be listed there"):
            InstanceLock(directory, ["/music"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("first", [True, False], ids=["starting", "instance"])
def test_a_file_system_without_locks_is_no_other_daemon(directory, monkeypatch, first):
    def flock(file, operation):
        if first or not operation & fcntl.LOCK_EX or operation & fcntl.LOCK_NB:
            raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LedgerError, match="No locks available"):
        InstanceLock(directory, ["/music"])
