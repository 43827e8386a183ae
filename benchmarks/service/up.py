"""A home with a model, and `mriad up` on it for the length of a block, on a port of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mriad_model.phantom.write import write_folder
from mriad_model.recipes.built_in_recipes import DEFAULT
from tasks.runtime.home import prepare_home

STOP_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Up:
    """The service, ready."""

    process: "subprocess.Popen[bytes]"
    seconds: float  # from its start until it printed that it is ready


def trained_home(work: Path, seed: int, size: int, recipe: str = DEFAULT.name) -> Path:
    """A home below `work` whose model was trained for a moment on drawn heads, by a recipe."""
    home = prepare_home(work / "home")
    write_folder(work / "drawn", 40, 0, seed, size=size)
    (work / "drawn" / "no").rename(home / "healthy" / "drawn")
    command = [
        sys.executable,
        "-m",
        "flows.cli.main",
        "train",
        "--recipe",
        recipe,
        "--epochs",
        "3",
        "--home",
        str(home),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return home


def plain_environment(**settings: str) -> dict[str, str]:
    """Our environment with these settings of mriad's, and none that it may hold itself."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MRIAD_")}
    return own | {f"MRIAD_{name.upper()}": value for name, value in settings.items()}


def free_address() -> str:
    """An address for a Prefect server of our own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/api"


@contextmanager
def running_service(home: Path, quiet: float, environment: Mapping[str, str]) -> Iterator[Up]:
    """Run `mriad up`, and stop it whatever happens."""
    command = [sys.executable, "-m", "flows.cli.main", "up", "--home", str(home), "--json"]
    began = time.monotonic()
    with subprocess.Popen(
        [*command, "--quiet", str(quiet)], env=environment, stdout=subprocess.PIPE
    ) as up:
        try:
            assert up.stdout is not None
            while (line := up.stdout.readline()) != b"}\n":
                if not line:
                    raise SystemExit("mriad up ended before it was ready; see above")
            yield Up(up, time.monotonic() - began)
        finally:
            up.send_signal(signal.SIGTERM)
            try:
                up.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                up.kill()  # its children end with it
                raise
