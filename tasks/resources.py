"""The record of a home, opened once a process."""

import atexit
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine

from db.engine import open_record


@lru_cache(maxsize=8)
def opened_record(home: str) -> Engine:
    """The record of a home, brought up to date on first use; closed when the process ends."""
    engine = open_record(Path(home))
    atexit.register(engine.dispose)  # the last to close folds the write-ahead log into the file
    return engine
