"""`mriad up` under a trickle of scans: does anything grow? `python -m benchmarks.service.trickle`.

A folder of one to three pictures is dropped in every --every seconds for --minutes, every tenth
with a broken file, and the nightly run comes every ten minutes. Each minute the processes that
`mriad up` keeps are looked at: memory (anonymous: what they share with others moves with those),
open files, sockets, threads; and how many processes there are, runs and their readers among them.
At the end: the last quarter of the time next to the second, how large the logs and databases have
become, and that every folder was decided once.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import text

from benchmarks.service.up import free_address, plain_environment, running_service, trained_home
from db.engine.connect import open_record, reading
from mriad_model.phantom.write import write_folder

SEED = 5
SIDE = 64
QUIET_SECONDS = 5.0
SAMPLE_SECONDS = 60.0
SETTLE_SECONDS = 120.0
BROKEN_EVERY = 10
Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
ROLES = ("up", "server", "serve", "watch")


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process at one moment."""

    memory: float  # anonymous, MiB
    files: int
    sockets: int
    threads: int


@dataclass(slots=True)
class Seen:
    """What was seen, minute by minute."""

    kept: dict[str, list[ProcessSample]] = field(
        default_factory=lambda: {role: [] for role in ROLES}
    )
    processes: list[int] = field(default_factory=list)  # at rest: no run under way
    restarts: int = 0
    pids: dict[str, int] = field(default_factory=dict)

    def look(self, up: int) -> None:
        """Note how things stand."""
        tree = tree_of(up)
        roles = {role: pid for pid, role in tree.items() if role in ROLES}
        for role, pid in roles.items():
            self.restarts += self.pids.get(role, pid) != pid
            self.pids[role] = pid
            with suppress(OSError):
                self.kept[role].append(sample(pid))
        if "run" not in tree.values():
            self.processes.append(len(tree))


def main() -> None:
    """Run it and print the table; exits 1 where a folder was not decided once."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.service.trickle", description=__doc__
    )
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--every", type=float, default=20.0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mriad-trickle-") as scratch:
        work = Path(scratch)
        home = trained_home(work, SEED + 1, SIDE)
        write_folder(work / "heads", 20, 20, SEED, size=SIDE)
        environment = plain_environment(prefect_api_url=free_address(), nightly="*/10 * * * *")
        with running_service(home, QUIET_SECONDS, environment) as up:
            say(f"mriad up: ready after {up.seconds:.1f} s")
            seen, dropped = watch(up.process, home, work / "heads", given.minutes, given.every)
        report(seen)
        wrong = told_of_home(home, dropped)
    sys.exit(1 if wrong or seen.restarts else 0)


def watch(
    up: "subprocess.Popen[bytes]", home: Path, heads: Path, minutes: float, every: float
) -> tuple[Seen, int]:
    """Drop folders and look, for so long; then wait until all are decided."""
    bases = [
        np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        for path in sorted(heads.rglob("*.png"))
        if path.parent.name in ("no", "yes")
    ]
    chance, seen, n = random.Random(SEED), Seen(), 0
    began = time.monotonic()
    next_drop = next_look = began
    while time.monotonic() < began + 60 * minutes and up.poll() is None:
        if time.monotonic() >= next_drop:
            drop(home / "inbox" / f"scan-{n:05d}", bases, n, chance)
            n, next_drop = n + 1, next_drop + every
        if time.monotonic() >= next_look:
            seen.look(up.pid)
            next_look += SAMPLE_SECONDS
        time.sleep(max(0.0, min(next_drop, next_look) - time.monotonic()))
    deadline = time.monotonic() + SETTLE_SECONDS
    while count(home, "arrival_end") < n and time.monotonic() < deadline:
        time.sleep(1.0)
    return seen, n


def drop(folder: Path, bases: Sequence[Picture], number: int, chance: random.Random) -> None:
    """A delivery like no other; every tenth holds a file that is no scan."""
    folder.mkdir()
    for k in range(chance.randint(1, 3)):
        base = chance.choice(bases).astype(np.int16)
        noise = np.random.default_rng([number, k]).integers(-3, 4, base.shape)
        drawn = np.where(base > 8, np.clip(base + noise, 0, 255), 0).astype(np.uint8)
        (folder / f"{k}.png").write_bytes(cv2.imencode(".png", drawn)[1].tobytes())
    if number % BROKEN_EVERY == 0:
        (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture" + bytes([number % 256]))


def tree_of(up: int) -> dict[int, str]:
    """The service and all that comes of it: pid -> its role, `run` for a flow run."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    lines = [line.split(maxsplit=2) for line in found.stdout.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, *_ in lines}
    commands = {int(pid): " ".join(rest) for pid, _, *rest in lines}
    tree = {up: "up"}
    for pid in sorted(parents):
        above: list[int] = [pid]
        while above[-1] in parents and above[-1] != up:
            above.append(parents[above[-1]])
        if above[-1] == up and pid != up:
            words = commands[pid].split()
            role = (
                words[words.index("flows.service.child_roles") + 1]
                if "flows.service.child_roles" in words
                else ""
            )
            tree[pid] = role or ("run" if "spawn_main" in commands[pid] else "other")
    return tree


def sample(pid: int) -> ProcessSample:
    """How large a process is, by the kernel's own tables.

    Raises:
        OSError: it has gone.
    """
    folder = Path(f"/proc/{pid}")
    rollup = (folder / "smaps_rollup").read_text()
    kib = next(
        int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anonymous:")
    )
    opened = []
    for each in (folder / "fd").iterdir():
        with suppress(OSError):
            opened.append(str(each.readlink()))
    return ProcessSample(
        memory=kib / 1024,
        files=len(opened),
        sockets=sum(each.startswith("socket:") for each in opened),
        threads=len(list((folder / "task").iterdir())),
    )


def report(seen: Seen) -> None:
    """The table."""
    say(f"{'':8} {'memory MiB':>22} {'files':>12} {'sockets':>12} {'threads':>12}")
    for role, samples in seen.kept.items():
        quarter = max(1, len(samples) // 4)
        early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
        most = max(each.memory for each in samples)
        told = [f"{role:8} {middle(early, 'memory'):6.1f} → {middle(late, 'memory'):6.1f}"]
        told += [f"({most:.0f})"]
        for name in ("files", "sockets", "threads"):
            told.append(f"{middle(early, name):5.0f} → {middle(late, name):4.0f}")
        say(" ".join(told))
    say("median of the second quarter of the time → of the last (most memory)")
    for role, samples in seen.kept.items():
        course = [f"{each.memory:.0f}" for each in samples[:: max(1, len(samples) // 12)]]
        say(f"{role} in the course of it, MiB: {' '.join(course)}")
    rest = Counter(seen.processes)
    say(f"processes at rest: {dict(sorted(rest.items()))} (number: how often seen)")
    say(f"restarts of what mriad up keeps: {seen.restarts}")


def middle(samples: Sequence[ProcessSample], name: str) -> float:
    """The median of one thing."""
    return statistics.median(float(getattr(each, name)) for each in samples)


def told_of_home(home: Path, dropped: int) -> bool:
    """Print what lies in the home; whether a folder was not decided once."""
    with reading(open_record(home)) as connection:
        runs = connection.execute(
            text(
                "SELECT flow, status, count(*) FROM run LEFT JOIN run_end ON run.id = run_id"
                " GROUP BY flow, status"
            )
        ).all()
        twice = connection.scalar(
            text(
                "SELECT count(*) FROM (SELECT 1 FROM decision"
                " GROUP BY scan_id, threshold_id HAVING count(*) > 1)"
            )
        )
    ended, rejected = count(home, "arrival_end"), count(home, "rejection")
    decided = count(home, "decision")
    say(f"folders {dropped}, done with {ended}; decisions {decided}, of one scan twice {twice}")
    say(f"rejections {rejected}, wanted {-(-dropped // BROKEN_EVERY)}; runs: {runs}")
    sizes = {
        str(path.relative_to(home)): path.stat().st_size
        for path in [*home.glob("*.db*"), *home.glob(".prefect/*.db*"), *home.glob("logs/*")]
    }
    say("bytes: " + json.dumps(dict(sorted(sizes.items()))))
    left = [str(each.relative_to(home)) for each in home.glob("work/*")]
    say(f"left in work: {left}")
    return bool(twice) or ended != dropped or rejected != -(-dropped // BROKEN_EVERY) or bool(left)


def count(home: Path, table: str) -> int:
    """Rows of a table."""
    with reading(open_record(home)) as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def say(line: str) -> None:
    """One line of the result."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
