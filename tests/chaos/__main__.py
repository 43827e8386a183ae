"""Kill -9 at random moments over all that writes the record; then compare the records.

python -m tests.chaos [--kills 100] [--seed 0]

The same work is done twice over the same drawn heads: undisturbed, and killed again and again,
each step until it has had its share of kills and is let through. The steps are ingest, train,
score and recalibrate as commands (some kills hit the workflow engine's server instead), `mriad
watch`, and `mriad up` with a nightly run every minute, of which any process is hit, or all at
once, as when a machine dies. The record has to end the same, row by row (ids, times and runs
aside), every heatmap as recorded, `mriad check` content, and no process left behind. Kills inside
a run that writes, one begun and without an end in the record, are counted apart.
"""

import argparse
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mriad_model.files import sha256_of
from mriad_model.phantom.write import write_folder
from tests.chaos.commands import (
    PATIENCE,
    REPOSITORY,
    engine_server,
    kill,
    naming,
    say,
    server_of,
    start,
    wait_until,
)
from tests.chaos.record import count_runs, lines_of, open_runs
from tests.chaos.stream import Stream

N_HEALTHY, N_NEW, SIZE = 36, 120, 96
MOST_ATTEMPTS = 5  # at a kill, on the mean: what came through may find nothing more to do
SERVER_KILLS = 0.05  # share of the commands' kills that hit the engine's server


@dataclass(frozen=True, slots=True)
class Step:
    """One command, which share of the kills it gets, and what it is to read."""

    arguments: tuple[str, ...]
    share: float
    reads: str | None = None  # a folder in the home, filled part by part from the drawn one
    part: tuple[float, float] = (0.0, 1.0)  # of that folder, from and to


STEPS = (
    Step(("ingest", "--label", "healthy"), 0.12, "no"),
    Step(("train", "--epochs", "4"), 0.18),
    Step(("score",), 0.22, "yes", part=(0.0, 0.8)),
    Step(("recalibrate", "--sigmas", "2"), 0.06),
    Step(("score",), 0.04, "yes", part=(0.8, 1.0)),
)
WATCH_SHARE, UP_SHARE = 0.14, 0.24


def main() -> None:
    """Run both, compare, say what was found; exits 1 where the records differ."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng = random.Random(given.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mriad-chaos-") as scratch:
        work = Path(scratch)
        write_folder(work / "heads", N_HEALTHY, N_NEW, 1, size=SIZE)
        (work / "heads" / "yes" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        watched, up = (round(given.kills * share) for share in (WATCH_SHARE, UP_SHARE))
        stream = Stream(work, rng, watched, up)
        killed: Counter[str] = Counter()
        inside: Counter[str] = Counter()
        with engine_server(work) as api:
            calm = [run(step, work, work / "calm", api) for step in STEPS]
            stream.flow_calmly(work / "calm", api)
            for step, seconds in zip(STEPS, calm, strict=True):
                disturb(
                    step, work, api, round(given.kills * step.share), seconds, rng, killed, inside
                )
            killed += stream.disturb_watch(work / "wild", api)
        killed += stream.disturb_up(work / "wild")
        inside += stream.inside
        differences = compare(work / "calm", work / "wild") + stream.complaints
        rows = Counter(line.split(" ", 1)[0] for line in lines_of(work / "wild"))
        differences += complaints_of_check(work / "wild")
        left = survivors(work)
    say(
        f"{killed.total()} kills in {(time.monotonic() - began) / 60:.0f} min: "
        + ", ".join(f"{name} {n}" for name, n in sorted(killed.items()))
    )
    say(
        f"{inside.total()} of them inside a run that was writing: "
        + ", ".join(f"{name} {n}" for name, n in sorted(inside.items()))
    )
    say("rows compared: " + ", ".join(f"{name} {n}" for name, n in rows.items()))
    say(f"{len(differences)} differences, {len(left)} processes left behind")
    for line in [*differences[:20], *left]:
        say(f"  {line}")
    sys.exit(1 if differences or left else 0)


def disturb(
    step: Step,
    work: Path,
    api: str,
    kills: int,
    seconds: float,
    rng: random.Random,
    killed: Counter[str],
    inside: Counter[str],
) -> None:
    """Kill a command so many times, each at a random moment of its run; then let it through.

    Each time there is something new for it to read. `seconds` it ran undisturbed; where it ends
    before it is killed, it is given less.
    """
    home, name = work / "wild", step.arguments[0]
    done = attempts = 0
    while done < kills:
        with_server = rng.random() < SERVER_KILLS
        before, dead = count_runs(home), open_runs(home)
        attempts += 1
        process = begin(step, work, home, None if with_server else api, attempts / (2 * kills))
        wait_until(partial(has_begun, home, before, process), f"{name} did not begin")
        time.sleep(rng.uniform(0, seconds))
        if process.poll() is None:
            server = server_of(process.pid) if with_server else None
            writing = open_runs(home) - dead
            kill(server or process.pid)
            victim = "its server" if server else name
            done += 1
            killed[victim] += 1
            inside[victim] += bool(writing)
        elif attempts >= MOST_ATTEMPTS * kills:
            say(f"  {name}: came through, so it is killed no more")
            break
        else:
            seconds *= 0.8
        process.wait(PATIENCE)
    run(step, work, home, api)
    say(f"  {name}: killed {done} times in {attempts} runs")


def run(step: Step, work: Path, home: Path, api: str) -> float:
    """Run a command to its end; how long its flow took, seconds."""
    before = count_runs(home)
    process = begin(step, work, home, api, 1.0)
    wait_until(partial(has_begun, home, before, process), f"{step.arguments[0]} did not begin")
    began = time.monotonic()
    if process.wait(PATIENCE) != 0:
        log = (work / "output.log").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(step.arguments)} failed:\n{log}")
    return time.monotonic() - began


def begin(
    step: Step, work: Path, home: Path, api: str | None, share: float
) -> "subprocess.Popen[bytes]":
    """Start a command once so much of what it is to read is there."""
    arguments = list(step.arguments)
    if step.reads is not None:
        files = sorted((work / "heads" / step.reads).iterdir())
        target = home / "arrived" / step.reads
        target.mkdir(parents=True, exist_ok=True)
        low, high = step.part
        for file in files[: math.ceil((low + min(share, 1.0) * (high - low)) * len(files))]:
            if not (target / file.name).exists():
                shutil.copyfile(file, target / file.name)
        arguments.insert(1, str(target))
    return start(arguments, work, home, api)


def has_begun(home: Path, before: int, process: "subprocess.Popen[bytes]") -> bool:
    """Whether its run is in the record, or it has ended."""
    return count_runs(home) != before or process.poll() is not None


def survivors(work: Path) -> list[str]:
    """Processes started with the scratch folder."""
    time.sleep(2)
    return naming(work)


def complaints_of_check(home: Path) -> list[str]:
    """What `mriad check` says of a record that was killed over so often, if it is not content."""
    command = [sys.executable, "-m", "flows.cli.main", "check", "--json", "--home", str(home)]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return [] if found.returncode == 0 else [f"mriad check: {found.stdout}{found.stderr}"]


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


if __name__ == "__main__":
    main()
