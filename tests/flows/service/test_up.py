"""`mriad up`, once, as a process of its own: ready, a folder decided, cron scheduled, gone."""

import base64
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from zoneinfo import ZoneInfo

import pytest

from db.engine.connect import open_record
from db.repository.intake.arrivals import open_arrivals
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from flows.cli.interruption import SERVICE
from flows.cli.main import UNKNOWN_SETTING
from flows.service.process import ManagedProcess
from flows.service.server.server_secret import PortOwner, find_server
from flows.service.up import held_port, only_one, start_children
from mriad_model.errors import HomeError, SettingsError
from tasks.runtime.home import SERVER_KEY, server_secret
from tests.conftest import REPOSITORY, Trained
from tests.support.processes.prefect_database import put_database
from tests.support.processes.waiting import until

ZONE = "America/New_York"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def processes(home: Path) -> list[int]:
    """Those whose environment names the home, and those of the command itself."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if folder.name.isdigit() and os.fsencode(home) in told and told != b"":
            found.append(int(folder.name))
    return found


def command_line(pid: int) -> bytes:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def child_of(parent: int, role: str) -> int | None:
    """The process that plays a role for `mriad up`."""
    words = f"flows.service.child_roles\0{role}\0{parent}\0".encode()
    pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return next((pid for pid in pids if words in command_line(pid)), None)


def headers(home: Path) -> dict[str, str]:
    """As the owner asks, who can read the home's secret."""
    told = base64.b64encode(server_secret(home).encode()).decode()
    return {"Content-Type": "application/json", "Authorization": f"Basic {told}"}


def post(home: Path, url: str, body: dict[str, Any]) -> Any:
    """Asked again where the server's database is locked, as Prefect's own clients do."""
    request = urllib.request.Request(url, json.dumps(body).encode(), headers(home))

    def answered() -> tuple[Any] | None:
        try:
            with urllib.request.urlopen(request) as answer:
                return (json.load(answer) if answer.status != 204 else None,)
        except HTTPError as error:
            if error.code != 503:
                raise
            return None

    return until(answered)[0]


def scheduled(home: Path, api: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = post(
        home, f"{api}/flow_runs/filter", {"flows": {"name": {"any_": ["nightly"]}}}
    )
    return runs


def it_ends_in_order(up: "subprocess.Popen[str]") -> None:
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 143
    assert up.stderr is not None
    assert up.stderr.read().endswith(f"mriad: {SERVICE}\n")


def the_log_is_plain(home: Path) -> None:
    the_secret_is_written_nowhere_else(home)
    said = (home / "logs" / "service.log").read_text()
    assert "a run is asked for; folders that have settled: 1" in said
    assert "Warning" not in said
    assert "stopped" in said


def old_runs_are_forgotten(home: Path, api: str) -> None:
    """By Prefect; or its database would grow for years."""
    with urllib.request.urlopen(
        urllib.request.Request(f"{api}/admin/settings", headers=headers(home))
    ) as answer:
        forgets = json.load(answer)["server"]["services"]["db_vacuum"]
    assert "flow_runs" in forgets["enabled"]
    assert forgets["retention_period"] == "P30D"


def only_the_owner_drives_it(home: Path, api: str) -> None:
    """Its secret is in the environment of its processes, and nobody else can read that."""
    old_runs_are_forgotten(home, api)
    deployments = post(home, f"{api}/deployments/filter", {})
    url = f"{api}/deployments/{deployments[0]['id']}"
    steps = [{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]
    request = urllib.request.Request(
        url,
        json.dumps({"pull_steps": steps}).encode(),
        {"Content-Type": "application/json"},
        method="PATCH",
    )
    with pytest.raises(HTTPError, match="401"):
        urllib.request.urlopen(request)
    secret = server_secret(home).encode()
    password = secret.partition(b":")[2]
    assert not [pid for pid in processes(home) if password in command_line(pid)]
    told = b"PREFECT_API_AUTH_STRING=" + secret + b"\0"
    children = [pid for pid in processes(home) if b"flows.service.child_roles" in command_line(pid)]
    told_of = [told in Path(f"/proc/{pid}/environ").read_bytes() for pid in children]
    assert len(told_of) >= 4  # server, watcher, who serves, who forks its runs, perhaps a run
    assert all(told_of)


def the_secret_is_written_nowhere_else(home: Path) -> None:
    password = server_secret(home).encode().partition(b":")[2]
    told = headers(home)["Authorization"].encode().split()[1]
    holding = [
        path.relative_to(home)
        for path in home.rglob("*")
        if path.is_file() and any(each in path.read_bytes() for each in (password, told))
    ]
    assert holding == [Path(SERVER_KEY)]


def the_pages_let_in_who_has_the_address(sign_in: str) -> None:
    """And nobody else: another user of this machine, for instance."""
    first_page = sign_in.partition("sign-in")[0]
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(first_page)
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    browser.open(sign_in).close()
    with browser.open(first_page) as page:
        assert b"Nothing is scored yet" in page.read()


def a_run_outlives_the_server(home: Path, port: int, up: int) -> None:
    """Its lease, by which no other of its deployment runs beside it, can be renewed after."""
    limits = f"http://127.0.0.1:{port}/api/v2/concurrency_limits"
    post(home, f"{limits}/", {"name": "runs", "limit": 1})
    wanted = {"names": ["runs"], "slots": 1, "mode": "concurrency", "lease_duration": 300}
    lease = post(home, f"{limits}/increment-with-lease", wanted)["lease_id"]
    (server,) = [each for each in processes(home) if b"\0server\0" in command_line(each)]
    os.kill(server, signal.SIGKILL)
    until(lambda: child_of(up, "server") not in (None, server))
    until(lambda: find_server(port, server_secret(home), 5.0) is PortOwner.OURS)
    post(home, f"{limits}/leases/{lease}/renew", {"lease_duration": 300})


def test_up_runs_everything_and_leaves_nothing(trained: Trained, prefect_database: Path) -> None:
    home, port = trained.home, free_port()
    put_database(prefect_database, home)
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT")},
        "MRIAD_PREFECT_API_URL": api,
        "MRIAD_TIMEZONE": ZONE,
        "MRIAD_NIGHTLY": "30 2 * * *",
        "MRIAD_NIGHTY": "30 3 * * *",
    }
    command = [sys.executable, "-m", "flows.cli.main", "up", "--quiet", "1", "--home", str(home)]
    up = subprocess.Popen(
        [*command, "--json"],
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        os.kill(until(lambda: child_of(up.pid, "server")), signal.SIGKILL)  # while it loads
        assert up.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = up.stdout.readline()
            assert line, up.stderr.read() if up.stderr else ""
            said += line
        assert json.loads(said)["pages"] == f"http://127.0.0.1:{port}"
        the_pages_let_in_who_has_the_address(json.loads(said)["sign_in"])

        second = subprocess.run(
            command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert f"as process {up.pid}" in second.stderr
        assert UNKNOWN_SETTING.format(name="MRIAD_NIGHTY") in second.stderr

        delivery = home / "inbox" / os.fsdecode(b"DOE^JANE \xfc")
        delivery.mkdir()
        (picture,) = sorted((trained.heads / "yes").iterdir())[:1]
        shutil.copy(picture, delivery / "1.png")
        engine = open_record(home)
        (row,) = until(lambda: decisions(engine, HistoryQuery(limit=None)))
        assert row.path == "inbox/DOE^JANE \\xfc/1.png"
        until(lambda: not open_arrivals(engine))

        first = min(each["expected_start_time"] for each in until(lambda: scheduled(home, api)))
        local = datetime.fromisoformat(first).astimezone(ZoneInfo(ZONE))
        assert (local.hour, local.minute) == (2, 30)

        assert len(processes(home)) >= 4
        only_the_owner_drives_it(home, api)
        a_run_outlives_the_server(home, port, up.pid)
        it_ends_in_order(up)
    finally:
        up.kill()
        up.communicate()
    assert processes(home) == []
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    the_log_is_plain(home)
    files = [each for each in home.rglob("*") if each.is_file()]
    ours = [each for each in files if home / "inbox" not in each.parents]
    assert [each for each in ours if each.stat().st_mode & 0o777 != 0o600] == []
    naming = {each.relative_to(home) for each in files if b"DOE^JANE" in each.read_bytes()}
    elsewhere = [each for each in naming if not each.match("mriad.db*")]
    assert {each.parent.name for each in elsewhere} <= {"reports"}  # neither logs nor Prefect


def test_a_lock_is_held_by_one_and_let_go_with_its_process(tmp_path: Path) -> None:
    taken = pytest.raises(HomeError, match=f"as process {os.getpid()}")
    with only_one(tmp_path), taken, only_one(tmp_path):
        pass
    code = (
        "import os, sys, pathlib, flows.service.up as service\n"
        "with service.only_one(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    with only_one(tmp_path):
        pass


def test_a_port_that_is_held_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while no server accepts there: the one that is started again takes it over."""
    monkeypatch.setattr("flows.service.up.PORT_SECONDS", 0.0)
    port = free_port()
    with held_port(port):
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(OSError, match="in use"):
                socket.create_server((host, port))
        with pytest.raises(SettingsError, match="is taken"), held_port(port):
            pass
    with held_port(port):
        pass


def test_a_service_whose_child_always_ends_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.service.process.FIRST_PAUSE_SECONDS", 0.1)
    environment = {**os.environ, "MRIAD_HOME": str(tmp_path / "home")}
    logger = logging.getLogger("test.children")
    child = ManagedProcess("no such role", environment, logger, stop_seconds=5.0)
    with pytest.raises(HomeError, match=r"ended \(status 1\), 3 times; .*service.log says why"):
        start_children((child,), lambda _: False, tmp_path, logger)
