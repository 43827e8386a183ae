"""What a process opens once: the record of a home, and the children that read files."""

import atexit
import contextlib
import ctypes
import sys
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine

from db.engine import DATABASE, open_record
from mriad_model.errors import RecordError
from mriad_model.isolation import Readers

READERS = 2  # children


@lru_cache(maxsize=8)
def opened_record(home: str) -> Engine:
    """The record of a home, brought up to date on first use; closed when the process ends."""
    _refuse_to_start_over(Path(home))
    engine = open_record(Path(home))
    atexit.register(engine.dispose)  # the last to close folds the write-ahead log into the file
    return engine


@lru_cache(maxsize=1)
def readers() -> Readers:
    """The children in which files are read; started on first use, ended with the process."""
    children = Readers(READERS)
    atexit.register(children.close)
    return children


def release_memory() -> None:
    """Give freed memory back to the system: threads' arenas keep a chunk's worth each otherwise."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library than glibc has no such call
            ctypes.CDLL(None).malloc_trim(0)


def _refuse_to_start_over(home: Path) -> None:
    """A home with models whose record is gone was in use: an empty record would hide the loss."""
    database = home / DATABASE
    lost = not database.exists() or database.stat().st_size == 0
    if lost and any((home / "models").glob("*.safetensors")):
        raise RecordError(
            f"{database} is empty or gone, and {home}/models is not: restore the record from a "
            "backup, or choose a new home"
        )
