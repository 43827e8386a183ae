"""A run's end is told in the log, with the head that covers it."""

import logging
import signal
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal

from db.engine import chain_head as heads
from db.engine.chain_check import broken_links
from db.engine.connect import open_record
from db.repository.runs import newest_runs
from mriad_model.enums import RunStatus
from mriad_model.errors import Terminated
from tasks.runtime.runs import recorded_run


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def _raise_in_a_run(home: Path, error: BaseException) -> None:
    made = open_record(home)
    try:
        with recorded_run(made, "score_new_scans", None):
            raise error
    finally:
        made.dispose()


class _ServerEnded(BaseException):
    """The Prefect server ended under the run."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), RunStatus.STOPPED),
        (Terminated(), RunStatus.STOPPED),
        (TerminationSignal(signal.SIGTERM), RunStatus.STOPPED),
        (_ServerEnded(), RunStatus.FAILED),
        (ValueError(), RunStatus.FAILED),
    ],
)
def test_a_run_that_somebody_stops_has_not_failed(
    tmp_path: Path, error: BaseException, status: RunStatus
) -> None:
    with pytest.raises(type(error)):
        _raise_in_a_run(tmp_path, error)
    made = open_record(tmp_path)
    ((_, end),) = newest_runs(made, 9)
    assert end is not None
    assert end.status is status
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
            _raise_in_a_run(tmp_path, RuntimeError())
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
