"""`make` says what it installs, and fails where pip does."""

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


@pytest.mark.parametrize("status", [0, 3])
def test_an_installation_tells_its_progress_and_its_end(tmp_path: Path, status: int) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    fake = tmp_path / "fake"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        ["make", ".venv/.installed", f"PYTHON={fake}"],
        cwd=tmp_path,
        env={**environment, "PIP_STATUS": str(status)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert "  25 packages found: package25>=1" in lines
    assert "  unpacking 30 packages" in lines
    assert (done.returncode == 0) == (status == 0)
    assert (tmp_path / ".venv/.installed").exists() == (status == 0)
