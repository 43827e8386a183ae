"""How long a user waits: `mriad score` and `mriad up`, and a folder for its decision.

python -m benchmarks.service.wall_times [--times 3] [--quiet 2]

Everything included, on drawn heads. `score` finds no server running: where nothing is new it starts
none, else a temporary one. Each median stands beside `python -c "import prefect"` in the
same run, which tells one machine, and its other work, from another. Python's own cache of compiled
modules is used, as it is by default.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import text

from benchmarks.service.up import free_address, plain_environment, running_service, trained_home
from db.engine.connect import open_record, reading
from mriad_model.phantom.write import write_folder

SEED = 17
SIDE = 128
IDLE_SECONDS = 5.0  # before a folder comes, and for what the last one's run still does
WAIT_SECONDS = 120.0
AIMS = {"score, nothing new": 5.0, "up, a fresh home": 10.0, "settled to decided": 4.0}
DECIDED = text(
    "SELECT min(arrival.settled_at), min(decision.created_at) FROM arrival, decision"
    " JOIN sighting ON sighting.scan_id = decision.scan_id"
    " WHERE arrival.path LIKE :folder AND sighting.path LIKE :folder"
)


def main() -> None:
    """Measure each, and print each beside its aim and the yardstick."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.service.wall_times", description=__doc__
    )
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--quiet", type=float, default=2.0)
    given = options.parse_args()
    environment = plain_environment(prefect_api_url=free_address())
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="mriad-wall-times-") as scratch:
        work = Path(scratch)
        home = trained_home(work, SEED, SIDE)
        write_folder(work / "heads", 20 + 2 * given.times, 0, SEED + 1, size=SIDE)
        heads = sorted((work / "heads" / "no").iterdir())
        known, new, dropped = heads[:20], heads[20 : 20 + given.times], heads[20 + given.times :]
        (work / "known").mkdir()
        for each in known:
            each.rename(work / "known" / each.name)
        score = _mriad("score", str(work / "known"), "--home", str(home))
        _seconds(score, environment)  # from here on nothing is new
        yardstick = [sys.executable, "-c", "import prefect"]
        measured = {
            "import prefect": _times(given.times, lambda: _seconds(yardstick, environment)),
            "score, nothing new": _times(given.times, lambda: _seconds(score, environment)),
            "score, one new picture": [
                _scored(score, each, work / "known", environment) for each in new
            ],
            "up, a fresh home": [
                _ready(work / f"fresh-{number}", given.quiet, environment)
                for number in range(given.times)
            ],
            "settled to decided": _decided(home, dropped, given.quiet, environment),
        }
    _print(measured)


def _mriad(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli.main", *arguments]


def _times(n: int, once: Callable[[], float]) -> list[float]:
    return [once() for _ in range(n)]


def _seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(
        command,
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def _scored(
    score: Sequence[str], picture: Path, folder: Path, environment: Mapping[str, str]
) -> float:
    picture.rename(folder / picture.name)
    return _seconds(score, environment)


def _ready(home: Path, quiet: float, environment: Mapping[str, str]) -> float:
    with running_service(home, quiet, environment) as up:
        return up.seconds


def _decided(
    home: Path, pictures: Sequence[Path], quiet: float, environment: Mapping[str, str]
) -> list[float]:
    """Seconds from each folder's arrival row to its decision row, one folder after the other."""
    seconds = []
    with running_service(home, quiet, environment):
        for number, picture in enumerate(pictures):
            time.sleep(IDLE_SECONDS)
            folder = home / "inbox" / f"dropped-{number}"
            folder.mkdir()
            picture.rename(folder / picture.name)
            seconds.append(_await(home, folder.name))
    return seconds


def _await(home: Path, name: str) -> float:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with reading(open_record(home)) as connection:
            settled, decided = connection.execute(DECIDED, {"folder": f"%{name}%"}).one()
        if decided is not None:
            return _stamp(decided) - _stamp(settled)
        time.sleep(0.2)
    raise SystemExit(f"{name} was not decided in {WAIT_SECONDS:g} s")


def _stamp(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _print(measured: Mapping[str, Sequence[float]]) -> None:
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}; seconds: median (each)")
    yardstick = statistics.median(measured["import prefect"])
    for what, seconds in measured.items():
        middle = statistics.median(seconds)
        aim = f", wanted {AIMS[what]:g}" if what in AIMS else ""
        each = " ".join(f"{value:.1f}" for value in seconds)
        print(f"{what}: {middle:.1f}{aim}; {middle / yardstick:.1f} x import prefect ({each})")


if __name__ == "__main__":
    main()
