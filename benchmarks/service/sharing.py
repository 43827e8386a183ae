"""Two workers share a night on PostgreSQL: `python -m benchmarks.service.sharing [--slices 20000]`.

Everything as docs/scaling.md has it: a PostgreSQL server, a Prefect server, a work
pool of type process, `prefect deploy --all`, and workers. Each worker, with all that it starts,
is held to one core, as if it were a machine of one core. The same slices are scored by one
worker, by two, by two of which the one that helps is killed (SIGKILL, with its children) when
half of the scans are decided, and by two of which the one that runs the night is.

The last is marked as crashed and started again by docs/zombies.yaml, with shorter times.

Printed of each: seconds of the run, CPU seconds of the workers and of what serves them (PostgreSQL
and Prefect), who scored how many, and whether the decisions are those of the first, each once.
The servers share the workers' two cores: one worker leaves them a core of their own, two do not, so
the bound printed beside the speed-up is what two cores allow. Needs cores that nobody else uses.
`--no-kills` leaves the last two out.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from db.engine.connect import open_record
from db.entities import Run, RunEnd
from db.repository.reports.history import decisions, tally
from db.repository.reports.history_query import HistoryQuery
from db.repository.runs import run_by_id
from db.repository.scoring.decisions import count_decisions
from mriad_model.errors import NotInRecord
from mriad_model.phantom.write import many_slices, write_folder
from tasks.runtime.home import prepare_home
from tests.chaos.commands import descendants, engine_server
from tests.support.record import postgresql

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
SEED = 7
PATIENCE = 1800.0  # seconds for a night
HEARTBEAT = 30  # seconds; the shortest that Prefect takes
SILENCE = 75  # seconds without one, after which a run has crashed
Decided = list[tuple[str, float, str]]


@dataclass(frozen=True, slots=True)
class Night:
    """What became of a night."""

    seconds: float  # from the start of its run to the end of the last that worked on it
    shares: list[str]  # run: how many it decided
    decided: Decided
    workers_cpu: float  # seconds
    servers_cpu: float


@dataclass(frozen=True, slots=True)
class NightStage:
    """What all nights have in common."""

    work: Path
    server: postgresql.Server
    template: str  # URL of a database in which a model is active
    home: Path  # that belongs to it
    n: int


def main() -> None:
    """Score the slices four times; print what came of it."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.service.sharing", description=__doc__
    )
    options.add_argument("--slices", type=int, default=20_000)
    options.add_argument("--no-kills", action="store_true")
    given = options.parse_args()
    n = given.slices
    if (why := postgresql.missing()) is not None:
        raise SystemExit(why)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and end what was started
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mriad-sharing-")))
        say(f"drawing {n} slices of 256 x 256; load of this machine {os.getloadavg()[0]:.1f} ...")
        many_slices(work / "watched" / "slices", n, SEED)
        (work / "watched" / "slices" / ".complete").touch()
        stage = prepare(work, stack.enter_context(postgresql.server()), n)
        one = night(stage, "one worker", 1)
        two = night(stage, "two workers", 2)
        bound = 2 * one.seconds / (one.workers_cpu + one.servers_cpu)
        say(
            f"speed-up of two over one {one.seconds / two.seconds:.2f}; two cores allow {bound:.2f}"
        )
        nights = [two]
        if not given.no_kills:
            nights += [
                night(stage, "two workers, the shard's killed", 2, kill="score_shard"),
                night(stage, "two workers, the night's own killed", 2, kill="nightly"),
            ]
        wrong = [each for each in nights if each.decided != one.decided]
        say("decisions are the same in all" if not wrong else f"{len(wrong)} DIFFER")
    sys.exit(1 if wrong or len(one.decided) != n else 0)


def prepare(work: Path, server: postgresql.Server, n: int) -> NightStage:
    """A record with an active model."""
    home, url = prepare_home(work / "home"), server.create()
    write_folder(work / "drawn", 40, 0, SEED + 1)
    (work / "drawn" / "no").rename(home / "healthy" / "drawn")
    given = {**os.environ, "MRIAD_DATABASE_URL": url, "MRIAD_HOME": str(home)}
    command = [sys.executable, "-m", "flows.cli.main", "train", "--epochs", "3"]
    subprocess.run(command, check=True, env=given, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    return NightStage(work, server, url, home, n)


def night(stage: NightStage, name: str, workers: int, kill: str | None = None) -> Night:
    """Score the slices by so many workers, from a copy of the record; say what came of it."""
    place = stage.work / name.replace(" ", "-").replace(",", "")
    home = place / "home"
    shutil.copytree(stage.home, home)
    url = stage.server.clone(stage.template)
    record = open_record(home, url)
    before = last_run(record)
    with ExitStack() as stack:
        # A server of its own: it takes a killed run to be under way, and allows one at a time.
        given = environment(stage, home, url, workers, stack.enter_context(engine_server(place)))
        prefect(given, "work-pool", "create", "mriad", "--type", "process")
        prefect(given, "--no-prompt", "deploy", "--all")
        automations = place / "zombies.yaml"
        text = (REPOSITORY / "docs" / "zombies.yaml").read_text()
        automations.write_text(text.replace("within: 600", f"within: {SILENCE}"))
        prefect(given, "automation", "create", "--from-file", str(automations))
        pids = [
            stack.enter_context(worker(given, core, place / f"worker-{core}.log"))
            for core in range(workers)
        ]
        used = cpu_used(pids)
        prefect(given, "deployment", "run", "nightly/nightly-scoring")
        if kill is not None:
            await_half(record, stage.n)
            killed = kill_worker(record, before, pids, kill)
            say(f"  killed {killed} processes of the worker that ran {kill}, half-way")
        await_end(record, before, stage.n)
        workers_cpu, servers_cpu = (
            now - then for now, then in zip(cpu_used(pids), used, strict=True)
        )
    found = night_of(record, before, workers_cpu, servers_cpu)
    record.dispose()
    stage.server.drop(url)
    shutil.rmtree(place)
    rate = stage.n / found.seconds
    say(f"{name}: {found.seconds:.1f} s, {rate:.0f} slices/s; {', '.join(found.shares)}")
    say(f"  CPU: workers {workers_cpu:.0f} s, servers {servers_cpu:.0f} s")
    say(f"  {len(found.decided)} of {stage.n} decided; load {os.getloadavg()[0]:.1f}")
    return found


def environment(stage: NightStage, home: Path, url: str, shards: int, api: str) -> dict[str, str]:
    """What commands and workers are started with."""
    return {
        **os.environ,
        "MRIAD_HOME": str(home),
        "MRIAD_DATABASE_URL": url,
        "MRIAD_PREFECT_API_URL": api,
        "MRIAD_OWN_PREFECT": "true",
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(home.parent / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MRIAD_WATCH": str(stage.work / "watched"),
        "MRIAD_SHARDS": str(shards),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "MRIAD_CHUNK_SIZE": "256",
        "MRIAD_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",  # a worker starts `python`
    }


def prefect(given: dict[str, str], *arguments: str) -> None:
    """One command of Prefect's."""
    done = subprocess.run(
        [PROGRAMS / "prefect", *arguments],
        env=given,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"prefect {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")


@contextmanager
def worker(given: dict[str, str], core: int, log: Path) -> Iterator[int]:
    """A worker of the pool that runs one flow at a time on one core; its process id."""
    cores = sorted(os.sched_getaffinity(0))
    command = [str(PROGRAMS / "prefect"), "worker", "start", "--pool", "mriad", "--limit", "1"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=given,
            cwd=REPOSITORY,
            stdout=out,
            stderr=out,
        )
    os.sched_setaffinity(process.pid, {cores[core % len(cores)]})
    try:
        yield process.pid
    finally:
        for pid in [process.pid, *descendants(process.pid)]:
            end(pid, signal.SIGKILL)
        process.wait()


def await_half(record: Engine, n: int) -> None:
    """Wait until half of the scans are decided."""
    wait_for(lambda: count_decisions(record) >= n // 2)


def await_end(record: Engine, before: int, n: int) -> None:
    """Wait until all is decided, and the night's run has ended."""
    wait_for(
        lambda: (
            count_decisions(record) >= n
            and any(run.flow == "nightly" and end is not None for run, end in runs(record, before))
        )
    )


def wait_for(happened: Callable[[], bool]) -> None:
    """Ask until it has."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            raise SystemExit("the night does not end")
        time.sleep(0.5)


def kill_worker(record: Engine, before: int, pids: list[int], flow: str) -> int:
    """Kill the worker that runs this flow, and all that it started; how many processes."""
    found = [run.flow_run_id for run, end in runs(record, before) if run.flow.startswith(flow)]
    if not found:
        raise SystemExit(f"{flow} has not begun when half is decided: take more slices")
    (wanted,) = found
    for pid in pids:
        tree = descendants(pid)
        if any(wanted.encode() in environment_of(each) for each in tree):
            for each in [pid, *tree]:
                end(each, signal.SIGKILL)
            return 1 + len(tree)
    raise SystemExit(f"no worker runs {flow}")


def cpu_used(workers: Sequence[int]) -> tuple[float, float]:
    """CPU seconds until now of the workers with all they started, and of this program's others."""
    of_workers = {each for pid in workers for each in [pid, *descendants(pid)]}
    others = set(descendants(os.getpid())) - of_workers
    return sum(map(_cpu_of, of_workers)), sum(map(_cpu_of, others))


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended; 0 where it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def night_of(record: Engine, before: int, workers_cpu: float, servers_cpu: float) -> Night:
    """Its figures in the record."""
    found = runs(record, before)
    ends = [end for _, end in found if end is not None]
    begun = datetime.fromisoformat(found[0][0].started_at)
    ended = max(datetime.fromisoformat(end.ended_at) for end in ends)
    rows = decisions(record, HistoryQuery(limit=None))
    return Night(
        seconds=(ended - begun).total_seconds(),
        shares=[
            f"{run.flow} {tally(record, [run.id]).decisions}"
            for run, _ in found
            if run.id is not None
        ],
        decided=sorted((str(row.path), row.score, row.verdict.value) for row in rows),
        workers_cpu=workers_cpu,
        servers_cpu=servers_cpu,
    )


def runs(record: Engine, before: int) -> list[tuple[Run, RunEnd | None]]:
    """The night's run, and its shards."""
    return [
        run_by_id(record, run_id)
        for run_id in range(before + 1, last_run(record) + 1)
        if _is_of_the_night(run_by_id(record, run_id)[0])
    ]


def _is_of_the_night(run: Run) -> bool:
    return run.flow == "nightly" or run.flow.startswith("score_shard")


def last_run(record: Engine) -> int:
    """The id of the last run."""
    number = 0
    with suppress(NotInRecord):
        while True:
            run_by_id(record, number + 1)
            number += 1
    return number


def environment_of(pid: int) -> bytes:
    """What a process was started with; nothing where it has gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def end(pid: int, how: signal.Signals) -> None:
    """A signal to a process that may have gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, how)


def say(line: str) -> None:
    """One line of the result."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
