"""The first servers of a home wait for each other."""

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.service.server.first_start import first_start
from tests.conftest import REPOSITORY


def is_held(folder: Path) -> bool:
    with (folder / "start.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_first_starts_wait_for_each_other_and_later_ones_do_not(tmp_path: Path) -> None:
    with first_start(tmp_path) as started:
        assert is_held(tmp_path)
        (tmp_path / "prefect.db").write_bytes(b"made")
        started()
        assert not is_held(tmp_path)
    with first_start(tmp_path), first_start(tmp_path):
        assert not is_held(tmp_path)
    (tmp_path / "prefect.db").unlink()
    with first_start(tmp_path):
        assert is_held(tmp_path)


def test_a_first_start_that_fails_lets_the_next_try(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), first_start(tmp_path):
        raise KeyboardInterrupt
    code = (
        "import os, sys, pathlib\nfrom flows.service.server.first_start import first_start\n"
        "with first_start(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    with first_start(tmp_path):
        assert is_held(tmp_path)
