"""`mriad up`: Prefect server, deployments, watcher and the reader's pages as one process tree."""

import fcntl
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from flows.runtime.context import Context, kept_log
from flows.runtime.messages import say
from flows.runtime.prefect_environment import (
    PREFECT_FOLDER,
    SAYS_ERRORS,
    local_api,
    service_environment,
)
from flows.service import pages as reader_pages
from flows.service.process import SERVE, SERVER, WATCH, ManagedProcess
from flows.service.server.prefect_server import HEALTH_TIMEOUT_SECONDS, listen, own_server
from flows.service.server.server_secret import is_own_server
from mriad_model.errors import HomeError, SettingsError

LOCK = "service.lock"
READY_SECONDS = 120.0
START_ATTEMPTS = 3  # at each child
PORT_SECONDS = 20.0  # for the port of a killed service to become free
LOOK_SECONDS = 0.2
START_LOOK_SECONDS = 1.0
HEALTH_SECONDS = 30.0
UNHEALTHY = 4  # times in a row


def run_service(place: Context, ready: Callable[[int], None]) -> None:
    """Run everything until an exception (SIGTERM, Ctrl-C).

    Calls `ready` with the port of the reader's pages once scans are scored.

    Raises:
        SettingsError: the address of the server or of the pages is not on this machine, or taken.
        HomeError: a service runs on this home already, or this one does not start.
    """
    home = place.home
    port, secret = own_server(home, place.settings)
    with (
        only_one(home),
        held_port(port) as listener,
        reader_pages.listen_for_pages(place.settings) as pages_listener,
    ):
        log = kept_log("mriad.service", home / "logs" / "service.log")
        environment = service_environment(home, place.settings, local_api(port), secret)
        # Not in the current folder: Prefect would read settings from there.
        folder = home / PREFECT_FOLDER
        server = ManagedProcess(SERVER, environment | SAYS_ERRORS, log, 10.0, folder, listener)
        serve = ManagedProcess(SERVE, environment, log, 40.0, folder)
        watch = ManagedProcess(WATCH, environment, log, 10.0, folder)
        pages = ManagedProcess(
            reader_pages.ROLE,
            environment,
            log,
            10.0,
            folder,
            pages_listener,
            module=reader_pages.MODULE,
        )
        children = (server, serve, watch, pages)
        up = partial(is_own_server, port, secret)
        try:
            start_children(children, up, home, log)
            log.info("ready")
            ready(pages_listener.getsockname()[1])
            _keep(children, up, log)
        finally:
            _stop((pages, watch, serve, server))
            log.info("stopped")


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home's lock; the kernel releases it however the process ends.

    Raises:
        HomeError: another holds it.
    """
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(descriptor, 20).decode("ascii", "replace").strip()
            raise HomeError(
                f"{home}: mriad up runs here already, as process {pid or 'unknown'}; stop it first"
            ) from error
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held_port(port: int) -> Iterator[socket.socket]:
    """Hold the server's port from before it starts until after it ends.

    A restarted server takes it over, and no other process can listen there meanwhile. After a
    service that was killed, the port may take a moment to become free.

    Raises:
        SettingsError: another process keeps the port.
    """
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            listener = listen(port)
        except OSError as error:
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"port {port} is taken, perhaps by another Prefect server; stop that, or set "
                    "MRIAD_PREFECT_API_URL=http://127.0.0.1:PORT/api"
                ) from error
            time.sleep(LOOK_SECONDS)
        else:
            with listener:
                yield listener
            return


def start_children(
    children: tuple[ManagedProcess, ...],
    up: Callable[[float], bool],
    home: Path,
    log: logging.Logger,
) -> None:
    """Start all at once: each loads for seconds, and they wait for each other.

    Raises:
        HomeError: one of them keeps exiting, or they are not ready in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    started = False
    others = children[1:]  # the server is ready when it answers
    while not (started and all(each.ready.is_set() for each in others) and up(START_LOOK_SECONDS)):
        for child in children:
            if (news := child.keep()) is None:
                continue
            if child.failures == START_ATTEMPTS:
                raise HomeError(
                    f"{news.split(';', maxsplit=1)[0]}, {START_ATTEMPTS} times; "
                    f"{home}/logs/service.log says why"
                )
            log.warning(news)
            say(news)
        started = True
        if time.monotonic() > deadline:
            raise HomeError(f"not ready after {READY_SECONDS:g} s; see {home}/logs/service.log")
        time.sleep(LOOK_SECONDS)


def _keep(
    children: tuple[ManagedProcess, ...], up: Callable[[float], bool], log: logging.Logger
) -> None:
    """Restart child processes that exit, and a server that no longer answers."""
    unhealthy, looked = 0, time.monotonic()
    server = children[0]
    while True:
        for child in children:
            if (news := child.keep()) is not None:
                log.warning(news)
                say(news)
        if time.monotonic() - looked > HEALTH_SECONDS:
            unhealthy = 0 if up(HEALTH_TIMEOUT_SECONDS) else unhealthy + 1
            looked = time.monotonic()
            if unhealthy == UNHEALTHY and server.pid is not None:
                log.warning("the server no longer answers; restarting it")
                os.kill(server.pid, signal.SIGKILL)
                unhealthy = 0
        time.sleep(LOOK_SECONDS)


def _stop(children: tuple[ManagedProcess, ...]) -> None:
    """Stop the children in this order. A second Ctrl-C waits."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _STOPPING}
    try:
        for child in children:
            child.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_STOPPING = (signal.SIGINT, signal.SIGTERM)
