"""What a person sees while a command works."""

import re
import sys
import time

import pytest

from flows.cli.progress import progress_shown
from tasks.runtime.progress import tell


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock finds it 25 seconds later."""
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))


def test_a_log_gets_a_line_when_a_step_is_done_and_each_minute_of_a_long_one(
    capsys: pytest.CaptureFixture[str], minutes: None
) -> None:
    with progress_shown():
        for epoch in range(1, 6):
            tell("training", epoch, 5, f"epoch {epoch}", unit="epochs")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "mriad: training: 3 of 5 epochs (epoch 3; about 50 s to go)",
        "mriad: training: 5 of 5 epochs (epoch 5)",
    ]


def test_what_follows_a_training_says_how_long_it_will_take_too(
    capsys: pytest.CaptureFixture[str], minutes: None
) -> None:
    with progress_shown():
        tell("training", 10, 10, unit="heads")
        for place in range(5):
            tell("implanting", place, 48, unit="scans")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "mriad: training: 10 of 10 heads",
        "mriad: implanting: 2 of 48 scans (about 19 min 10 s to go)",
    ]


def test_bars_on_a_terminal_say_what_they_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_shown():
        tell("training", 10, 10, unit="heads")
        tell("training", 1, 30, "held-out loss 1.8", unit="epochs")
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert "10/10 heads" in told
    assert " 1/30 epochs" in told
    assert "held-out loss 1.8" in told
