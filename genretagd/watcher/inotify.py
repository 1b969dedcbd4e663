"""watchdog's inotify for a tree as people have them: folders leave it, and links lead in circles.

Of watchdog the queue's reader and the making of events are kept. Which directories are watched is
decided here: each under one path, none twice, and none that has left the tree. On Linux only.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD
from watchdog.observers.inotify_move_event_grouper import PathedInotifyEvent

from genretagd.watcher.ignoring import is_directory_name


def observer_of(reader: Reader) -> Any:
    """Return an observer, not started, whose events come from a reader."""
    return BaseObserver(Emitter, inotify_fd=reader)


class Reader(InotifyFD):  # type: ignore[misc]
    """Reads the kernel's queue, in a thread of its own.

    Parameters
    ----------
    lost : callable
        Called when events were lost, so that everything has to be watched anew and looked at.

    Raises
    ------
    OSError
        There are no more instances (EMFILE).
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__()
        self._lost = lost

    def handle_event(self, event: Any) -> None:
        """Pass an event on.

        watchdog's own answer to lost events, to take every watch back and add it again on the same
        queue, fills that queue anew where there are more directories than it holds: without end.
        """
        if event.mask & (InotifyConstants.IN_Q_OVERFLOW | InotifyConstants.IN_UNMOUNT):
            self._lost()
            return
        try:
            super().handle_event(event)
        except Exception:  # noqa: BLE001 - else this thread ends and nothing is heard any more
            self._lost()

    def _add_callback(self, path: bytes, mask: Any, callback: Any, id_: Any) -> Any:
        # As watchdog's, which warns of each directory that a further link leads to, and takes one
        # that may not be watched (EACCES) for watched.
        watch = self._get_or_create_watch(path, mask)
        if watch.wd == -1:
            del self._watch_for_wd[-1]
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        watch.callbacks[id_] = callback
        return watch.wd


class Emitter(InotifyEmitter):  # type: ignore[misc]
    """Makes events of what a `Tree` hears."""

    def on_thread_start(self) -> None:
        """Watch the tree."""
        self._inotify = Tree(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=True,
            event_mask=self.get_event_mask_from_filter(),
            follow_symlink=self.watch.follow_symlink,
        )


class Tree(InotifyWatchGroup):  # type: ignore[misc]
    """The watched directories of a tree, each under the path by which it is reached.

    A directory that moves is let go where it was and watched anew where it arrives, if that is in
    the tree: what happened to its files in between is found by whoever hears of its arrival and
    looks into it. Files in a directory that appeared are left to that look, too.
    """

    def on_event(self, event: Any) -> None:
        """Hear of an entry of a watched directory."""
        with self._lock:
            path = self._build_event_source_path(event) if self.is_active else None
            if path is None:
                return
            if (event.is_moved_from or event.is_delete) and path in self._active_callbacks_by_path:
                # What is deleted the kernel lets go itself; but a link that is deleted leaves its directory.
                if event.is_moved_from or not event.is_directory:
                    self._let_go(path)
                event = _of_directory(event)
            elif event.is_moved_to or event.is_create:
                if self.follow_symlink and os.path.isdir(path):  # noqa: PTH112 - bytes
                    event = _of_directory(event)
                if event.is_directory and is_directory_name(os.fsdecode(event.name)):
                    self._add_all_callbacks(path)
            self._move_event_grouper.put_event(PathedInotifyEvent(event, path))

    def deactivate(self) -> None:
        """Stop; what waits for an event is let go first, since this may have to wait for a directory."""
        self._move_event_grouper.close()
        super().deactivate()

    def _add_all_callbacks(self, path: bytes) -> None:
        # In the order of `scanning.Walk`, so that both reach a directory by the same one of its paths.
        pending = [path]
        while pending:
            current = pending.pop()
            if self._watch(current):  # before it is listed: what comes later is an event
                pending += sorted(self._directories_in(current), reverse=True)

    def _watch(self, path: bytes) -> bool:
        """Watch a directory and return whether to go on to those in it."""
        mask = self.event_mask | InotifyConstants.IN_ONLYDIR
        try:
            watch = self._inotify_fd.add_callback(path, mask, self, self._id)
        except OSError:
            if path == self.path:
                raise
            return False  # gone, not ours to watch, or no watches are left: whoever asks the kernel finds it
        known = self._active_callbacks_by_watch.get(watch)
        if known is not None and known != path:
            if _same_directory(known, path):  # a further link to it
                return False
            self._remove_watch_internally(watch)  # it moved, and that event is still to come
        former = self._active_callbacks_by_path.get(path)
        if former is not None and former != watch:
            self._remove_callbacks([former])
        self._active_callbacks_by_watch[watch] = path
        self._active_callbacks_by_path[path] = watch
        return True

    def _directories_in(self, path: bytes) -> Iterator[bytes]:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if is_directory_name(os.fsdecode(entry.name)) and self._is_directory(entry):
                        yield entry.path
        except OSError:
            return

    def _is_directory(self, entry: os.DirEntry[bytes]) -> bool:
        try:
            return entry.is_dir(follow_symlinks=self.follow_symlink)
        except OSError:
            return False

    def _let_go(self, path: bytes) -> None:
        below = path + b"/"
        known = self._active_callbacks_by_path.items()
        self._remove_callbacks([watch for at, watch in known if at == path or at.startswith(below)])

    def _remove_watch_internally(self, watch: Any) -> None:
        # As watchdog's, which raises where a path had another directory meanwhile.
        path = self._active_callbacks_by_watch.pop(watch, None)
        if path is not None and self._active_callbacks_by_path.get(path) == watch:
            del self._active_callbacks_by_path[path]


def _of_directory(event: Any) -> Any:
    return dataclasses.replace(event, mask=event.mask | InotifyConstants.IN_ISDIR)


def _same_directory(one: bytes, other: bytes) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - bytes
    except OSError:
        return False
