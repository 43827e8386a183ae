"""`make` says what it installs, fails where pip does, and where one of its checks does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

# Stands for Python: makes an environment with itself in it, and "installs" by pip's words.
FAKE = """#!/bin/sh
case "$*" in
  *venv*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
  *"pip install"*)
    for n in $(seq 1 30); do echo "Collecting package$n>=1"; echo "  Downloading x/p$n.whl"; done
    echo "Installing collected packages: a, b"
    exit "$PIP_STATUS";;
esac
"""


def made(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `make` comes to in a folder with our Makefile."""
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("status", [0, 3])
def test_an_installation_tells_its_progress_and_its_end(tmp_path: Path, status: int) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    fake = tmp_path / "fake"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    done = made(tmp_path, ".venv/.installed", f"PYTHON={fake}", PIP_STATUS=str(status))
    lines = done.stdout.splitlines()
    assert "  25 packages found: package25>=1" in lines
    assert "  unpacking 30 packages" in lines
    assert (done.returncode == 0) == (status == 0)
    assert (tmp_path / ".venv/.installed").exists() == (status == 0)


FAILS = "make check: the {} failed"
TOOLS = {"ruff": "formatting", "lint-imports": "imports", "mkdocs": "handbook", "mypy": "types"}


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """A folder in which all is installed, with tools that fail where their variable says so."""
    for name in ("pyproject.toml", "constraints.txt", "web/package.json", "web/package-lock.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, word in {**TOOLS, "python": "tests"}.items():
        tool = tmp_path / ".venv/bin" / name
        tool.write_text(f'#!/bin/sh\necho "words of {word}"; test "$FAILING" != {word}\n')
        tool.chmod(0o755)
    for place in (".venv", "web/node_modules"):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / ".installed").touch()
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    return tmp_path


@pytest.mark.parametrize("failing", ["nothing", "tests", "types"])
def test_what_fails_of_tests_and_types_is_named_after_the_words_of_both(
    checked: Path, failing: str
) -> None:
    done = made(checked, "check", FAILING=failing)
    told = [line for line in done.stdout.splitlines() if line.startswith(("words", "make check"))]
    alone = ["formatting", "formatting", "imports", "handbook"]
    words = [f"words of {each}" for each in (*alone, "tests", "types")]
    assert told == words + [FAILS.format(failing)] * (failing != "nothing")
    assert (done.returncode == 0) == (failing == "nothing")


@pytest.mark.parametrize("failing", ["formatting", "imports", "handbook"])
def test_what_takes_seconds_fails_before_the_tests_begin(checked: Path, failing: str) -> None:
    done = made(checked, "check", FAILING=failing)
    assert done.returncode != 0
    assert f"words of {failing}" in done.stdout
    assert "words of tests" not in done.stdout
