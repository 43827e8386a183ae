"""Kill -9 at random moments over all that writes the record; then compare the records.

python -m tests.chaos [--kills 100] [--seed 0]

The same work is done twice over the same drawn heads: undisturbed, and killed again and again,
each step until it has had its share of kills and is let through. The steps are ingest, train,
score and recalibrate as commands (some kills hit the workflow engine's server instead), `mriad
watch`, and `mriad up` with a nightly run every minute, of which any process is hit, or all at
once, as when a machine dies. The record has to end the same, row by row (ids, times and runs
aside), every heatmap as recorded, and no process left behind.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mriad_model.files import sha256_of
from mriad_model.phantom import write_folder
from tests.chaos.commands import (
    PATIENCE,
    engine_server,
    kill,
    naming,
    say,
    server_of,
    start,
    wait_until,
)
from tests.chaos.record import count_runs, lines_of
from tests.chaos.stream import Stream

N_HEALTHY, N_NEW, SIZE = 30, 48, 96
SERVER_KILLS = 0.05  # share of the commands' kills that hit the engine's server


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and which share of the kills it gets."""

    arguments: tuple[str, ...]
    share: float


STEPS = (
    Step(("ingest", "{heads}/no", "--label", "healthy"), 0.12),
    Step(("train", "--epochs", "4"), 0.18),
    Step(("score", "{new}"), 0.22),
    Step(("recalibrate", "--sigmas", "2"), 0.06),
    Step(("score", "{new}"), 0.04),
)
WATCH_SHARE, UP_SHARE = 0.14, 0.24


@dataclass(slots=True)
class Tally:
    """What was killed, and how often a command was started."""

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0


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
        write_folder(work / "heads", N_HEALTHY, 0, 1, size=SIZE)
        write_folder(work / "new", 0, N_NEW, 2, size=SIZE)
        (work / "new" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        watched, up = (round(given.kills * share) for share in (WATCH_SHARE, UP_SHARE))
        stream = Stream(work, rng, watched, up)
        tally = Tally()
        with engine_server(work) as api:
            calm = [run(step, work, work / "calm", api) for step in STEPS]
            stream.flow_calmly(work / "calm", api)
            for step, seconds in zip(STEPS, calm, strict=True):
                disturb(step, work, api, round(given.kills * step.share), seconds, rng, tally)
            tally.kills += stream.disturb_watch(work / "wild", api)
        tally.kills += stream.disturb_up(work / "wild")
        differences = compare(work / "calm", work / "wild") + stream.complaints
        rows = Counter(line.split(" ", 1)[0] for line in lines_of(work / "wild"))
        left = survivors(work)
    say(
        f"{tally.kills.total()} kills in {(time.monotonic() - began) / 60:.0f} min: "
        + ", ".join(f"{name} {n}" for name, n in sorted(tally.kills.items()))
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
    tally: Tally,
) -> None:
    """Kill a command so many times, each at a random moment of its run; then let it through."""
    home = work / "wild"
    name = step.arguments[0]
    done = 0
    while done < kills:
        with_server = rng.random() < SERVER_KILLS
        before = count_runs(home)
        process = start(placed(step, work), work, home, None if with_server else api)
        wait_until(lambda: count_runs(home) != before or process.poll() is not None, name)  # noqa: B023
        time.sleep(rng.uniform(0, 1.1 * seconds))
        if process.poll() is None:
            server = server_of(process.pid) if with_server else None
            kill(server or process.pid)
            done += 1
            tally.kills["its server" if server else name] += 1
        process.wait(PATIENCE)
    run(step, work, home, api)
    say(f"  {name}: killed {kills} times")


def run(step: Step, work: Path, home: Path, api: str) -> float:
    """Run a command to its end; how long its flow took, seconds."""
    before = count_runs(home)
    process = start(placed(step, work), work, home, api)
    while count_runs(home) == before and process.poll() is None:
        time.sleep(0.01)
    began = time.monotonic()
    if process.wait(PATIENCE) != 0:
        log = (work / "output.log").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(step.arguments)} failed:\n{log}")
    return time.monotonic() - began


def placed(step: Step, work: Path) -> list[str]:
    """Its arguments."""
    places = {"heads": str(work / "heads"), "new": str(work / "new")}
    return [each.format(**places) for each in step.arguments]


def survivors(work: Path) -> list[str]:
    """Processes started with the scratch folder."""
    time.sleep(2)
    return naming(work)


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
