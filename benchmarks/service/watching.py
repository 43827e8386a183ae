"""Folders dropped in by the thousand while `mriad up` runs: each decided once, none early.

python -m benchmarks.service.watching [--folders 5000] [--quiet 10] [--seconds 120]

Some are copied file by file, some renamed in, some half-copied and resumed, some copied under
`.part` names, some marked `.complete`. Latency is from a folder's arrival row (settled) to its
decision row.
"""

import argparse
import heapq
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import text

from benchmarks.service.up import free_address, plain_environment, running_service, trained_home
from db.engine.connect import open_record, reading
from mriad_model.paths import source_path
from mriad_model.phantom.write import write_folder

SEED = 11
SIDE = 64
KINDS = {"copied": 40, "renamed in": 20, "half-copied": 20, "part": 15, "marked": 5}  # percent
WAIT_SECONDS = 600.0
WAIT_SECONDS_A_FOLDER = 2.0


@dataclass(slots=True)
class Delivery:
    """Drops folders, each in steps at their own times, and notes when each was complete."""

    root: Path
    aside: Path
    quiet: float
    bases: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]
    complete: dict[str, float] = field(default_factory=dict)  # folder -> wall clock
    kinds: dict[str, str] = field(default_factory=dict)
    _steps: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _number: int = 0

    def plan(self, n: int, seconds: float) -> None:
        """Lay out the drops of `n` folders over so many seconds."""
        chance = random.Random(SEED)
        names = chance.choices([*KINDS], [*KINDS.values()], k=n)
        for number, kind in enumerate(names):
            name = f"scan-{number:05d}"
            self.kinds[name] = kind
            self._lay_out(name, kind, number, chance.uniform(0, seconds), chance)

    def run(self) -> None:
        """Drop them all."""
        began = time.monotonic()
        while self._steps:
            at, _, step = heapq.heappop(self._steps)
            time.sleep(max(0.0, began + at - time.monotonic()))
            step()

    def _lay_out(
        self, name: str, kind: str, number: int, start: float, chance: random.Random
    ) -> None:
        picture = self._picture(number)
        folder = self.root / name
        # A pause shorter than the quiet period, as a copy that stalls; a name that is not
        # final may stay for longer.
        stall, longer = chance.uniform(0.2, 0.7) * self.quiet, chance.uniform(0.5, 2) * self.quiet
        if kind == "copied":
            self._at(start, lambda: self._whole(folder, picture))
        elif kind == "renamed in":
            self._at(start, lambda: self._moved(folder, picture))
        elif kind == "half-copied":
            half = len(picture) // 2
            self._at(start, lambda: self._write(folder / "1.png", picture[:half]))
            self._at(start + stall, lambda: self._whole(folder, picture))
        elif kind == "part":
            self._at(start, lambda: self._write(folder / "1.png.part", picture))
            self._at(start + longer, lambda: self._renamed(folder))
        else:
            self._at(start, lambda: self._whole(folder, picture, mark=True))

    def _at(self, seconds: float, step: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._steps, (seconds, self._number, step))

    def _picture(self, number: int) -> bytes:
        """A picture like no other."""
        base = self.bases[number % len(self.bases)].astype(np.int16)
        noise = np.random.default_rng(number).integers(-3, 4, base.shape)
        drawn = np.where(base > 8, np.clip(base + noise, 0, 255), 0).astype(np.uint8)
        return bytes(cv2.imencode(".png", drawn)[1])

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def _whole(self, folder: Path, picture: bytes, *, mark: bool = False) -> None:
        self._write(folder / "1.png", picture)
        self.complete[folder.name] = time.time()
        if mark:
            (folder / ".complete").touch()

    def _moved(self, folder: Path, picture: bytes) -> None:
        self._write(self.aside / folder.name / "1.png", picture)
        self.complete[folder.name] = time.time()
        (self.aside / folder.name).rename(folder)

    def _renamed(self, folder: Path) -> None:
        self.complete[folder.name] = time.time()
        (folder / "1.png.part").rename(folder / "1.png")


def main() -> None:
    """Drop the folders, wait for their decisions, print the table."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.service.watching", description=__doc__
    )
    options.add_argument("--folders", type=int, default=5000)
    options.add_argument("--quiet", type=float, default=10.0)
    options.add_argument("--seconds", type=float, default=120.0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="mriad-watching-") as scratch:
        work = Path(scratch)
        home = trained_home(work, SEED + 1, SIDE)
        (work / "aside").mkdir()
        write_folder(work / "heads", 20, 20, SEED, size=SIDE)
        bases = [
            np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
            for path in sorted((work / "heads").rglob("*.png"))
            if path.parent.name in ("no", "yes")
        ]
        delivery = Delivery(home / "inbox", work / "aside", given.quiet, bases)
        delivery.plan(given.folders, given.seconds)
        environment = plain_environment(prefect_api_url=free_address())
        with running_service(home, given.quiet, environment) as up:
            print(f"mriad up: ready after {up.seconds:.1f} s")
            delivery.run()
            await_folders(home, given.folders)
        _report(home, delivery)


def longest_wait(n: int) -> float:
    """How long we wait for so many folders, s: even on a busy machine they are decided by then."""
    return WAIT_SECONDS + WAIT_SECONDS_A_FOLDER * n


def await_folders(home: Path, n: int) -> None:
    """Wait until runs are done with so many folders, no longer than `longest_wait`."""
    deadline = time.monotonic() + longest_wait(n)
    engine = open_record(home)
    while True:
        with reading(engine) as connection:
            done = connection.scalar(text("SELECT count(*) FROM arrival_end")) or 0
        if done >= n or time.monotonic() > deadline:
            return
        time.sleep(1)


def _report(home: Path, delivery: Delivery) -> None:
    with reading(open_record(home)) as connection:
        decided = connection.execute(
            text(
                "SELECT sighting.path, decision.created_at FROM decision"
                " JOIN sighting ON sighting.scan_id = decision.scan_id"
            )
        ).all()
        settled = connection.execute(text("SELECT path, settled_at FROM arrival")).all()
        rejected = connection.scalar(text("SELECT count(*) FROM rejection"))
        runs = connection.execute(text("SELECT flow, count(*) FROM run GROUP BY flow")).all()
    times = Counter(source_path(path, home).parent.name for path, _ in decided)
    decided_at = {source_path(p, home).parent.name: _stamp(at) for p, at in decided}
    settled_at = {source_path(p, home).name: _stamp(at) for p, at in settled}
    early = [name for name, at in delivery.complete.items() if settled_at.get(name, at) < at]
    once = sum(times[name] == 1 for name in delivery.complete)
    print(f"folders {len(delivery.complete)}: {dict(Counter(delivery.kinds.values()))}")
    print(
        f"decided once {once}, more often {sum(n > 1 for n in times.values())}, "
        f"never {len(delivery.complete) - len(times)}; settled early {len(early)}; "
        f"rejections {rejected}; arrivals {len(settled)}"
    )
    print(f"runs: {json.dumps(dict(tuple(row) for row in runs))}")
    waits = [decided_at[name] - settled_at[name] for name in decided_at]
    _print("settled to decided", waits)
    _print("complete to settled", [settled_at[n] - delivery.complete[n] for n in settled_at])


def _print(what: str, seconds: list[float]) -> None:
    middle, late = np.percentile(seconds, [50, 95])
    print(f"{what}: median {middle:.1f} s, p95 {late:.1f} s, most {max(seconds):.1f} s")


def _stamp(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


if __name__ == "__main__":
    main()
