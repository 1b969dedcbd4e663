"""What shares and other systems' disks do otherwise than a disk of one's own: owners, locks, open files."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from fault_harness import MODES, Subject
from refusals import NEW, Tag, refused
from tag_cases import CASES, Case
from tag_streams import bare_mp3

from genretagd.domain import AudioDigest, FileVersion, WriteOptions
from genretagd.errors import TagError
from genretagd.lease import lock
from genretagd.tagging import renaming, temps
from genretagd.tagging.store import FileTagStore
from genretagd.tagging.sweeping import sweep

Place = Callable[[Case], Path]
Rename = Callable[[str, str], None]


def test_a_file_is_written_where_all_files_belong_to_the_same_user_whoever_makes_them(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = track.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    tag(track, NEW)
    assert track.stat().st_uid == owner


def test_where_files_are_said_to_have_no_links_one_copy_is_made(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some file systems in user space say; copy after copy was begun, without end."""

    class Linkless:
        def __init__(self, status: os.stat_result) -> None:
            self._status = status
            self.st_nlink = 0

        def __getattr__(self, name: str) -> object:
            return getattr(self._status, name)

    real, names = os.fstat, iter(["0123456789ab"])
    monkeypatch.setattr(os, "fstat", lambda fd: Linkless(real(fd)))
    monkeypatch.setattr(secrets, "token_hex", lambda _size: next(names))
    tag(track, NEW)


def test_a_name_that_begins_with_an_underscore_can_be_written_on_a_nas_that_serves_macs(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def veto(name: str, *args: int, **kwargs: int) -> int:
        """Do as Samba's module "fruit", to which this is a Mac's metadata of another file."""
        if str(name).startswith("._"):
            raise FileNotFoundError(errno.ENOENT, "vetoed")
        return real(name, *args, **kwargs)

    intro = track.rename(track.with_name("_Intro.mp3"))
    monkeypatch.setattr(os, "open", veto)
    tag(intro, NEW)
    assert temps.is_beside(temps.temporary_name(intro.name), intro.name)


def test_a_copy_can_be_read_where_locks_are_mandatory_and_is_told_from_a_dead_one(
    track: Path, tag: Tag
) -> None:
    """As on SMB: a descriptor can read what it could lock together with others."""
    seen = []

    def digest(path: Path) -> AudioDigest:
        with path.open("rb") as file:
            seen.append(
                (temps.is_temporary(path.name), lock(file.fileno(), shared=True), lock(file.fileno()))
            )
        sweep(path.parent)
        return AudioDigest("the same", "")

    tag(track, NEW, by=FileTagStore(audio_digest=digest))
    assert seen == [(False, True, True), (True, True, False)]


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do something before a file is replaced, or after it, as shares do."""

    def pretend(fail: Callable[[str, int], None], *, late: bool = False) -> None:
        real = os.replace

        def replace(source: str, name: str, **kwargs: int) -> None:
            if not late:
                fail(name, kwargs["dst_dir_fd"])
            real(source, name, **kwargs)
            if late:
                fail(name, kwargs["dst_dir_fd"])

        monkeypatch.setattr(os, "replace", replace)

    return pretend


def test_the_original_is_not_open_when_it_is_replaced(
    track: Path, tag: Tag, share: Callable[..., None]
) -> None:
    inode, fds = track.stat().st_ino, Path("/proc/self/fd")
    if not fds.is_dir():
        pytest.skip("this system does not tell what is open")
    open_here: list[bool] = []

    def look(_name: str, _directory: int) -> None:
        found = {fd.stat().st_ino for fd in fds.iterdir() if fd.exists()}
        open_here.append(inode in found)

    share(look)
    tag(track, NEW)
    assert open_here == [False]


def test_a_file_that_a_share_does_not_replace_while_it_is_open_is_tried_again(
    track: Path, tag: Tag, share: Callable[..., None]
) -> None:
    def deny(_name: str, _directory: int) -> None:
        raise PermissionError(errno.EACCES, "denied")

    share(deny)
    assert refused(tag, track, "in use").transient


def test_a_file_that_was_replaced_though_the_reply_was_lost_counts_as_written(
    track: Path, tag: Tag, share: Callable[..., None]
) -> None:
    """NFS asks again then, and the second answer is that there is nothing to rename."""

    def ask_again(_name: str, _directory: int) -> None:
        raise FileNotFoundError(errno.ENOENT, "it has been renamed already")

    share(ask_again, late=True)
    change = tag(track, NEW)
    assert change.after == NEW
    assert change.version_after == FileVersion.of(track.stat())


@pytest.fixture
def smb(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Be on an SMB share, with one version of Linux or another; returns what is replaced from then on."""

    def mount(
        release: str = "6.1.0-28-amd64",
        kind: str = "cifs",
        *,
        is_open: bool = True,
        rename: Rename = lambda _source, _name: None,
    ) -> list[str]:
        monkeypatch.setattr(renaming, "type_of", lambda _fd: kind)
        monkeypatch.setattr(renaming, "is_open_elsewhere", lambda _fd: is_open)
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
        replaced: list[str] = []
        real, real_replace = os.rename, os.replace

        def call(source: str, name: str, **kwargs: int) -> None:
            rename(source, name)
            real(source, name, **kwargs)

        def replace(source: str, name: str, **kwargs: int) -> None:
            replaced.append(name)
            real_replace(source, name, **kwargs)

        monkeypatch.setattr(os, "rename", call)
        monkeypatch.setattr(os, "replace", replace)
        return replaced

    return mount


@pytest.mark.parametrize(
    ("where", "is_open", "replaces"),
    [
        (("6.1.0-28-amd64", "cifs"), True, False),
        (("6.1.0-28-amd64", "cifs"), False, True),
        (("6.16.9", "smb3"), True, False),
        (("5.15.0-91-generic", "cifs"), True, False),
        (("6.17.0", "cifs"), True, True),
        (("7.1-rc2", "cifs"), True, True),
        (("6.1.0-28-amd64", "ext4"), True, True),
    ],
)
def test_the_smb_client_of_linux_before_6_17_is_not_asked_to_replace_a_file_that_is_open(
    where: tuple[str, str], is_open: bool, replaces: bool, place: Place, smb: Callable[..., list[str]]
) -> None:
    track, store = place(CASES[2]), FileTagStore()
    replaced = smb(*where, is_open=is_open)
    store.write_genres(track, NEW, expected=store.read_genres(track).version, options=WriteOptions())
    assert replaced == ([track.name] if replaces else [])
    assert FileTagStore().read_genres(track).genres == NEW
    assert list(track.parent.iterdir()) == [track]


def test_a_file_that_cannot_be_set_aside_stays(track: Path, tag: Tag, smb: Callable[..., list[str]]) -> None:
    def deny(_source: str, name: str) -> None:
        if temps.is_aside(name):
            raise PermissionError(errno.EACCES, "open elsewhere")

    smb(rename=deny)
    assert refused(tag, track, "in use").transient


def test_a_file_that_was_set_aside_in_vain_is_there_again(
    track: Path, tag: Tag, smb: Callable[..., list[str]]
) -> None:
    def fail(source: str, _name: str) -> None:
        if source.endswith(".tmp"):
            raise OSError(errno.EIO, "broken")

    smb(rename=fail)
    refused(tag, track, "io")


def test_whatever_happens_while_a_file_is_set_aside_it_is_whole_afterwards(
    tmp_path: Path, smb: Callable[..., list[str]]
) -> None:
    smb()
    subject = Subject(CASES[2], tmp_path)
    subject.policy = "in-place"  # its name may lead nowhere until the directory is swept
    hit = {subject.try_fault(at, mode) for at in range(subject.operations) for mode in MODES}
    assert "rename" in hit


def test_a_file_that_was_set_aside_when_the_power_failed_is_found_by_who_looks_for_it(
    track: Path, store: FileTagStore
) -> None:
    store.read_genres(track)
    old = track.read_bytes()
    copy = track.with_name(temps.temporary_name(track.name))
    track.rename(track.with_name(temps.aside_name(copy.name)))
    copy.write_bytes(b"half a copy")
    store.read_genres(track)
    assert track.read_bytes() == old
    assert [path for path in track.parent.iterdir() if path != copy] == [track]


def test_a_file_that_is_being_set_aside_is_not_interfered_with(track: Path) -> None:
    directory = os.open(track.parent, os.O_RDONLY)
    copy = temps.create(directory, track.name)
    aside = track.rename(track.with_name(temps.aside_name(copy.name)))
    assert sweep(track.parent) == []
    assert aside.exists()
    temps.remove(directory, copy)
    os.close(directory)
    assert sweep(track.parent) == [aside.name, copy.name]
    assert list(track.parent.iterdir()) == [track]


def test_the_old_version_that_was_set_aside_goes_when_the_new_one_is_there(track: Path) -> None:
    aside = track.with_name(temps.aside_name(temps.temporary_name(track.name)))
    aside.write_bytes(b"the old version")
    assert sweep(track.parent) == [aside.name]
    assert list(track.parent.iterdir()) == [track]


def test_a_file_that_was_set_aside_is_kept_where_another_program_takes_its_name(track: Path) -> None:
    old = track.read_bytes()
    copy = track.with_name(temps.temporary_name(track.name))
    aside = track.rename(track.with_name(temps.aside_name(copy.name)))
    copy.write_bytes(b"half a copy")
    track.write_bytes(b"from elsewhere")
    assert sweep(track.parent) == [aside.name, copy.name]
    (kept,) = (path for path in track.parent.iterdir() if path != track)
    assert kept.read_bytes() == old
    assert kept.name.startswith(f"{track.stem} (kept by genretagd ")
    assert kept.suffix == track.suffix
    assert track.read_bytes() == b"from elsewhere"


def test_a_file_that_can_be_put_back_neither_now_nor_before_another_takes_its_name_is_kept(
    track: Path, tag: Tag, smb: Callable[..., list[str]]
) -> None:
    def fail(source: str, _name: str) -> None:
        if temps.is_temporary(source) and not track.exists():
            raise OSError(errno.EIO, "broken")

    old = track.read_bytes()
    smb(rename=fail)
    with pytest.raises(TagError):
        tag(track, NEW)
    assert not track.exists()
    track.write_bytes(b"from elsewhere")
    sweep(track.parent)
    assert sorted(path.read_bytes() for path in track.parent.iterdir()) == sorted([old, b"from elsewhere"])


def test_a_file_whose_name_is_too_long_to_be_told_by_another_is_replaced(
    tmp_path: Path, tag: Tag, smb: Callable[..., list[str]], store: FileTagStore
) -> None:
    path = tmp_path / ("n" * 250 + ".mp3")
    path.write_bytes(bare_mp3())
    smb()
    tag(path, NEW)
    assert store.read_genres(path).genres == NEW


@pytest.mark.parametrize("problem", [errno.EOPNOTSUPP, errno.EIO, errno.EACCES, 524, 0])
def test_a_server_that_cannot_copy_by_itself_gets_a_copy_all_the_same(
    problem: int, track: Path, tag: Tag, store: FileTagStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_args: int) -> int:
        if problem:
            raise OSError(problem, "cannot")
        return 0

    monkeypatch.setattr(os, "copy_file_range", cannot, raising=False)
    tag(track, NEW)
    assert store.read_genres(track).genres == NEW
