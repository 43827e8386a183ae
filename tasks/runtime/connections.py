"""What a process opens once: the record of a home, and the children that read files."""

import atexit
import contextlib
import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from db.engine.connect import open_record
from db.engine.sqlite import DATABASE
from db.repository.runs import has_runs
from mriad_model.errors import RecordError
from mriad_model.readers.sandbox.time_budget import TimeBudget

if TYPE_CHECKING:
    from mriad_model.readers.sandbox.pool import ReaderPool

READERS = 2  # children
QUICKER = 20  # times, than a file may take as a rule: good ones take a hundredth
_database_urls = dict[str, str | None]()  # of the homes that this process works in


def choose_database(home: str, url: str | None) -> None:
    """Have the record of a home opened at this URL; None for SQLite in the home."""
    _database_urls[_place(home)] = url


def is_database_chosen(home: str) -> bool:
    """Whether the place of a home's record was chosen."""
    return _place(home) in _database_urls


def database_url(home: str) -> str | None:
    """Where the record of a home is; None for SQLite in the home."""
    return _database_urls.get(_place(home))


def database(home: str) -> Engine:
    """The record of a home, brought up to date on first use; closed when the process ends."""
    return _opened(home, database_url(home))


@lru_cache(maxsize=8)
def _opened(home: str, url: str | None) -> Engine:
    if url is None:
        refuse_to_start_over(Path(home))
    engine = open_record(Path(home), url)
    if url is not None:
        _refuse_an_empty_database(engine, Path(home))
    atexit.register(engine.dispose)  # the last to close folds the write-ahead log into the file
    return engine


def _place(home: str) -> str:
    return os.path.abspath(home)  # noqa: PTH100 - resolve() would follow a symlinked home


@lru_cache(maxsize=1)
def reader_pool() -> "ReaderPool":
    """The children in which files are read; started on first use, ended with the process."""
    # Here, for the pages read no files, and do without its library.
    from mriad_model.readers.sandbox.pool import ReaderPool  # noqa: PLC0415

    children = ReaderPool(READERS)
    atexit.register(children.close)
    return children


@lru_cache(maxsize=8)
def time_budget(home: str, run_id: int) -> TimeBudget:  # noqa: ARG001 - tell budgets apart
    """The time that a run spends on files that take too long."""
    seconds = reader_pool().limits.seconds
    return TimeBudget(seconds, quick_seconds=seconds / QUICKER)


def release_memory() -> None:
    """Give freed memory back to the system: threads' arenas keep a chunk's worth each otherwise."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library than glibc has no such call
            ctypes.CDLL(None).malloc_trim(0)


def refuse_to_start_over(home: Path) -> None:
    """A home with models whose record is gone was in use: an empty record would hide the loss.

    Raises:
        RecordError: it is such a home.
    """
    file = home / DATABASE
    lost = not file.exists() or file.stat().st_size == 0
    if lost and _has_models(home):
        raise RecordError(
            f"{file} is empty or gone, and {home}/models is not: restore the record from a "
            "backup, or choose a new home"
        )


def _refuse_an_empty_database(engine: Engine, home: Path) -> None:
    """The same of a database: the record of this home is elsewhere, perhaps in the home."""
    if _has_models(home) and not has_runs(engine):
        engine.dispose()
        raise RecordError(
            f"the database is empty, and {home}/models is not: restore the record from a backup, "
            "name the right database in MRIAD_DATABASE_URL, or choose a new home"
        )


def _has_models(home: Path) -> bool:
    return any((home / "models").glob("*.safetensors"))
