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


def test_a_log_gets_a_line_when_a_step_begins_and_is_done_and_each_minute_of_a_long_one(
    capsys: pytest.CaptureFixture[str], minutes: None
) -> None:
    with progress_shown():
        for epoch in range(1, 6):
            tell("training", epoch, 5, f"epoch {epoch}", unit="epochs")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "mriad: training: 1 of 5 epochs (epoch 1)",
        "mriad: training: 4 of 5 epochs (epoch 4; about 25 s to go)",
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
        "mriad: implanting: 0 of 48 scans",
        "mriad: implanting: 3 of 48 scans (about 18 min 45 s to go)",
    ]


def test_a_step_says_that_it_begins_before_it_knows_how_much_there_is_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress_shown():
        tell("training", 0, 0)
        tell("training", 1, 12, unit="heads")
        tell("training", 12, 12, unit="heads")
        tell("scoring", 0, 3)
        tell("scoring", 0, 0)  # all were decided before
        tell("scoring", 3, 3)
        tell("scoring", 0, 2)  # of the next run of a service
    assert capsys.readouterr().err.splitlines() == [
        "mriad: training: begins",
        "mriad: training: 12 of 12 heads",
        "mriad: scoring: 0 of 3",
        "mriad: scoring: 3 of 3",
        "mriad: scoring: 0 of 2",
    ]


def test_bars_on_a_terminal_say_what_they_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_shown():
        tell("training", 0, 0)
        tell("training", 10, 10, unit="heads")
        tell("training", 1, 30, "held-out loss 1.8", unit="epochs")
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert "10/10 heads" in told
    assert " 1/30 epochs" in told
    assert "held-out loss 1.8" in told
    assert len([each for each in told.splitlines()[-2:] if "training" in each]) == 2
    assert "0/?" not in told.splitlines()[-1] + told.splitlines()[-2]
