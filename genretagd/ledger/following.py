"""Let the ledger follow a track that was moved: what was done to it can still be undone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from genretagd.domain import FileVersion
from genretagd.ledger.change import dump
from genretagd.ledger.schema import stored_inode, stored_path


def version_at(path: Path) -> FileVersion | None:
    """Return the version of the file at a path, None where it is gone again: its next owner will tell.

    A share that hangs hangs this, so it is asked before the ledger is held.
    """
    try:
        return FileVersion.of(path.stat())
    except OSError:
        return None


def follow(connection: sqlite3.Connection, old: Path, new: Path, now: FileVersion | None) -> None:
    """Give everything that is recorded about a path to the path where the track is now.

    Where the move made a new file (on another file system, say) with the same content, size and
    time, the recorded versions become those of the new file, so that it is neither judged again
    nor taken for somebody else's.

    Parameters
    ----------
    connection : sqlite3.Connection
        Inside a transaction of the ledger's.
    old, new : Path
        Where the track was, and where it is.
    now : FileVersion or None
        `version_at` the new path.
    """
    paths = (os.fsencode(new), os.fsencode(old))
    absolute = (stored_path(new), stored_path(old))
    connection.execute("UPDATE outbox SET path = ? WHERE path = ?", paths)
    connection.execute("UPDATE OR REPLACE versions SET path = ? WHERE path = ?", paths)
    connection.execute("UPDATE changes SET path = ? WHERE path = ?", absolute)
    if now is None:
        return
    connection.execute(
        "UPDATE versions SET device = ?, inode = ? WHERE path = ? AND size = ? AND mtime_ns = ?",
        (now.device, stored_inode(now.inode), paths[0], now.size, now.mtime_ns),
    )
    connection.execute(
        "UPDATE changes SET version_after = ? WHERE path = ? AND json_extract(version_after, '$.size') = ?"
        " AND json_extract(version_after, '$.mtime_ns') = ?",
        (dump(now), absolute[0], now.size, now.mtime_ns),
    )
