from __future__ import annotations

import pytest

from genretagd import mountinfo
from genretagd.watcher.filesystems import (
    Mount,
    as_mounts,
    mount_of,
    mounts,
    mounts_below,
    parse_mount_output,
)

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /mnt/nas\\040music rw,relatime shared:20 - nfs4 nas:/music rw,vers=4.2
41 22 0:36 / /mnt/share rw - cifs //nas/share rw
42 22 0:37 / /mnt/share rw - ext4 /dev/sdb1 rw
43 22 0:38 / /home/me/phone rw,nosuid - fuse.sshfs phone:/ rw
"""
MACOS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//me@nas._smb._tcp.local/Music on /Volumes/Music (1) (smbfs, nodev, nosuid, mounted by me)
"""


def parse_mountinfo(text):
    return as_mounts(mountinfo.parse(text))


def test_mount_points_and_types_are_read_from_mountinfo():
    found = parse_mountinfo(MOUNTINFO)
    assert Mount("/mnt/nas music", "nfs4", "40 0:35 /") in found
    assert Mount("/home/me/phone", "fuse.sshfs", "43 0:38 /") in found


def test_a_mount_point_may_hold_what_only_some_take_for_the_end_of_a_line():
    line = MOUNTINFO.splitlines()[1].replace("/mnt/nas", "/mnt/\u2028\x85\x1c\r")
    assert parse_mountinfo(f"{line}\n") == (Mount("/mnt/\u2028\x85\x1c\r music", "nfs4", "40 0:35 /"),)


def test_mount_points_and_types_are_read_from_what_mount_prints_on_macos():
    assert parse_mount_output(MACOS) == (
        Mount("/", "apfs", "/dev/disk3s1s1"),
        Mount("/Volumes/Music (1)", "smbfs", "//me@nas._smb._tcp.local/Music"),
    )


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("/mnt/nas music/a", "nfs4"),
        ("/mnt/nas", "ext4"),
        ("/mnt/share/a/b", "ext4"),
        ("/home/me/phone", "fuse.sshfs"),
    ],
)
def test_a_path_is_on_the_longest_mount_above_it_and_the_latest_of_equals(path, type_):
    assert mount_of(path, parse_mountinfo(MOUNTINFO)).type == type_


def test_mounts_below_a_root_are_found_without_the_root_itself():
    found = mounts_below("/mnt/share", (*parse_mountinfo(MOUNTINFO), Mount("/mnt/share/in", "nfs")))
    assert found == (Mount("/mnt/share/in", "nfs"),)


@pytest.mark.parametrize("point", ["/m/.local/share/containers/1/merged", "/m/in/lost+found", "/m/@eaDir"])
def test_what_is_mounted_where_no_music_is_looked_for_does_not_count(point):
    assert mounts_below("/m", (Mount("/m/in", "nfs"), Mount(point, "overlay"))) == (Mount("/m/in", "nfs"),)


@pytest.mark.parametrize(
    ("type_", "events", "steady"),
    [
        ("ext4", True, True), ("btrfs", True, True), ("apfs", True, True), ("nfs4", False, True),
        ("cifs", False, False), ("fuse.sshfs", False, False), ("fuseblk", True, True), ("9p", False, True),
        ("vfat", True, False), ("virtiofs", False, True),
    ],
)  # fmt: skip
def test_network_file_systems_are_known_to_deliver_no_events(type_, events, steady):
    mount = Mount("/", type_)
    assert (mount.delivers_events, mount.steady_directory_times) == (events, steady)


def test_the_mounts_of_this_system_can_be_read():
    assert any(mount.point == "/" for mount in mounts())
