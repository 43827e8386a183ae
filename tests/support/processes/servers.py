"""Servers on a port: one of ours, and those of strangers."""

import base64
import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"


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
