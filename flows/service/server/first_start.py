"""One at a time, while Prefect makes its database: two that do so at once break each other.

Once it is made, servers start side by side on it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from mriad_model.errors import HomeError
from mriad_model.files import PRIVATE_FILE
from tasks.runtime.home import plain

LOCK = "start.lock"
DATABASE = "prefect.db"


@contextmanager
def first_start(prefect_home: Path) -> Iterator[Callable[[], None]]:
    """Hold the lock until a server is up, or the block ends; not where its database is made.

    For the server's own process. Yields what to call once it is up.

    Raises:
        HomeError: the lock can't be made.
    """
    made = f"{version('prefect')}\n"
    if _made_by(prefect_home) == made:
        yield lambda: None
        return
    try:
        lock = os.open(prefect_home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        raise HomeError(f"{prefect_home / LOCK}: {plain(error)}") from error
    held = [lock]

    def let_go() -> None:
        if held:
            os.close(held.pop())

    def started() -> None:
        os.truncate(lock, 0)
        os.pwrite(lock, made.encode(), 0)
        let_go()

    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _made_by(prefect_home) == made:  # by whom we waited for
            let_go()
            yield lambda: None
        else:
            yield started
    finally:
        let_go()


def _made_by(prefect_home: Path) -> str | None:
    """The version of Prefect that has made the database; None while none has."""
    try:
        if (prefect_home / DATABASE).stat().st_size == 0:
            return None
        return (prefect_home / LOCK).read_text("utf-8")
    except OSError:
        return None
