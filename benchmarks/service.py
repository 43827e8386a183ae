"""`mriad up` on a home of its own, for the length of a benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mriad_model.phantom import write_folder
from tasks.home import prepare_home

STOP_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Up:
    """The service, ready."""

    process: "subprocess.Popen[bytes]"
    seconds: float  # from its start until it said so


def trained_home(work: Path, seed: int, size: int) -> Path:
    """A home below `work` whose model was trained for a moment on drawn heads."""
    home = prepare_home(work / "home")
    write_folder(work / "drawn", 40, 0, seed, size=size)
    (work / "drawn" / "no").rename(home / "healthy" / "drawn")
    command = [sys.executable, "-m", "flows.cli", "train", "--epochs", "3", "--home", str(home)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return home


@contextmanager
def service(home: Path, **settings: object) -> Iterator[Up]:
    """`mriad up` until the block ends, on a port of its own; settings by their MRIAD_ names."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {**os.environ, "MRIAD_PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    environment |= {name: str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "flows.cli", "up", "--home", str(home), "--json"]
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        try:
            while up.stdout.readline() not in (b"}\n", b""):
                pass
            yield Up(up, time.monotonic() - began)
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(STOP_SECONDS)
