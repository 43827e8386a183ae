"""A command whose temporary server dies, or hears nothing any more, ends soon and says so."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db.engine.connect import open_record, reading
from db.schema import run_end
from tests.conftest import REPOSITORY
from tests.support.processes.prefect_database import put_database

SOON_SECONDS = 60.0  # of a machine that does much else; Prefect alone takes minutes


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]


def server_of(pid: int) -> int:
    """The temporary server that a command has started."""
    (found,) = (
        child
        for child in children(pid)
        if b"server_app" in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return found


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_whose_server_dies_ends_soon_with_one_plain_line(
    sign: signal.Signals, heads: Path, prefect_database: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(heads / "no", home / "healthy")
    put_database(prefect_database, home)
    command = [sys.executable, "-m", "flows.cli.main", "train", "--home", str(home)]
    with subprocess.Popen(
        [*command, "--recipe", "autoencoder", "--epochs", "100000", "--device", "cpu"],
        cwd=REPOSITORY,
        env={**os.environ, "MRIAD_PREFECT_API_URL": "http://127.0.0.1:9/api"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "looking for twins" in line:  # what comes next takes for ever
                break
        killed = time.monotonic()
        os.kill(server_of(process.pid), sign)
        lines = process.stderr.read().splitlines()
    assert time.monotonic() - killed < SOON_SECONDS
    assert process.returncode == 1, lines
    assert all(line.startswith("mriad: ") for line in lines)
    assert lines[-1].startswith("mriad: the temporary Prefect server ended before the run did (")
    assert "run the same command again" in lines[-1]
    engine = open_record(home)
    with reading(engine) as connection:
        statuses = connection.execute(run_end.select()).mappings().all()
    engine.dispose()
    assert [each["status"] for each in statuses] == ["failed"]
