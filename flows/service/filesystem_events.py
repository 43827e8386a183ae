"""File-system events of a watched folder. They only bring the next sweep forward.

Events are missed: of files there before the start, of the files of a folder renamed in, on network
shares, where the kernel's watches run out, and after the root was deleted and made again (the
observer lives on, its emitter is dead).
"""

import contextlib
import os
import threading

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from flows.runtime.messages import say

# Not those of opening and reading: our own sweeps would wake us.
CHANGES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
STOP_SECONDS = 5.0
NO_EVENTS = "no change events from the watched folder ({why}); it is swept at intervals"


class Events(FileSystemEventHandler):
    """Sets `wake` when something happens below the root."""

    def __init__(self, root: str, wake: threading.Event, *, poll: bool, seconds: float) -> None:
        """Nothing is watched before `keep`. With `poll` the folder is listed every `seconds`."""
        self._root = root
        self._wake = wake
        self._poll = poll
        self._seconds = seconds
        self._observer: BaseObserver | None = None
        self._watched: tuple[int, int] | None = None  # device and inode of the root

    def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002
        """Called from the observer's thread."""
        self._wake.set()

    def keep(self) -> None:
        """Watch the root; start again if the observer has stopped or the root is another folder."""
        there = _identity(self._root)
        if self._observer is not None and self._is_well() and there == self._watched:
            return
        self.close()
        if there is None:
            return
        observer: BaseObserver = (
            PollingObserver(timeout=self._seconds) if self._poll else Observer()
        )
        try:
            observer.schedule(self, self._root, recursive=True, event_filter=CHANGES)
            observer.start()
        except OSError as error:  # most likely the kernel's limit of watches
            say(NO_EVENTS.format(why=error.strerror))
            with contextlib.suppress(RuntimeError):
                observer.stop()
        self._observer, self._watched = observer, there

    def close(self) -> None:
        """Stop watching."""
        observer, self._observer, self._watched = self._observer, None, None
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join(STOP_SECONDS)

    def _is_well(self) -> bool:
        """Whether the observer works, as far as it could be started."""
        observer = self._observer
        if observer is None:
            return False
        if not observer.ident:  # never started, for want of watches
            return True
        return observer.is_alive() and all(each.is_alive() for each in observer.emitters)


def _identity(root: str) -> tuple[int, int] | None:
    try:
        status = os.stat(root)  # noqa: PTH116 - names of any bytes
    except OSError:
        return None
    return status.st_dev, status.st_ino
