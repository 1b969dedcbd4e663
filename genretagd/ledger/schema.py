"""The ledger's tables, as numbered migrations: entry N brings the schema to version N.

Paths are stored as the bytes of the file system (``os.fsencode``), because a file name need not
be text. Instants are seconds since the epoch in UTC.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

RUNS = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    started_at REAL NOT NULL,
    model TEXT
) STRICT
"""

CHANGES = """
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL REFERENCES runs (id),
    path BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intended', 'done', 'failed')),
    at REAL NOT NULL,
    genres_before TEXT NOT NULL,
    genres_after TEXT NOT NULL,
    fields_before TEXT NOT NULL,
    fields_after TEXT,
    version_before TEXT NOT NULL,
    version_after TEXT,
    model TEXT NOT NULL,
    confidence REAL NOT NULL,
    undoes INTEGER REFERENCES changes (id),
    reason TEXT
) STRICT
"""

VERSIONS = """
CREATE TABLE versions (
    path BLOB PRIMARY KEY,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    bundle TEXT NOT NULL,
    policy TEXT NOT NULL,
    status TEXT NOT NULL,
    code TEXT,
    reason TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID
"""

OUTBOX = """
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    path BLOB NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'told', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    last_error TEXT,
    UNIQUE (action, key)
) STRICT
"""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        RUNS,
        CHANGES,
        "CREATE INDEX changes_by_path ON changes (path, id)",
        "CREATE INDEX changes_by_run ON changes (run_id, id)",
        "CREATE INDEX changes_open ON changes (state) WHERE state = 'intended'",
        VERSIONS,
        "CREATE INDEX versions_by_inode ON versions (device, inode)",
        OUTBOX,
        "CREATE INDEX outbox_by_due ON outbox (action, state, due_at, id)",
        "CREATE INDEX outbox_by_path ON outbox (path, action, state, id)",
    ),
    ("ALTER TABLE versions ADD COLUMN changed_at REAL",),
    ("ALTER TABLE changes ADD COLUMN audio TEXT",),
    # Whoever deletes a change looks for what refers to it: without an index, in all of the table, each time.
    ("CREATE INDEX changes_by_undone ON changes (undoes) WHERE undoes IS NOT NULL",),
)


def stored_path(path: Path) -> bytes:
    """Return a path as it is stored where it is absolute; links stay as they were named."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 - links stay


def span_below(directory: bytes) -> tuple[bytes, bytes]:
    """Return two texts between which, as bytes are compared, the paths of all below a directory stand."""
    prefix = directory.rstrip(b"/") + b"/"
    return prefix, prefix[:-1] + b"0"  # "0" follows "/"


def stored_inode(number: int) -> int:
    """Return an inode number, which may use all 64 bits, as SQLite's signed integer."""
    return number - (1 << 64) if number >= 1 << 63 else number
