"""Checking a copy against its original before it may take the original's place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genretagd.domain import AudioDigest
from genretagd.errors import TrackError, WriteRefusedError
from genretagd.tagging import detect, edit, independent
from genretagd.tagging.elements import DamagedError, Document, Tag
from genretagd.tagging.splice import Splice, Window, same_outside


@dataclass(frozen=True, slots=True)
class Intention:
    """What an edit of a file set out to do.

    Attributes
    ----------
    path : Path
        The track.
    before : Document
        The original, taken apart.
    tags : tuple of Tag
        What the copy shall have.
    splices : tuple of Splice
        What was changed to that end.
    """

    path: Path
    before: Document
    tags: tuple[Tag, ...]
    splices: tuple[Splice, ...]


def check_copy(intention: Intention, source_fd: int, copy_fd: int) -> edit.Reading:
    """Compare a copy with its original and return what it says about its genres.

    The bytes outside of the tags must be equal, and the tags must parse and differ in nothing but
    the genre fields, as read by us and by mutagen.

    Raises
    ------
    WriteRefusedError
        There is a difference that should not be.
    """
    if not same_outside(source_fd, copy_fd, intention.splices):
        raise _refused(intention, "the copy differs outside of its tags")
    try:
        after = detect.parse(Window(copy_fd))
        reading = edit.read(after)
    except ValueError as exc:
        raise _refused(intention, f"the copy cannot be parsed ({exc})") from exc
    _check_tags(intention, after)
    _check_second_opinion(intention, source_fd, copy_fd, after)
    return reading


def check_audio(
    intention: Intention, copy_path: Path, audio_digest: Callable[[Path], AudioDigest]
) -> AudioDigest:
    """Compare the encoded audio of a copy with its original's and return it.

    Raises
    ------
    WriteRefusedError
        It differs.
    """
    original = audio_digest(intention.path)
    try:
        same = audio_digest(copy_path) == original
    except TrackError as exc:
        raise _refused(intention, f"the copy's audio cannot be read ({exc.problem})") from exc
    if not same:
        raise _refused(intention, "the copy's audio differs")
    return original


def _check_tags(intention: Intention, after: Document) -> None:
    before = {tag.kind: tag for tag in intention.before.tags}
    found = {tag.kind: tag for tag in after.tags}
    for wanted in intention.tags:
        old = before[wanted.kind]
        new = found.pop(wanted.kind, None)
        if not _keeps(old, wanted):
            raise _refused(intention, f"the copy would lose or gain fields of its {wanted.kind} tag")
        if new is None or not new.present:
            if wanted.present and wanted.elements:
                raise _refused(intention, f"the copy has lost its {wanted.kind} tag")
            continue
        if new.others != wanted.others:
            raise _refused(intention, f"the copy has lost or gained fields of its {wanted.kind} tag")
        for name in wanted.row.touched:
            if wanted.values(name) != new.values(name):
                raise _refused(intention, f"the copy does not carry the field {name} as it should")
    if any(tag.present for tag in found.values()):
        raise _refused(intention, "the copy has a tag too many")


def _keeps(old: Tag, wanted: Tag) -> bool:
    """Return whether all a tag gains is what it inherits with its first field, or loses with its last."""
    if old.others and wanted.others:
        return old.others == wanted.others
    return {*old.others, *wanted.others} <= {*old.inherited}


def _check_second_opinion(intention: Intention, source_fd: int, copy_fd: int, after: Document) -> None:
    kind = intention.before.format
    tags = edit.tags_of(after)
    primary = edit.primary_of(tags)
    stand_in = None if primary.kind == after.tags[0].kind else primary.kind
    with os.fdopen(os.dup(source_fd), "rb") as source, os.fdopen(os.dup(copy_fd), "rb") as copy:
        old = independent.view(source, kind, stand_in)
        try:
            new = independent.view(copy, kind, stand_in)
        except DamagedError as exc:
            raise _refused(intention, f"another reader cannot read the copy ({exc})") from exc
    if old is None or new is None:
        return
    expected = primary.genres + tuple(g for tag in tags if tag.role == "rest" for g in tag.genres)
    # What is put back byte for byte may be read by others as it was, not as we read it.
    restored = any(tag.exact for tag in intention.tags)
    problem = independent.differences(old, new, new[0] if restored or not expected else expected)
    if problem:
        raise _refused(intention, problem)


def _refused(intention: Intention, problem: str) -> WriteRefusedError:
    return WriteRefusedError(
        intention.path, f"{problem}; the file is as it was, please report it", code="verification"
    )
