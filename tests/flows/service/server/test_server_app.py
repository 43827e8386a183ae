"""Only the owner drives a server of ours: not another user, not a web page."""

import base64
import json
import os
import shutil
import socket
import tempfile
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tasks.runtime.home import SERVER_KEY
from tests.support.processes.servers import STEPS, Running

NOBODY = 65534


SOCKETS = (
    "events/in",
    "events/out",
    "logs/out",
    "task_runs/subscriptions/scheduled",
    "work_pools/p/workers/connect",
)


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
