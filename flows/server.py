"""Which Prefect server a command uses: the one that answers, else a temporary one.

Prefect can start a temporary server itself, but leaves it behind when it is killed, and hangs
when an interrupt from the terminal reaches both. So it is started here, in a session of its own,
and it ends with us, however we end.
"""

import ctypes
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from flows.console import say
from flows.settings import Settings, point_prefect, temporary_server_environment
from mriad_model.errors import HomeError

HEALTH_TIMEOUT_SECONDS = 5.0
START_TIMEOUT_SECONDS = 90.0
STOP_TIMEOUT_SECONDS = 10.0
PR_SET_PDEATHSIG = 1  # prctl(2)


@contextmanager
def prefect_server(home: Path, settings: Settings) -> Iterator[None]:
    """Point Prefect at a server before it is imported, for the length of the block."""
    api = settings.prefect_api_url
    if answers(api):
        point_prefect(home, api)
        yield
        return
    say(f"no Prefect server answers at {api}; starting a temporary one")
    api = f"http://127.0.0.1:{_free_port()}/api"
    point_prefect(home, api, temporary=True)
    server = _start(api, home / "logs" / "prefect-server.log")
    try:
        _await(server, api, home)
        with _no_heartbeats():
            yield
    finally:
        _stop(server)


def answers(api_url: str, timeout: float = HEALTH_TIMEOUT_SECONDS) -> bool:
    """Whether a Prefect server says at this address that it is well."""
    if not api_url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(  # noqa: S310 - the scheme is checked above
            f"{api_url.rstrip('/')}/health", timeout=timeout
        ) as answer:
            return bool(answer.status == 200 and answer.read().strip() == b"true")
    except (URLError, OSError, ValueError):
        return False


@contextmanager
def _no_heartbeats() -> Iterator[None]:
    """Nobody watches a temporary server for runs that died, and each flow would wait a second."""
    from prefect.settings import (  # noqa: PLC0415 - Prefect reads its settings on import
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _start(api: str, log: Path) -> subprocess.Popen[bytes]:
    port = api.rsplit(":", 1)[1].removesuffix("/api")
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--host", "127.0.0.1", "--port", port, "--log-level", "error", "--lifespan", "on"]
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - fixed arguments
            command,
            env=temporary_server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no thread runs yet
        )


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent is gone, even by SIGKILL."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _await(server: subprocess.Popen[bytes], api: str, home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not answers(api):
        if server.poll() is not None or time.monotonic() > deadline:
            raise HomeError(
                f"the temporary Prefect server did not start; {home}/logs/prefect-server.log says "
                "why (a full disk?)"
            )
        time.sleep(0.1)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
