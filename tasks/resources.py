"""The record of a home, opened once a process."""

from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine

from db.engine import open_record


@lru_cache(maxsize=8)
def opened_record(home: str) -> Engine:
    """The record of a home, brought up to date on first use."""
    return open_record(Path(home))
