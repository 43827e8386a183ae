"""A run's end is told in the log, with the head that covers it."""

import logging
from pathlib import Path

import pytest

from db.engine import chain_head as heads
from db.engine.chain_check import broken_links
from db.engine.connect import open_record
from tasks.runtime.runs import recorded_run


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def _fail_in_a_run(home: Path) -> None:
    made = open_record(home)
    try:
        with recorded_run(made, "score_new_scans", None):
            raise RuntimeError
    finally:
        made.dispose()


def test_each_run_s_end_is_logged_with_the_head_of_the_record(tmp_path: Path) -> None:
    logger, lines = logging.getLogger("mriad"), Lines()
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        made = open_record(tmp_path)
        with recorded_run(made, "ingest_labelled", None):
            pass
        first = heads.head(made)
        with pytest.raises(RuntimeError):
            _fail_in_a_run(tmp_path)
        second = heads.head(made)
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)
    assert lines.told == [
        f"run 1 (ingest_labelled) completed; head of the record {first}",
        f"run 2 (score_new_scans) failed; head of the record {second}",
    ]
    assert list(broken_links(made)) == []
    made.dispose()
