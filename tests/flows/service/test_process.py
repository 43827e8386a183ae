"""Child processes that are restarted when they exit."""

import logging
import os
from pathlib import Path

import pytest

from flows.service.process import ManagedProcess
from tests.support.processes.waiting import until


def test_a_child_that_dies_is_started_again_and_its_words_are_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.service.process.FIRST_PAUSE_SECONDS", 0.2)
    environment = {**os.environ, "MRIAD_HOME": str(tmp_path / "home")}
    logger = logging.getLogger("test.children")
    child = ManagedProcess("DOE^JANE", environment, logger, stop_seconds=5.0)
    with caplog.at_level(logging.INFO, logger.name):
        assert child.keep() is None
        assert until(child.keep) == "DOE^JANE ended (status 1); restarting it in 0.2 s"
        assert child.pid is None
        until(lambda: child.keep() is None and child.pid)
        assert until(child.keep) == "DOE^JANE ended (status 1); restarting it in 0.4 s"
        child.stop()
    said = [line.removeprefix("DOE^JANE: ") for line in caplog.messages]
    assert "ValueError" in said
    assert not [line for line in said if "DOE^JANE" in line]
