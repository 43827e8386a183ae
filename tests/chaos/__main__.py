"""Kill -9 at random moments over ingest, train, score and recalibrate; then compare the records.

python -m tests.chaos [--kills 100] [--seed 0]

The same commands run twice over the same drawn heads: undisturbed, and killed again and again,
each until it has had its share of kills and is let through. The record has to end the same, row
by row (ids, times and runs aside), every heatmap as recorded, and no process left behind. Some
kills hit the workflow engine's server instead.
"""

import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol

import flows.cli
from flows.server import answers
from mriad_model.files import sha256_of
from mriad_model.phantom import write_folder
from tests.chaos.record import count_runs, lines_of

REPOSITORY = Path(__file__).resolve().parents[2]
N_HEALTHY, N_NEW, SIZE = 30, 48, 96
SERVER_KILLS = 0.05  # share of the kills that hit the engine's server
PATIENCE = 180.0  # seconds for a command


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and how often it is killed."""

    arguments: tuple[str, ...]
    share: float


NOWHERE = "http://127.0.0.1:9/api"
# Commands are forked from a process that has imported everything, or each would load for seconds.
FORKED = multiprocessing.get_context("forkserver")
LOADED = ["flows.ingestion", "flows.training", "flows.scoring", "flows.recalibration"]

STEPS = (
    Step(("ingest", "{heads}/no", "--label", "healthy"), 0.2),
    Step(("train", "--epochs", "4"), 0.25),
    Step(("score", "{new}"), 0.35),
    Step(("recalibrate", "--sigmas", "2"), 0.1),
    Step(("score", "{new}"), 0.1),
)


class Running(Protocol):
    """A command that runs."""

    pid: int

    def poll(self) -> int | None:
        """Its exit status, if it has ended."""

    def wait(self, timeout: float) -> int:
        """Wait for its end; its exit status."""


class Forked:
    """A forked command, as `subprocess` would have it."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    def poll(self) -> int | None:
        """Its exit status, if it has ended."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait for its end; its exit status."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise SystemExit(f"a command did not end in {timeout:.0f} s")
        return self._process.exitcode


def command(arguments: list[str], output: str) -> None:
    """Run a command in this process, which was forked for it."""
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.exit(flows.cli.main(arguments))


@dataclass(slots=True)
class Tally:
    """What happened."""

    kills: int = 0
    of_server: int = 0
    restarts: int = 0


def main() -> None:
    """Run both, compare, say what was found; exits 1 where the records differ."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="mriad-chaos-") as scratch:
        work = Path(scratch)
        write_folder(work / "heads", N_HEALTHY, 0, 1, size=SIZE)
        write_folder(work / "new", 0, N_NEW, 2, size=SIZE)
        (work / "new" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        tally = Tally()
        with engine_server(work) as api:
            load(work, api)
            calm = [run(step, work, work / "calm", api) for step in STEPS]
            for step, seconds in zip(STEPS, calm, strict=True):
                disturb(step, work, api, round(given.kills * step.share), seconds, rng, tally)
        differences = compare(work / "calm", work / "wild")
        left = survivors(work)
    say(f"{tally.kills} kills, {tally.of_server} of them of the server; {tally.restarts} restarts")
    say(f"{len(differences)} differences, {len(left)} processes left behind")
    for line in [*differences[:20], *left]:
        say(f"  {line}")
    sys.exit(1 if differences or left else 0)


def load(work: Path, api: str) -> None:
    """Set what the commands are to know, and what they are forked with."""
    os.environ |= {
        "MRIAD_CHUNK_SIZE": "6",
        "MRIAD_DEVICE": "cpu",
        "MRIAD_PREFECT_API_URL": api,
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(work / "prefect"),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    FORKED.set_forkserver_preload(LOADED)


def disturb(
    step: Step,
    work: Path,
    api: str,
    kills: int,
    seconds: float,
    rng: random.Random,
    tally: Tally,
) -> None:
    """Kill a command so many times, each at a random moment of its run; then let it through."""
    home = work / "wild"
    done = 0
    while done < kills:
        with_server = rng.random() < SERVER_KILLS
        before = count_runs(home)
        process = start(step, work, home, None if with_server else api)
        began = time.monotonic()
        while count_runs(home) == before and process.poll() is None:
            time.sleep(0.01)
            if time.monotonic() - began > PATIENCE:
                raise SystemExit(f"{step.arguments[0]} did not begin in {PATIENCE:.0f} s")
        time.sleep(rng.uniform(0, 1.1 * seconds))
        if process.poll() is None:
            victim = server_of(process.pid) if with_server else process.pid
            os.kill(victim or process.pid, signal.SIGKILL)
            tally.of_server += victim is not None and with_server
            done += 1
            tally.kills += 1
        process.wait(PATIENCE)
        tally.restarts += 1
    run(step, work, home, api)
    say(f"  {step.arguments[0]}: killed {kills} times")


def run(step: Step, work: Path, home: Path, api: str) -> float:
    """Run a command to its end; how long its flow took, seconds."""
    before = count_runs(home)
    process = start(step, work, home, api)
    while count_runs(home) == before and process.poll() is None:
        time.sleep(0.01)
    began = time.monotonic()
    if process.wait(PATIENCE) != 0:
        log = (work / "output.log").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(step.arguments)} failed:\n{log}")
    return time.monotonic() - began


def start(step: Step, work: Path, home: Path, api: str | None) -> "Running":
    """Start a command; with no `api` as a process that starts a server of its own."""
    places = {"heads": str(work / "heads"), "new": str(work / "new")}
    arguments = [each.format(**places) for each in step.arguments]
    arguments += ["--home", str(home)]
    output = work / "output.log"
    if api is not None:
        forked = FORKED.Process(target=command, args=(arguments, str(output)))
        forked.start()
        return Forked(forked)
    environment = {**os.environ, "MRIAD_PREFECT_API_URL": NOWHERE}
    with output.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
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
        until = time.monotonic() + PATIENCE
        while not answers(api):
            if time.monotonic() > until or server.poll() is not None:
                raise SystemExit("no workflow server came up")
            time.sleep(0.2)
        yield api
    finally:
        server.terminate()
        server.wait(PATIENCE)


def server_of(pid: int) -> int | None:
    """The workflow server that a command has started, if it is up."""
    for line in processes():
        child, parent, command = line.split(maxsplit=2)
        if int(parent) == pid and "uvicorn" in command:
            return int(child)
    return None


def processes() -> Sequence[str]:
    """`pid ppid command` of every process."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()


def survivors(work: Path) -> list[str]:
    """Processes that still name the scratch folder."""
    time.sleep(2)
    return [line for line in processes() if str(work) in line]


def compare(calm: Path, wild: Path) -> list[str]:
    """What the two homes' records do not have in common, and heatmaps that are not as recorded."""
    one, other = lines_of(calm), lines_of(wild)
    differences = [f"only undisturbed: {line}" for line in sorted(set(one) - set(other))]
    differences += [f"only after kills: {line}" for line in sorted(set(other) - set(one))]
    if len(one) != len(other):
        differences.append(f"{len(one)} rows undisturbed, {len(other)} after kills")
    for line in other:
        table, _, rest = line.partition(" ")
        if table == "heatmap":
            *_, path, sha256 = rest.split("|")
            if not (wild / path).exists() or sha256_of(wild / path) != sha256:
                differences.append(f"not as recorded: {path}")
    return differences


def say(line: str) -> None:
    """One line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
