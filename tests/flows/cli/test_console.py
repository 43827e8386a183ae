"""What a person sees while a command works, and of what came of it."""

import sys

import pytest

from flows.cli.console import show_table


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
