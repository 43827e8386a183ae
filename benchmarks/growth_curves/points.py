"""Points of curves: what was used at a size. Each is kept as a JSON line."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.growth_curves import with_orphans

MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Used:
    """What some work used."""

    cpu_s: float  # of all its processes: the same however busy the machine is
    seconds: float  # by the clock
    peak_mib: float  # resident memory of its largest process, MiB


@dataclass(frozen=True, slots=True)
class Point:
    """What some work used at a size."""

    part: str  # slices, folders or decisions
    curve: str  # the work
    size: int
    used: Used


@dataclass(slots=True)
class Kept:
    """The points measured so far, in a file: a run that was broken off goes on behind them."""

    path: Path
    points: list[Point] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path) -> "Kept":
        """The points that a file holds; none if there is no file."""
        lines = path.read_text().splitlines() if path.exists() else []
        rows = (json.loads(line) for line in lines)
        return cls(path, [Point(**{**row, "used": Used(**row["used"])}) for row in rows])

    def add(self, point: Point) -> None:
        """Keep one more point, and print it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(point)) + "\n")
        self.points.append(point)
        print(line_of(point), flush=True)

    def lacks(self, part: str, curves: Sequence[str], size: int) -> list[str]:
        """Of these curves, those without a point of this size."""
        found = {(each.part, each.curve, each.size) for each in self.points}
        return [curve for curve in curves if (part, curve, size) not in found]

    def curves(self, part: str) -> dict[str, list[Point]]:
        """The curves of a part, smallest size first."""
        found: dict[str, list[Point]] = {}
        for each in sorted(self.points, key=lambda point: point.size):
            if each.part == part:
                found.setdefault(each.curve, []).append(each)
        return found


def line_of(point: Point) -> str:
    """A point as a line of the table."""
    used = point.used
    return (
        f"{point.part:10} {point.curve:44} {point.size:11,} {used.cpu_s:10.4g} s of CPU "
        f"{used.seconds:10.4g} s {used.peak_mib:7.0f} MiB"
    )


def exponent(small: float, large: float, sizes: tuple[float, float]) -> float:
    """The slope between two points in a log-log picture: 1 is linear growth."""
    return math.log(large / small) / math.log(sizes[1] / sizes[0])


def used_by(command: Sequence[str], environment: dict[str, str] | None = None) -> tuple[Used, str]:
    """What a command and all processes that it starts use; and its output.

    Raises:
        SystemExit: it failed.
    """
    started = perf_counter()
    with subprocess.Popen(
        [*module(with_orphans.__name__), *command],
        stdout=subprocess.PIPE,
        text=True,
        env=environment or own_environment(),
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, spent = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}; see above")
    return Used(spent.ru_utime + spent.ru_stime, seconds, spent.ru_maxrss * 1024 / MIB), said


def own_environment() -> dict[str, str]:
    """Our environment without settings of mriad's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MRIAD_")}


def module(name: str, *arguments: object) -> list[str]:
    """A command that runs a module."""
    return [sys.executable, "-m", name, *map(str, arguments)]
