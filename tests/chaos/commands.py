"""The commands that are killed, and the workflow server they share."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.service.server.prefect_server import answers
from flows.service.warm_runs import RUN
from tests.support.places import REPOSITORY

PATIENCE = 300.0  # seconds for anything


def start(
    arguments: Sequence[str], work: Path, home: Path, api: str | None, **settings: str
) -> "subprocess.Popen[bytes]":
    """Start a command of mriad's; with no `api` it starts a server of its own."""
    environment = {
        **os.environ,
        "MRIAD_CHUNK_SIZE": "6",
        "MRIAD_DEVICE": "cpu",
        "MRIAD_PREFECT_API_URL": api or "http://127.0.0.1:9/api",
        "MRIAD_OWN_PREFECT": "true",
        **settings,
    }
    with (work / "output.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli.main", *arguments, "--home", str(home)],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=log,
        )


@contextmanager
def engine_server(work: Path) -> Iterator[str]:
    """A workflow server that stays, so that a command begins in seconds."""
    port = 4300 + os.getpid() % 500
    api = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, "PREFECT_HOME": str(work / "prefect"), "DO_NOT_TRACK": "1"}
    environment |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "ERROR"}
    factory = "prefect.server.api.server:create_app"
    with (work / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: answers(api) or server.poll() is not None, "no workflow server came up")
        yield api
    finally:
        server.terminate()
        server.wait(PATIENCE)


def wait_until(what: Callable[[], object], complaint: str, seconds: float = PATIENCE) -> None:
    """Wait for something to be so.

    Raises:
        SystemExit: it is not so after so many seconds.
    """
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise SystemExit(f"{complaint} in {seconds:.0f} s")
        time.sleep(0.05)


def server_of(pid: int) -> int | None:
    """The workflow server that a command has started, if it is up."""
    for line in processes():
        child, parent, command = line.split(maxsplit=2)
        if int(parent) == pid and "flows.service.server.server_app" in command:
            return int(child)
    return None


def processes() -> Sequence[str]:
    """`pid ppid command` of every process."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()


def naming(place: Path) -> list[str]:
    """Processes that were started with this path: among their words or in their settings."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            if os.fsencode(place) in words + b"\0" + (folder / "environ").read_bytes():
                told = words.replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{folder.name} {told}")
    return found


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process has started, and those that they have: pid -> command."""
    children: dict[int, list[tuple[int, str]]] = {}
    for line in processes():
        child, parent, command = line.split(maxsplit=2)
        children.setdefault(int(parent), []).append((int(child), command))
    found = list(children.get(pid, []))
    for each, _ in found:
        found += children.get(each, [])
    return dict(found)


def is_run(pid: int) -> bool:
    """Whether a process is a run, by the name that it gives itself."""
    try:
        return (Path("/proc") / str(pid) / "comm").read_text().strip() == RUN
    except OSError:
        return False


def kill(pid: int) -> None:
    """SIGKILL to a process that may have gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def say(line: str) -> None:
    """One line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
