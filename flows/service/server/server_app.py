"""The Prefect server as we run it.

    python -m flows.service.server.server_app DESCRIPTOR    # of a socket

Prefect asks for the secret (`PREFECT_SERVER_API_AUTH_STRING`) in all of its API and its websockets
but for /api/health. A guard before it rejects requests that name another host (DNS rebinding) or
come from another server's page.
"""

# ruff: noqa: PLC0415 - Prefect reads its settings on import

import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.runtime.imports import frozen_imports
from flows.runtime.prefect_environment import HTTP_PORT, LOOPBACK
from flows.service.server.server_secret import CHALLENGE, PROOF_PATH, proof
from mriad_model.errors import SettingsError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

GRACE_SECONDS = 5
NOT_STARTED = 3  # exit status, as uvicorn's own
VIOLATION = 1008  # RFC 6455: a message that violates the policy


@dataclass(frozen=True, slots=True)
class Guard:
    """Answers challenges; passes on requests addressed to this server and from its own pages."""

    app: App
    secret: str  # of the home's servers and clients
    port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket" and refusal:
            await receive()
            await send({"type": "websocket.close", "code": VIOLATION, "reason": refusal[1]})
        elif refusal:
            await _answer(send, *refusal)
        elif scope["type"] == "http" and scope["path"].startswith(PROOF_PATH):
            await self._prove(scope["path"].removeprefix(PROOF_PATH), send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        hosts = _values(scope, b"host")
        names = [f"{name}:{self.port}" for name in (LOOPBACK, "localhost")]
        names += [LOOPBACK, "localhost"] if self.port == HTTP_PORT else []
        if len(hosts) != 1 or hosts[0].lower() not in names:
            return 400, f"this server answers as {names[0]} alone"
        if any(origin not in [f"http://{name}" for name in names] for origin in _origins(scope)):
            return 403, "this server answers no other pages than its own"
        return None

    async def _prove(self, challenge: str, send: Send) -> None:
        if CHALLENGE.fullmatch(challenge):
            await _answer(send, 200, proof(self.secret, self.port, challenge))
        else:
            await _answer(send, 404, "no such page")


def guarded(port: int) -> Guard:
    """Prefect's server behind the guard.

    Raises:
        SettingsError: no secret is set; nothing is ever served without.
    """
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    secret = get_current_settings().server.api.auth_string
    if secret is None or not secret.get_secret_value():
        raise SettingsError("PREFECT_SERVER_API_AUTH_STRING is not set: nothing is served without")
    return Guard(create_app(), secret.get_secret_value(), port)


def serve(descriptor: int) -> None:
    """Serve until stopped, on a socket that listens already.

    Raises:
        SystemExit: it did not come up.
    """
    import uvicorn

    from flows.service.server.first_start import first_start

    listener = socket.socket(fileno=descriptor)
    port = listener.getsockname()[1]
    starting = ExitStack()
    starting.enter_context(frozen_imports())
    from prefect.settings import get_current_settings

    home = get_current_settings().home
    own = _has_own_database(home)
    with (
        first_start(home, make=own) as start,
        _without_migrations() if own and start.made else nullcontext(),
    ):

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                starting.close()
                if self.started:
                    start.up()

        server = Server(
            uvicorn.Config(
                lambda: guarded(port),
                factory=True,
                log_level="error",
                lifespan="on",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(NOT_STARTED)


def _has_own_database(prefect_home: Path) -> bool:
    """Whether the server's database is the one that Prefect makes in its home."""
    from prefect.settings import get_current_settings

    from flows.service.server.first_start import DATABASE

    url = get_current_settings().server.database.connection_url
    return url is not None and url.get_secret_value() == (
        f"sqlite+aiosqlite:///{prefect_home / DATABASE}"
    )


@contextmanager
def _without_migrations() -> Iterator[None]:
    """Start without a look for migrations."""
    from prefect.settings import PREFECT_API_DATABASE_MIGRATE_ON_START, temporary_settings

    with temporary_settings({PREFECT_API_DATABASE_MIGRATE_ON_START: False}):
        yield


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _origins(scope: Scope) -> list[str]:
    return [each.lower() for each in _values(scope, b"origin")]


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    serve(int(sys.argv[1]))
