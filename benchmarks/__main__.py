"""All benchmarks, one after the other, as ratios within the run.

python -m benchmarks [--slices 10000] [--decisions 1000000]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.record import history
from benchmarks.scoring import anomalib_predict, floor, flow, reading, seed_notebook
from benchmarks.service.up import trained_home
from mriad_model.phantom.write import many_slices

SEED = 7
SIDE = 256  # pixels of a slice
NOTEBOOK_IMAGES = 60
STEP_IMAGES = 512
READING_ROUNDS = 5
FEW = 10  # a tenth of the slices, for the growth of memory


def main() -> None:
    """Draw the slices, run each way of scoring them, print the table."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--slices", type=int, default=10_000)
    options.add_argument("--decisions", type=int, default=1_000_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mriad-bench-") as scratch:
        work = Path(scratch)
        say(f"drawing {given.slices} slices of 256 x 256 ...")
        slices = work / "slices"
        many_slices(slices, given.slices, SEED)
        few = work / "few"
        few.mkdir()
        for path in sorted(slices.iterdir())[: given.slices // FEW]:
            os.link(path, few / path.name)
        _score(work, slices, few, given.slices)
    _history(given.decisions)
    say("reading in children over reading in process ...")
    reading.measure(READING_ROUNDS)
    say("one volume of 256 x 256 x 180, step by step on one thread ...")
    _module("benchmarks.scoring.volumes")


def _module(name: str, *arguments: str) -> None:
    """A benchmark in a process of its own, so that its peak memory is its own."""
    subprocess.run([sys.executable, "-m", name, *arguments], check=True)


def _score(work: Path, slices: Path, few: Path, n: int) -> None:
    home = trained_home(work, SEED + 1, SIDE)  # its weights do not matter for speed
    # The floor before and after the flow: the machine's speed drifts.
    few_steps = min(STEP_IMAGES, n)
    floors = [_run(floor, slices, _copy(home, work / "floor"), few_steps)]
    small = _run(flow, _copy(home, work / "small"), few)
    large = _run(flow, _copy(home, work / "large"), slices)
    floors.append(_run(floor, slices, _copy(home, work / "floor-again"), few_steps))
    # Cores share a cache and memory, so each is slower while all are at work.
    homes = [_copy(home, work / f"floor-{core}") for core in range(floors[0]["cores"])]
    at_once = _run_at_once(floor, [(slices, own, few_steps) for own in homes])
    (work / "figures").mkdir()
    notebook = _run(seed_notebook, slices, work / "figures", min(NOTEBOOK_IMAGES, n))
    steps = {
        step: sum(each["steps"][step] for each in floors) / len(floors)
        for step in floors[0]["steps"]
    }
    bound = 1000 * floors[0]["cores"] / sum(steps.values())
    reachable = sum(1000 / sum(each["steps"].values()) for each in at_once)
    rate, slow = (each["images"] / each["seconds"] for each in (large, notebook))
    say(f"scoring flow              {rate:8.1f} images/s   ({large['images']:.0f} slices)")
    say(
        f"what {floors[0]['cores']} cores allow         {bound:8.1f} images/s   "
        f"flow / bound {rate / bound:.2f}"
    )
    say(f"what they do all at once  {reachable:8.1f} images/s   flow / that {rate / reachable:.2f}")
    say(
        "CPU of one slice, one thread: "
        + ", ".join(f"{step} {spent:.2f}" for step, spent in steps.items())
        + f" ms; in all {sum(steps.values()):.1f} ms"
    )
    say(
        f"chain of links            {large['linking_s']:8.2f} s   "
        f"of the flow's time {100 * large['linking_s'] / large['seconds']:.2f} %"
    )
    say(f"the notebook's loop       {slow:8.1f} images/s   flow / loop {rate / slow:.0f}")
    if anomalib_predict.python_of(anomalib_predict.ENVIRONMENT).exists():
        say(anomalib_predict.line(few_steps, slices))
    say(
        f"peak memory of the flow   {large['peak_mib']:8.0f} MiB   "
        f"over that at {small['images']:.0f} slices {large['peak_mib'] / small['peak_mib']:.2f}; "
        f"largest child {large['child_mib']:.0f} MiB"
    )


def _history(n: int) -> None:
    say(f"building a record of {n} decisions ...")
    found = history.measure(n)
    say(
        f"history query             p50 {1000 * found['p50_s']:.0f} ms, "
        f"p95 {1000 * found['p95_s']:.0f} ms, max {1000 * found['max_s']:.0f} ms "
        f"over {found['decisions']:.0f} decisions"
    )


def _copy(home: Path, to: Path) -> Path:
    shutil.copytree(home, to)
    return to


def _run_at_once(what: ModuleType, several: list[tuple[object, ...]]) -> list[dict[str, Any]]:
    """The same with each of several arguments, side by side."""
    with ThreadPoolExecutor(len(several)) as threads:
        return list(threads.map(lambda arguments: _run(what, *arguments), several))


def _run(what: ModuleType, *arguments: object) -> dict[str, Any]:
    """One way of scoring, in a process of its own."""
    command = [sys.executable, "-m", what.__name__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    name = what.__name__.rpartition(".")[2]
    say(f"  {name}: {found['images']:.0f} images in {found['seconds']:.1f} s")
    return found


def say(line: str) -> None:
    """One line of the result."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
