"""Which server a command uses, and the temporary one that it starts for itself."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.runtime.prefect_environment import local_api
from flows.runtime.settings import read_settings
from flows.service.server.prefect_server import _running_server
from tasks.runtime.home import prepare_home, server_secret
from tests.conftest import REPOSITORY
from tests.support.processes.prefect_database import put_database
from tests.support.processes.servers import Running, healthy, squatting


def test_which_server_is_used(
    server: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"):
        monkeypatch.delenv(name, raising=False)  # commands before this test leave theirs

    def chosen(port: int, own: bool = False) -> Any:
        settings = read_settings(prefect_api_url=local_api(port), own_prefect=own)
        return _running_server(settings, server.secret)

    assert chosen(server.port) == (local_api(server.port), server.secret)
    assert chosen(server.port, own=True) == (local_api(server.port), server.secret)
    with squatting(healthy) as squatter:
        assert chosen(squatter.port) is None
        assert "is no server of this home" in capsys.readouterr().err
        assert chosen(squatter.port, own=True) == (local_api(squatter.port), None)
    assert chosen(squatter.port) is None
    assert "no Prefect server answers" in capsys.readouterr().err


def anybodys_folder(folder: Path) -> Path:
    """A folder with code and settings of another's in it; the file that its code would leave."""
    folder.mkdir()
    ran = folder / "ran"
    for name in ("multiprocessing", "prefect", "flows", "uvicorn", "sitecustomize"):
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')")
    database = f"sqlite+aiosqlite:///{folder}/theirs.db"
    (folder / ".env").write_text(f"PREFECT_API_DATABASE_CONNECTION_URL={database}\n")
    return ran


def test_two_first_commands_at_once_beside_a_squatter_all_do_their_work(
    tmp_path: Path, heads: Path
) -> None:
    home, scans = tmp_path / "home", tmp_path / "scans"
    scans.mkdir()
    shutil.copy(sorted((heads / "no").iterdir())[0], scans)
    ran = anybodys_folder(tmp_path / "anybodys")
    mriad = Path(sys.executable).parent / "mriad"
    command = [str(mriad), "ingest", str(scans), "--home", str(home)]
    with squatting(healthy) as squatter:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MRIAD_", "PREFECT_"))
        } | {"MRIAD_PREFECT_API_URL": local_api(squatter.port)}
        several = [
            subprocess.Popen(
                [*command, "--json"],
                cwd=ran.parent,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        told = [process.communicate() for process in several]
    assert [process.returncode for process in several] == [0, 0], told
    counts = [(json.loads(out)["new"], json.loads(out)["known"]) for out, _ in told]
    assert sorted(counts) == [(0, 1), (1, 0)]
    assert all("is no server of this home" in err for _, err in told)
    assert not ran.exists()
    assert (home / ".prefect" / "prefect.db").exists()
    password = server_secret(home).partition(":")[2]
    basic = base64.b64encode(server_secret(home).encode())
    assert password not in str(told)
    assert password.encode() not in squatter.heard
    assert basic not in squatter.heard
    assert b"Authorization" not in squatter.heard
    logs = sorted((home / "logs").glob("prefect-server-*.log"))
    assert len(logs) == 2
    assert {each.stat().st_mode & 0o777 for each in logs} == {0o600}


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    (home / ".prefect" / "prefect.db").mkdir(parents=True)
    (tmp_path / "scan.png").write_bytes(b"something to do")
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli.main", "ingest", str(tmp_path), "--home", str(home)],
        cwd=REPOSITORY,
        env={**os.environ, "MRIAD_PREFECT_API_URL": "http://127.0.0.1:9/api"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the temporary Prefect server did not start: " in done.stderr
    assert "unable to open database file; see " in done.stderr
    (log,) = (home / "logs").glob("prefect-server-*.log")
    assert str(log) in done.stderr


def test_a_run_that_fails_prints_one_plain_line_and_nothing_of_prefects(
    tmp_path: Path, heads: Path, prefect_database: Path
) -> None:
    home = prepare_home(tmp_path / "home")
    put_database(prefect_database, home)
    shutil.copy(sorted((heads / "no").iterdir())[0], home / "healthy")
    command = ["train", "--recipe", "volume", "--home", str(home)]
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli.main", *command],
        cwd=REPOSITORY,
        env={**os.environ, "MRIAD_PREFECT_API_URL": "http://127.0.0.1:9/api"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert all(line.startswith("mriad: ") for line in lines), done.stderr
    assert lines[-1].startswith("mriad: none of the 1 healthy scans in the record is of the kind")


def test_what_prefect_cannot_send_is_not_printed(tmp_path: Path) -> None:
    script = (
        "import logging, pathlib, sys\n"
        "from flows.runtime.prefect_environment import point_prefect\n"
        "point_prefect(pathlib.Path(sys.argv[1]), 'http://127.0.0.1:9/api', None)\n"
        "from prefect._internal.concurrency import logger\n"
        "from prefect.logging.configuration import setup_logging\n"
        "setup_logging()\n"
        "logger.error('Service EventsWorker failed to process item')\n"
        "logging.getLogger('EventsWorker').warning('Still processing items')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(prepare_home(tmp_path / "home"))],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
