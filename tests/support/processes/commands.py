"""Commands as users and scripts meet them."""

import re
import subprocess
import sys

import pytest

from flows.cli import main as cli
from tests.conftest import REPOSITORY

PROGRESS = re.compile(r"mriad: [\w -]+: (\d+ of \d+.*|begins)")
NOTICE = "Not a medical device"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def one_line(text: str) -> str:
    """The one line that is no progress of a step."""
    lines = [line for line in text.splitlines() if not PROGRESS.fullmatch(line)]
    assert len(lines) == 1, text
    assert lines[0].startswith("mriad: ")
    return lines[0]


def apart(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "flows.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
        **options,  # type: ignore[call-overload]
    )
