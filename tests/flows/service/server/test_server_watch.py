"""A command whose temporary server dies, or hears nothing any more, ends soon and says so."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from db.engine.connect import open_record, reading
from db.schema import run_end
from flows.service.server import server_watch
from flows.service.server.server_watch import ending_with
from mriad_model.errors import HomeError, Terminated
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


def test_a_training_whose_server_dies_ends_soon_with_one_plain_line(
    few_heads: Path, prefect_database: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(few_heads / "no", home / "healthy")
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
        os.kill(server_of(process.pid), signal.SIGKILL)
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


@pytest.mark.parametrize(
    ("sign", "cause"),
    [(signal.SIGKILL, "killed by SIGKILL"), (signal.SIGTERM, "status 0"), (None, "status 0")],
    ids=["killed", "stopped", "by itself"],
)
def test_whichever_way_a_server_ends_what_it_is_waited_for_by_is_left(
    sign: signal.Signals | None, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process in place of a server: what is held for is no answer of it."""
    monkeypatch.setattr(server_watch, "_give_up", lambda _: None)  # of all that Prefect sends here
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
        "print(flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        server.stdout.readline()  # it hears signals from here on
        with pytest.raises(HomeError, match=rf"ended before the run did \({cause}\)"):
            outlive(server, sign, tmp_path / "server.log")


def outlive(server: "subprocess.Popen[bytes]", sign: signal.Signals | None, log: Path) -> None:
    """Wait for something else while a server is ended by a signal, or ends as its input does."""
    with ending_with(server, log):
        if sign is not None:
            server.send_signal(sign)
        elif server.stdin is not None:
            server.stdin.close()
        threading.Event().wait(SOON_SECONDS)


@pytest.mark.parametrize("stop", [Terminated, KeyboardInterrupt])
def test_a_stop_that_ends_the_server_too_is_a_stop(
    stop: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the whole process group gets the signal, and the server is the quicker."""
    monkeypatch.setattr(server_watch, "_give_up", lambda _: None)
    command = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with pytest.raises(stop):
            stopped_with(server, stop, tmp_path / "server.log")


def stopped_with(server: "subprocess.Popen[bytes]", stop: type[BaseException], log: Path) -> None:
    """Be stopped, and still be at what Prefect does of a stopped run when the server has ended."""
    with ending_with(server, log):
        try:
            raise stop
        finally:
            server.kill()
            threading.Event().wait(SOON_SECONDS)
