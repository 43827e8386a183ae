"""What a person sees while a command works, and of what came of it."""

import sys
import time

import pytest

from flows.cli.console import progress_shown, show_table
from tasks.runtime.progress import tell


def test_a_log_gets_a_line_when_a_step_is_done_and_each_minute_of_a_long_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 25))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    with progress_shown():
        for epoch in range(1, 6):
            tell("training", epoch, 5, f"epoch {epoch}")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "mriad: training: 3 of 5 (epoch 3)",
        "mriad: training: 5 of 5 (epoch 5)",
    ]


def test_without_a_terminal_a_table_is_lines_that_a_script_can_split(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_table("Title", ("name", "score"), [("a [b]", 0.123456), ("c", None)])
    assert capsys.readouterr().out.splitlines() == ["name\tscore", "a [b]\t0.1235", "c\t-"]


def test_a_table_too_wide_for_its_terminal_becomes_blocks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    names = ("a first column", "a second column", "a third column")
    show_table("Title", names, [(1, 0.25, "three"), (2, None, "six")])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 40
    assert out.splitlines()[1:5] == [
        "",
        "a first column   1",
        "a second column  0.25",
        "a third column   three",
    ]
