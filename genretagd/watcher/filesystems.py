"""Which file system a directory is on, and whether it delivers events for what others do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from genretagd import mountinfo
from genretagd.watcher.ignoring import is_directory_name

WITHOUT_EVENTS: Final = frozenset(
    "nfs nfs3 nfs4 cifs smb smb2 smb3 smbfs afpfs 9p afs ceph coda davfs davfs2 glusterfs lustre ncpfs ncp"
    " virtiofs vboxsf prl_fs vmhgfs drvfs webdav macfuse osxfuse fuse gfs gfs2 ocfs2 beegfs orangefs".split()
)
"""Types on which other machines (or another system below) change files without our kernel knowing."""

LOCAL_FUSE: Final = frozenset({"fuseblk", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.bindfs"})
"""Types in user space whose every change passes through our kernel."""

UNSTEADY_DIRECTORY_TIMES: Final = frozenset(
    "cifs smb smb2 smb3 smbfs afpfs vfat msdos exfat davfs davfs2 webdav vboxsf prl_fs vmhgfs".split()
)
"""Types whose directories need not get a new modification time when an entry comes or goes."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, and of which type ("" where it cannot be found out).

    `identity` tells it from another one that is mounted there before or after it.
    """

    point: str
    type: str
    identity: str = ""

    @property
    def delivers_events(self) -> bool:
        """Whether watching it by events misses nothing."""
        if self.type in LOCAL_FUSE:
            return True
        return self.type not in WITHOUT_EVENTS and not self.type.startswith("fuse.")

    @property
    def steady_directory_times(self) -> bool:
        """Whether a directory's modification time tells that entries came or went."""
        return self.type not in UNSTEADY_DIRECTORY_TIMES and not self.type.startswith("fuse.")


class Place(NamedTuple):
    """What is to be found at a path: the directory, the mount it is on, and the mounts below it."""

    identity: tuple[int, int]
    mount: Mount
    below: tuple[Mount, ...]


NOWHERE: Final = Place((0, 0), Mount("/", ""), ())


def place_at(path: str, among: Sequence[Mount], *, before: Place = NOWHERE) -> Place:
    """Return what is to be found at a path.

    Parameters
    ----------
    path : str
        A directory.
    among : sequence of Mount
        What is mounted; where that is empty nobody can tell just now, and it is taken to be as `before`.

    Raises
    ------
    OSError
        It cannot be looked at.
    """
    status = os.stat(path)  # noqa: PTH116 - a string, as everywhere here
    identity = (status.st_dev, status.st_ino)
    if not among:
        return before._replace(identity=identity)
    return Place(identity, mount_of(path, among), mounts_below(path, among))


def mounts() -> tuple[Mount, ...]:
    """Return what is mounted, later mounts after those they hide."""
    if sys.platform.startswith("linux"):
        try:
            return as_mounts(mountinfo.entries())
        except OSError:
            return ()
    try:
        listed = subprocess.run(["/sbin/mount"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_mount_output(os.fsdecode(listed.stdout))


def as_mounts(entries: Iterable[mountinfo.Entry]) -> tuple[Mount, ...]:
    """Return the mounts that Linux tells of."""
    return tuple(
        Mount(entry.point, entry.type, f"{entry.number} {entry.device} {entry.part}") for entry in entries
    )


def parse_mount_output(text: str) -> tuple[Mount, ...]:
    """Read what ``mount`` prints on macOS and the BSDs: ``//nas/music on /Volumes/music (smbfs, nodev)``."""
    pattern = re.compile(r"^(?P<what>.+?) on (?P<point>.+) \((?P<type>[^,)]+)[^()]*\)$", re.MULTILINE)
    return tuple(Mount(match["point"], match["type"], match["what"]) for match in pattern.finditer(text))


def mount_of(path: str, among: Sequence[Mount]) -> Mount:
    """Return the mount that a path is on: the longest mount point above it, the latest of equals."""
    path = os.path.realpath(path)
    best = Mount("/", "")
    for mount in among:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and len(mount.point) >= len(best.point):
            best = mount
    return best


def mounts_below(root: str, among: Sequence[Mount]) -> tuple[Mount, ...]:
    """Return what is mounted strictly below a directory, where a user's music may be.

    Others, such as what containers mount below a hidden directory, come and go all day.
    """
    prefix = os.path.realpath(root).rstrip("/") + "/"
    below = {mount.point: mount for mount in among if mount.point.startswith(prefix)}
    return tuple(m for m in below.values() if all(map(is_directory_name, m.point[len(prefix) :].split("/"))))
