from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import NEW, Tag, edited, refused
from tag_cases import CASES, Case

from genretagd.domain import AudioDigest, WriteOptions
from genretagd.errors import FileChangedError, TagError, WriteRefusedError
from genretagd.tagging import temps
from genretagd.tagging.store import FileTagStore
from genretagd.tagging.sweeping import sweep
from genretagd.writers import has_writer

Place = Callable[[Case], Path]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change owners and flags")
needs_xattrs = pytest.mark.skipif(not hasattr(os, "setxattr"), reason="needs extended attributes")


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755, 0o4755])
def test_the_mode_is_kept(mode: int, track: Path, tag: Tag) -> None:
    track.chmod(mode)
    tag(track, NEW)
    assert stat.S_IMODE(track.stat().st_mode) == mode


@needs_root
def test_the_owner_is_kept(track: Path, tag: Tag) -> None:
    os.chown(track, 1234, 2345)
    tag(track, NEW)
    status = track.stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


@needs_root
def test_a_setgid_directory_does_not_change_the_group(track: Path, tag: Tag) -> None:
    os.chown(track.parent, 0, 777)
    track.parent.chmod(0o2775)
    os.chown(track, 0, 55)
    tag(track, NEW)
    assert track.stat().st_gid == 55


@needs_xattrs
def test_extended_attributes_and_acls_are_kept(track: Path, tag: Tag) -> None:
    os.setxattr(track, "user.note", b"\0binary\xff")
    os.setxattr(track, "user.empty", b"")
    # An ACL that lets user 1234 read and write, as acl(5) stores it.
    entries = [
        (1, 6, 0xFFFFFFFF),
        (2, 6, 1234),
        (4, 4, 0xFFFFFFFF),
        (0x10, 6, 0xFFFFFFFF),
        (0x20, 4, 0xFFFFFFFF),
    ]
    acl = (2).to_bytes(4, "little") + b"".join(
        kind.to_bytes(2, "little") + may.to_bytes(2, "little") + who.to_bytes(4, "little")
        for kind, may, who in entries
    )
    os.setxattr(track, "system.posix_acl_access", acl)
    before = {name: os.getxattr(track, name) for name in os.listxattr(track)}
    mode = track.stat().st_mode
    tag(track, NEW)
    assert {name: os.getxattr(track, name) for name in os.listxattr(track)} == before
    assert track.stat().st_mode == mode


@needs_xattrs
def test_a_default_acl_of_the_directory_is_not_inherited(track: Path, tag: Tag) -> None:
    entries = [
        (1, 7, 0xFFFFFFFF),
        (2, 7, 1234),
        (4, 5, 0xFFFFFFFF),
        (0x10, 7, 0xFFFFFFFF),
        (0x20, 5, 0xFFFFFFFF),
    ]
    acl = (2).to_bytes(4, "little") + b"".join(
        kind.to_bytes(2, "little") + may.to_bytes(2, "little") + who.to_bytes(4, "little")
        for kind, may, who in entries
    )
    os.setxattr(track.parent, "system.posix_acl_default", acl)
    before = os.listxattr(track)
    tag(track, NEW)
    assert os.listxattr(track) == before


def test_the_modification_time_is_kept_on_request_and_renewed_otherwise(track: Path, tag: Tag) -> None:
    os.utime(track, ns=(10**18 + 1, 10**18 + 7))
    change = tag(track, NEW, options=WriteOptions(mtime="keep"))
    assert track.stat().st_mtime_ns == 10**18 + 7 == change.version_after.mtime_ns
    tag(track, ["Rock"])
    assert track.stat().st_mtime_ns > 10**18 + 7


@pytest.mark.parametrize("mode", [0o444, 0o400])
def test_a_write_protected_file_is_left_alone(mode: int, track: Path, tag: Tag) -> None:
    track.chmod(mode)
    assert isinstance(refused(tag, track, "read-only"), WriteRefusedError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_refuses(track: Path, tag: Tag) -> None:
    track.parent.chmod(0o555)
    try:
        refused(tag, track, "read-only directory")
    finally:
        track.parent.chmod(0o755)


@needs_root
def test_a_group_that_a_container_has_no_number_for_refuses_and_is_not_tried_again(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    os.chown(track, -1, 55)
    monkeypatch.setattr(os, "fchown", unknown)
    refused(tag, track, "not permitted")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, "read-only"),
        (errno.EROFS, "read-only"),
        (errno.EPERM, "not permitted"),
        (errno.ENOSPC, "no space"),
        (errno.EDQUOT, "no space"),
        (errno.EIO, "io"),
    ],
)
def test_a_copy_that_cannot_be_made_is_explained(
    number: int, code: str, track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(temps, "create", fail)
    error = refused(tag, track, code)
    assert error.transient is (code in {"no space", "io"})


@needs_root
def test_an_immutable_file_is_left_alone(track: Path, tag: Tag) -> None:
    if subprocess.run(["chattr", "+i", track], check=False, capture_output=True).returncode:
        pytest.skip("this file system has no immutable flag")
    try:
        refused(tag, track, "immutable")
    finally:
        subprocess.run(["chattr", "-i", track], check=True)


@needs_root
@pytest.mark.parametrize("nameless", [True, False], ids=["told before", "told by the copy"])
def test_somebody_elses_file_is_left_alone(
    nameless: bool, track: Path, tag: Tag, store: FileTagStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(track, 1234, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 1235)
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")
    refused(tag, track, "other owner")
    if nameless:
        with pytest.raises(WriteRefusedError, match="another user"):
            store.check_writable(track, expected=store.read_genres(track).version, options=WriteOptions())


def test_a_file_with_several_names_is_skipped_by_default(track: Path, tag: Tag) -> None:
    os.link(track, track.with_name("second name"))
    error = refused(tag, track, "hard links")
    assert isinstance(error, WriteRefusedError)
    assert "hardlinks" in error.problem


def test_a_file_with_several_names_is_separated_on_request(
    track: Path, tag: Tag, store: FileTagStore
) -> None:
    other = track.with_name("second name.mp3")
    os.link(track, other)
    before = store.read_genres(other).genres
    tag(track, NEW, options=WriteOptions(hardlinks="break"))
    assert store.read_genres(track).genres == NEW
    assert store.read_genres(other).genres == before
    assert track.stat().st_nlink == other.stat().st_nlink == 1


def test_a_symbolic_link_is_followed_and_stays_one(track: Path, tag: Tag, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link.mp3"
    link.symlink_to(track)
    tag(link, NEW)
    assert link.is_symlink()
    assert FileTagStore().read_genres(track).genres == NEW
    assert list(folder.iterdir()) == [link]


@pytest.mark.parametrize(
    "name",
    [
        b"x" * 251 + b".mp3",
        "ü".encode() * 125 + b".mp3",
        b"caf\xe9 \xff.mp3",
        b"new\nline.mp3",
        b"-rf.mp3",
        b".mp3",
    ],
    ids=["255 bytes", "255 bytes of UTF-8", "not UTF-8", "a newline", "a dash", "hidden"],
)
def test_any_name_will_do(name: bytes, track: Path, tag: Tag, store: FileTagStore) -> None:
    path = track.parent / os.fsdecode(name)
    try:
        track.rename(path)
    except OSError:
        pytest.skip("this file system does not allow such a name")
    tag(path, NEW)
    assert store.read_genres(path).genres == NEW
    assert [os.fsencode(p.name) for p in path.parent.iterdir()] == [name]


def test_holes_stay_holes(place: Place, tag: Tag) -> None:
    path = place(next(case for case in CASES if case.id == "wav"))
    data = path.read_bytes()
    hole = 8 << 20
    with path.open("r+b") as file:
        file.seek(4)
        file.write((len(data) - 8 + hole + 8).to_bytes(4, "little"))
        file.seek(len(data))
        file.write(b"gaps" + hole.to_bytes(4, "little"))
        file.truncate(len(data) + 8 + hole)
    if path.stat().st_blocks * 512 > hole:
        pytest.skip("this file system has no holes")
    tag(path, NEW)
    assert path.stat().st_size > hole
    assert path.stat().st_blocks * 512 < hole


def test_a_file_larger_than_the_free_space_is_left_alone(
    track: Path, tag: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstatvfs
    monkeypatch.setattr(os, "fstatvfs", lambda fd: os.statvfs_result([*real(fd)[:4], 1, *real(fd)[5:]]))
    error = refused(tag, track, "no space")
    assert error.transient


def test_a_full_disk_half_way_through_leaves_the_file_alone(track: Path, tag: Tag) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        refused(tag, track, "no space")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_a_file_that_another_program_writes_to_is_left_alone(track: Path, tag: Tag) -> None:
    with track.open("r+b") as file:
        if not has_writer(file.fileno()):
            pytest.skip("this system does not tell who writes to a file")
        assert isinstance(refused(tag, track, "in use"), FileChangedError)
    tag(track, NEW)


def test_a_file_that_another_program_reads_is_tagged_and_the_reader_keeps_what_it_had(
    track: Path, tag: Tag
) -> None:
    old = track.read_bytes()
    with track.open("rb") as player:
        first = player.read(1000)
        tag(track, NEW)
        assert first + player.read() == old


def test_a_file_changed_while_its_copy_is_made_is_left_to_its_new_owner(track: Path, tag: Tag) -> None:
    def digest(path: Path) -> AudioDigest:
        track.write_bytes(b"somebody else was here")
        return AudioDigest("", "")

    with pytest.raises(FileChangedError):
        tag(track, NEW, by=FileTagStore(audio_digest=digest))
    assert track.read_bytes() == b"somebody else was here"
    assert list(track.parent.iterdir()) == [track]


@pytest.mark.parametrize(
    "happening",
    [
        edited,
        lambda path: path.chmod(0o600),
        lambda path: os.link(path, path.with_name("second name")),
        pytest.param(lambda path: os.setxattr(path, "user.rating", b"5"), marks=needs_xattrs),
    ],
    ids=["edited, time kept", "mode", "second name", "attribute"],
)
def test_what_happens_to_a_file_while_its_copy_is_made_is_not_lost(
    happening: Callable[[Path], None], track: Path, tag: Tag
) -> None:
    def digest(path: Path) -> AudioDigest:
        if path == track:
            happening(track)
        return AudioDigest("", "")

    inode = track.stat().st_ino
    with pytest.raises(FileChangedError) as caught:
        tag(track, NEW, by=FileTagStore(audio_digest=digest))
    assert (caught.value.code, caught.value.transient) == ("changed", True)
    assert track.stat().st_ino == inode


def test_dead_temporary_files_are_cleared_up_and_nothing_else(track: Path) -> None:
    folder = track.parent
    dead = folder / temps.temporary_name(track.name)
    others = [folder / name for name in (".hidden", "x.tmp", ".track.genretagd-zz.tmp", "genretagd-0.tmp")]
    for path in (dead, *others):
        path.write_bytes(b"x")
    directory = os.open(folder, os.O_RDONLY)
    living = temps.create(directory, track.name)
    try:
        assert sweep(folder) == [dead.name]
        assert sorted(folder.iterdir()) == sorted([track, folder / living.name, *others])
    finally:
        temps.remove(directory, living)
        os.close(directory)


def test_the_first_look_at_a_directory_clears_it_up(track: Path, store: FileTagStore) -> None:
    dead = track.parent / temps.temporary_name(track.name)
    dead.write_bytes(b"x")
    store.read_genres(track)
    assert not dead.exists()


@pytest.mark.parametrize("name", ["track.mp3", "t" * 240 + ".mp3"], ids=["short name", "cut name"])
def test_a_file_that_a_killed_run_still_writes_is_not_believed_until_that_has_ended(
    name: str, track: Path, store: FileTagStore
) -> None:
    written = track.rename(track.parent / name)
    beside = [track.parent / other for other in ("a.mp3", f"{name[:200]}2.mp3", "z.mp3")]
    for path in beside:
        path.write_bytes(written.read_bytes())
    directory = os.open(track.parent, os.O_RDONLY)
    living = temps.create(directory, name)
    store.read_genres(beside[0])
    with pytest.raises(TagError) as caught:
        store.read_genres(written)
    store.read_genres(beside[2])
    temps.remove(directory, living)
    os.close(directory)

    assert (caught.value.code, caught.value.transient) == ("in use", True)
    assert store.read_genres(written).format
    assert store._writing == {}


def test_sweeping_a_directory_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert sweep(tmp_path / "missing") == []
