"""Only the owner drives a server of ours: not another user, not a web page, not a squatter."""

import base64
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from flows.context import child_context, write_context
from flows.service.first_start import first_start
from flows.service.prefect_server import _running_server, answers, listen
from flows.service.server_logs import cause_in, new_log
from flows.service.server_secret import PortOwner, find_server, proof
from flows.settings import (
    local_api,
    local_port,
    names_own_prefect,
    read_settings,
    temporary_server_environment,
)
from tasks.runtime.home import SERVER_KEY, prepare_home, server_secret
from tests.conftest import REPOSITORY

NOBODY = 65534
HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"
SOCKETS = (
    "events/in",
    "events/out",
    "logs/out",
    "task_runs/subscriptions/scheduled",
    "work_pools/p/workers/connect",
)
STEPS = [{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]


@dataclass(frozen=True)
class Running:
    """A server of ours, and the home that it belongs to."""

    home: Path
    port: int
    secret: str

    def ask(
        self, path: str, *, method: str = "GET", body: object = None, **headers: str
    ) -> tuple[int, dict[str, str]]:
        """An answer's status and headers. Names with _ for -."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data,
            {"Content-Type": "application/json"} | told,
            method=method,
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}
        except HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}

    @property
    def basic(self) -> str:
        return f"Basic {base64.b64encode(self.secret.encode()).decode()}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """As a command starts it for itself."""
    home = prepare_home(tmp_path_factory.mktemp("served") / "home")
    prefect_home = home / ".prefect"
    prefect_home.mkdir(0o700)
    secret = server_secret(home)
    with listen(0) as listener:
        port = listener.getsockname()[1]
        environment = temporary_server_environment(local_api(port), secret)
        environment |= {"PREFECT_HOME": str(prefect_home), "DO_NOT_TRACK": "1"}
        environment |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.service.server_app", str(listener.fileno())],
            env=environment,
            cwd=prefect_home,
            pass_fds=[listener.fileno()],
        )
    try:
        while find_server(port, secret, 1.0) is not PortOwner.OURS:
            assert process.poll() is None
        yield Running(home, port, secret)
    finally:
        process.terminate()
        process.wait(30)


def test_nothing_is_driven_without_the_secret(server: Running) -> None:
    wrong = f"Basic {base64.b64encode(b'mriad:' + b'0' * 64).decode()}"
    for told in ({}, {"Authorization": wrong}, {"Authorization": f"Bearer {server.secret}"}):
        steps = {"pull_steps": STEPS}
        path = "/api/deployments/00000000-0000-0000-0000-000000000000"
        assert server.ask(path, method="PATCH", body=steps, **told)[0] == 401
        assert server.ask("/api/flow_runs/filter", method="POST", body={}, **told)[0] == 401
        assert server.ask("/api/admin/settings", **told)[0] == 401
        assert server.ask("/api/docs", **told)[0] == 401
    told = {"Authorization": server.basic}
    assert server.ask(path, method="PATCH", body=steps, **told)[0] == 404
    assert server.ask("/api/flow_runs/filter", method="POST", body={}, **told)[0] == 200
    assert server.ask("/api/health")[0] == 200


@pytest.mark.parametrize("path", ["/api/ready", "/docs", "/openapi.json", "/ui-settings"])
def test_what_is_the_same_everywhere_answers_without_the_secret(server: Running, path: str) -> None:
    assert server.ask(path)[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:1", "null", "https://127.0.0.1:{}"]
)
def test_a_page_that_is_not_the_servers_own_gets_nothing(server: Running, origin: str) -> None:
    evil = {"Origin": origin.format(server.port)}
    wanted = {"Access_Control_Request_Method": "PATCH"}
    wanted |= {"Access_Control_Request_Headers": "authorization,content-type"}
    asked = [
        server.ask("/api/deployments/1", method="OPTIONS", **evil, **wanted),
        server.ask("/api/health", **evil),
        server.ask(
            "/api/flow_runs/filter", method="POST", body={}, Authorization=server.basic, **evil
        ),
    ]
    for status, headers in asked:
        assert status == 403
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_servers_own_page_is_granted_its_requests(server: Running, name: str) -> None:
    own = f"http://{name}:{server.port}"
    wanted = {"Access_Control_Request_Method": "PATCH"}
    wanted |= {"Access_Control_Request_Headers": "authorization,content-type"}
    status, headers = server.ask("/api/deployments/1", method="OPTIONS", Origin=own, **wanted)
    assert (status, headers["access-control-allow-origin"]) == (200, own)
    told = {"Authorization": server.basic, "Origin": own}
    status, headers = server.ask("/api/flow_runs/filter", method="POST", body={}, **told)
    assert (status, headers["access-control-allow-origin"]) == (200, own)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 400),
        ("evil.example:{}", 400),
        ("127.0.0.1:1", 400),
        ("127.0.0.1", 400),
        ("127.0.0.1.evil.example:{}", 400),
        ("localhost:{}", 200),
        ("LOCALHOST:{}", 200),
    ],
)
@pytest.mark.parametrize("path", ["/api/health", "/api/flows/count", "/ui-settings"])
def test_the_server_answers_to_its_own_name_alone(
    server: Running, host: str, status: int, path: str
) -> None:
    """A page whose name an attacker has led to this machine comes with that name."""
    method, body = ("POST", {}) if path.endswith("count") else ("GET", None)
    told = {"Host": host.format(server.port), "Authorization": server.basic}
    assert server.ask(path, method=method, body=body, **told)[0] == status


def upgrade(server: Running, path: str, host: str, origin: str | None, token: str | None) -> str:
    """What becomes of a websocket: its status line, or what it says to the first message."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect

    try:
        with (
            socket.create_connection(("127.0.0.1", server.port)) as connection,
            connect(
                f"ws://{host}/api/{path}",
                sock=connection,
                origin=origin,  # type: ignore[arg-type]
                subprotocols=["prefect"],  # type: ignore[list-item]
                additional_headers={"Authorization": server.basic},
            ) as websocket,
        ):
            websocket.send(json.dumps({"type": "auth", "token": token}))
            return str(json.loads(websocket.recv())["type"])
    except InvalidStatus as refused:
        return str(refused.response.status_code)
    except ConnectionClosed as closed:
        return str(closed.rcvd and closed.rcvd.code)


@pytest.mark.parametrize("path", SOCKETS)
def test_a_websocket_asks_for_name_page_and_secret_too(server: Running, path: str) -> None:
    own = f"127.0.0.1:{server.port}"
    assert upgrade(server, path, "evil.example", None, server.secret) == "403"
    assert upgrade(server, path, own, "http://evil.example", server.secret) == "403"
    assert upgrade(server, path, own, None, "mriad:guessed") == "1008"
    assert upgrade(server, path, own, None, None) == "1008"
    assert upgrade(server, path, own, f"http://{own}", server.secret) == "auth_success"


def as_another_user(key: Path, port: int) -> list[str]:
    """What a process of another user comes to: the secret's words, and the API's answer."""
    try:
        said = [key.read_text()]
    except PermissionError:
        said = ["not readable"]
    connection = HTTPConnection("127.0.0.1", port)
    path = "/api/deployments/00000000-0000-0000-0000-000000000000"
    connection.request("PATCH", path, '{"pull_steps": []}', {"Content-Type": "application/json"})
    return [*said, str(connection.getresponse().status)]


def test_another_user_can_neither_read_the_secret_nor_do_without(
    server: Running, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(
            0o755
        )  # within the other's reach, so that the secret's own mode keeps it
        key = Path(folder) / SERVER_KEY
        shutil.copy2(server.home / SERVER_KEY, key)
        told, tells = os.pipe()
        if (pid := os.fork()) == 0:
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                os.write(tells, "\n".join(as_another_user(key, server.port)).encode())
            finally:
                os._exit(0)
        os.close(tells)
        with os.fdopen(told) as said:
            assert said.read().splitlines() == ["not readable", "401"]
        os.waitpid(pid, 0)


def test_a_server_proves_itself_for_its_own_secret_and_port(server: Running) -> None:
    assert find_server(server.port, server.secret, 5.0) is PortOwner.OURS
    assert find_server(server.port, "mriad:another", 5.0) is PortOwner.STRANGER
    assert proof(server.secret, 1, "0" * 64) != proof(server.secret, 2, "0" * 64)
    for challenge in ("", "0", "../x", "g" * 64, "0" * 65):
        assert server.ask(f"/mriad/proof/{challenge}")[0] == 404
    assert server.ask("/mriad/proof/" + "0" * 64, Origin="http://evil.example")[0] == 403


@dataclass
class Squatter:
    """Another process's server on a port that ours might have."""

    port: int
    heard: bytes = b""


@contextmanager
def squatting(answer: Callable[[socket.socket, bytes], None]) -> Iterator[Squatter]:
    """Listens, and answers each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    squatter = Squatter(listener.getsockname()[1])

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                heard = connection.recv(65536)
                squatter.heard += heard
                answer(connection, heard)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield squatter
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def healthy(connection: socket.socket, _heard: bytes) -> None:
    connection.sendall(HELLO)


def endless(connection: socket.socket, _heard: bytes) -> None:
    while True:
        connection.sendall(HELLO * 100)


def of_another_kind(connection: socket.socket, _heard: bytes) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def ends_at_once(connection: socket.socket, _heard: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", [healthy, endless, of_another_kind, ends_at_once])
def test_a_squatter_is_not_taken_for_our_server(
    answer: Callable[[socket.socket, bytes], None],
) -> None:
    with squatting(answer) as squatter:
        assert find_server(squatter.port, "mriad:secret", 1.0) is PortOwner.STRANGER
        assert b"secret" not in squatter.heard
        assert squatter.heard.startswith(b"GET /mriad/proof/")


def test_a_squatter_that_keeps_silent_or_drips_hangs_nothing() -> None:
    done = threading.Event()
    dripped: list[int] = []

    def silent(_connection: socket.socket, _heard: bytes) -> None:
        done.wait()

    def drips(connection: socket.socket, _heard: bytes) -> None:
        for byte in HELLO[:-4] * 20:
            connection.sendall(bytes([byte]))
            dripped.append(byte)
            if done.wait(0.1):
                return

    for answer in (silent, drips):
        with squatting(answer) as squatter:
            assert find_server(squatter.port, "mriad:secret", 0.3) is PortOwner.STRANGER
            assert not answers(local_api(squatter.port), 0.3)
    done.set()
    assert 0 < len(dripped) < 2 * len(HELLO)  # so it was not waited for to the end


def test_an_answer_passed_on_from_our_own_server_is_no_proof(server: Running) -> None:
    def passes_on(connection: socket.socket, heard: bytes) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as real:
            real.sendall(heard.replace(str(squatter.port).encode(), str(server.port).encode()))
            while more := real.recv(4096):
                connection.sendall(more)

    with squatting(passes_on) as squatter:
        assert find_server(squatter.port, server.secret, 5.0) is PortOwner.STRANGER
    assert b"/mriad/proof/" in squatter.heard


def test_a_port_where_nobody_listens_is_told_from_a_strangers() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        assert find_server(one.getsockname()[1], "mriad:secret", 1.0) is PortOwner.NOTHING


@pytest.mark.parametrize(
    ("api", "port"),
    [
        ("http://127.0.0.1:4200/api", 4200),
        ("http://localhost:4300/api", 4300),
        ("http://127.0.0.1/api", 80),
        ("https://127.0.0.1:4200/api", None),
        ("http://prefect.example:4200/api", None),
        ("http://127.0.0.1.example:4200/api", None),
        ("http://127.0.0.1:wrong/api", None),
        ("nonsense", None),
    ],
)
def test_servers_of_ours_are_on_this_machine_alone(api: str, port: int | None) -> None:
    assert local_port(api) == port


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, False),
        ({"PREFECT_API_AUTH_STRING": "me:mine"}, False),  # no server is named
        ({"MRIAD_PREFECT_API_URL": "http://127.0.0.1:4300/api"}, False),
        ({"PREFECT_API_URL": "http://127.0.0.1:4200/api"}, False),
        ({"PREFECT_API_URL": "http://prefect.example:4200/api"}, True),
        (
            {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_AUTH_STRING": "me:mine"},
            True,
        ),
        ({"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_KEY": "mine"}, True),
        (
            # Prefect's own commands, pointed at `mriad up`: the port may be another's by now.
            {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_AUTH_STRING": "of:home"},
            False,
        ),
        ({"MRIAD_OWN_PREFECT": "true"}, True),
    ],
)
def test_a_prefect_of_ones_own_is_one_that_was_named_so(
    given: dict[str, str], own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("MRIAD_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert names_own_prefect(read_settings(), "of:home") is own


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


def test_three_first_commands_at_once_beside_a_squatter_all_do_their_work(
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
            for _ in range(3)
        ]
        told = [process.communicate() for process in several]
    assert [process.returncode for process in several] == [0, 0, 0], told
    counts = [(json.loads(out)["new"], json.loads(out)["known"]) for out, _ in told]
    assert sorted(counts) == [(0, 1), (0, 1), (1, 0)]
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
    assert len(logs) == 3
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


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("", None),
        ("Traceback (most recent call last):\n  x\nOSError: [Errno 28] No space left on device\n",
         "OSError: [Errno 28] No space left on device"),
        ("sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked\n"
         "(Background on this error at: https://sqlalche.me/e/20/e3q8)\n\n"
         "Application startup failed. Exiting.\n",
         "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked"),
        ("something odd\n", "something odd"),
    ],
)  # fmt: skip
def test_the_cause_is_the_error_in_a_servers_log(
    tmp_path: Path, said: str, cause: str | None
) -> None:
    log = new_log(tmp_path)
    log.write_text(said)
    assert cause_in(log) == cause


def test_the_last_logs_are_kept(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"prefect-server-20260101T0000{number:02}-1-x.log").touch()
    kept = new_log(tmp_path)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert len(names) == 10
    assert names[0] == "prefect-server-20260101T000003-1-x.log"
    assert names[-1] == kept.name


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
        "import os, sys, pathlib\nfrom flows.service.first_start import first_start\n"
        "with first_start(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    with first_start(tmp_path):
        assert is_held(tmp_path)


def test_a_command_that_writes_says_in_one_line_what_others_can_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, so that a document on stdout stays whole; once, not again by what it starts."""
    home = write_context(tmp_path / "home").home
    (home / "mriad.db").touch(0o600)
    write_context(home)
    assert capsys.readouterr() == ("", "")
    (home / "mriad.db").chmod(0o604)
    home.chmod(0o703)
    child_context(home)
    assert capsys.readouterr() == ("", "")
    write_context(home)
    assert capsys.readouterr() == (
        "",
        f"mriad: warning: {home} can be changed by others (chmod go-w), "
        f"{home}/mriad.db can be read by others (chmod go-rwx); mriad check lists all\n",
    )
