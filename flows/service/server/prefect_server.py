"""Which Prefect server a command uses: the home's own, one of the user's, else a temporary one.

A temporary server that Prefect starts itself outlives a kill, and hangs when Ctrl-C reaches both.
So it is started here, in its own session, and ends with this process.
"""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path

from flows.runtime.imports import frozen_imports, import_all
from flows.runtime.messages import say
from flows.runtime.prefect_environment import (
    LOOPBACK,
    PREFECT_FOLDER,
    local_api,
    local_port,
    names_own_prefect,
    no_settings_of_this_folder,
    point_prefect,
    temporary_server_environment,
)
from flows.runtime.settings import Settings
from flows.service.server.server_logs import cause_in, new_log
from flows.service.server.server_secret import PortOwner, find_server, is_own_server
from flows.service.server.server_watch import ending_with
from mriad_model.errors import HomeError, SettingsError
from mriad_model.parent_process import signal_with_parent
from tasks.runtime.home import server_secret

HEALTH_TIMEOUT_SECONDS = 5.0
START_TIMEOUT_SECONDS = 120.0  # also for others to make their first start
LOOK_SECONDS = 0.1
STOP_TIMEOUT_SECONDS = 10.0
BACKLOG = 128  # connections that wait until a server is up


@contextmanager
def prefect_server(home: Path, settings: Settings, *modules: str) -> Iterator[None]:
    """Point Prefect at a server before it is imported, for the length of the block.

    The `modules` that the run needs are imported while a temporary server starts.

    Raises:
        SettingsError: the home's secret can't be used.
        HomeError: the temporary server did not start, or ended before the block; its log's words
            are in the message.
    """
    secret = server_secret(home)
    if (found := _running_server(settings, secret)) is not None:
        point_prefect(home, *found)
        _import_prefect(home)
        yield
        return
    listener = listen(0)
    api = local_api(listener.getsockname()[1])
    point_prefect(home, api, secret, temporary=True)
    with listener:
        log = new_log(home / "logs")
        server = _start(listener, temporary_server_environment(api, secret), home, log)
        try:
            with frozen_imports():
                _import_prefect(home)
                import_all(*modules)  # takes about as long as the server does
            _await(server, api, secret, log)
            listener.close()  # else requests would wait for ever where the server died
            with _no_heartbeats(), ending_with(server, log):
                yield
        finally:
            listener.close()
            _stop(server)


def _running_server(settings: Settings, secret: str) -> tuple[str, str | None] | None:
    """A running server to use: its address, and the secret if it is the home's own."""
    api = settings.prefect_api_url
    port, found = local_port(api), PortOwner.NOTHING
    if port is not None:
        found = find_server(port, secret, HEALTH_TIMEOUT_SECONDS)
        if found is PortOwner.OURS:
            return local_api(port), secret
    if names_own_prefect(settings, secret):
        if answers(api):
            return api, None
        found = PortOwner.NOTHING
    if found is PortOwner.NOTHING:
        say(f"no Prefect server answers at {api}; starting a temporary one")
    else:
        say(
            f"what answers at {api} is no server of this home (one of your own needs "
            "MRIAD_OWN_PREFECT=true); starting a temporary one"
        )
    return None


def answers(api_url: str, timeout: float = HEALTH_TIMEOUT_SECONDS) -> bool:
    """Whether a server at this address answers in time that it is healthy. Any server may."""
    if not api_url.startswith(("http://", "https://")):
        return False
    answers: list[bytes] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(  # noqa: S310 - the scheme is checked above
                f"{api_url.rstrip('/')}/health", timeout=timeout
            ) as answer:
                answers.append(answer.read(16) if answer.status == 200 else b"")
        except (OSError, ValueError, HTTPException):
            pass

    # Aside, for the time limit of urllib is for each read alone.
    asking = threading.Thread(target=ask, name="ask a server", daemon=True)
    asking.start()
    asking.join(timeout)
    return answers == [b"true"]


def listen(port: int) -> socket.socket:
    """A socket that listens on this machine alone, for a server to take over; 0: any port.

    Who connects before the server is up waits, and nobody else gets the port meanwhile.

    Raises:
        OSError: it is taken.
    """
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def own_server(home: Path, settings: Settings) -> tuple[int, str]:
    """The port and the secret of the server that `mriad up` starts.

    Raises:
        SettingsError: the address is not on this machine, or the secret can't be used.
    """
    port = local_port(settings.prefect_api_url)
    if port is None:
        raise SettingsError(
            f"MRIAD_PREFECT_API_URL {settings.prefect_api_url}: mriad up starts its server on "
            "this machine alone, as http://127.0.0.1:PORT/api; with a Prefect server of your own "
            "use prefect.yaml"
        )
    return port, server_secret(home)


def known_server(home: Path, settings: Settings) -> Callable[[], bool]:
    """Asks whether the server that a command started with is still the home's own.

    Always yes of one of the user's, which can't be asked.
    """
    secret = server_secret(home)
    port = local_port(settings.prefect_api_url)
    if port is None or not is_own_server(port, secret, HEALTH_TIMEOUT_SECONDS):
        return lambda: True
    return lambda: is_own_server(port, secret, HEALTH_TIMEOUT_SECONDS)


def _import_prefect(home: Path) -> None:
    with no_settings_of_this_folder(home):
        import prefect.settings  # noqa: F401, PLC0415 - Prefect reads its settings on import


@contextmanager
def _no_heartbeats() -> Iterator[None]:
    """No heartbeats to a temporary server: nothing reads them, and each costs a flow a second."""
    from prefect.settings import (  # noqa: PLC0415 - Prefect reads its settings on import
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _start(
    listener: socket.socket, environment: dict[str, str], home: Path, log: Path
) -> subprocess.Popen[bytes]:
    descriptor = listener.fileno()
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - fixed arguments
            [sys.executable, "-m", "flows.service.server.server_app", str(descriptor)],
            env=environment,
            cwd=home / PREFECT_FOLDER,
            pass_fds=(descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=partial(signal_with_parent, signal.SIGTERM),  # noqa: PLW1509 - no thread runs yet
        )


def _await(server: subprocess.Popen[bytes], api: str, secret: str, log: Path) -> None:
    port = local_port(api)
    assert port is not None
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not is_own_server(port, secret, 1.0):
        ended = server.poll() is not None
        if ended or time.monotonic() > deadline:
            cause = cause_in(log) or (
                f"it ended with status {server.returncode}"
                if ended
                else f"it was not ready after {START_TIMEOUT_SECONDS:g} s"
            )
            raise HomeError(f"the temporary Prefect server did not start: {cause}; see {log}")
        time.sleep(LOOK_SECONDS)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
