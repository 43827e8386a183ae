"""Folders of one to three pictures: registered by `mriad ingest`, and dropped before `mriad up`.

Every tenth holds a file that is no scan. Dropped folders are renamed into the inbox all at once,
and measured from the service's start to its end, which comes when all are decided.
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.growth_curves.points import Kept, Point, module, used_by
from benchmarks.service.trickle import Picture, count, drop
from benchmarks.service.up import free_address, plain_environment, running_service, trained_home
from benchmarks.service.watching import await_folders, longest_wait
from mriad_model.phantom.write import write_folder

PART: Final = "folders"
REGISTERED: Final = "mriad ingest"
DROPPED: Final = "mriad up, dropped to decided"
SIZES: Final = (10, 100, 1_000, 5_000)
SIDE: Final = 64  # pixels
SEED: Final = 5
QUIET_SECONDS: Final = 5.0


def measure(sizes: Sequence[int], kept: Kept) -> None:
    """Add the points that are not there yet."""
    missing = {size: kept.lacks(PART, [REGISTERED, DROPPED], size) for size in sizes}
    if not any(missing.values()):
        return
    with tempfile.TemporaryDirectory(prefix="mriad-growth-") as scratch:
        work = Path(scratch)
        home = trained_home(work, SEED + 1, SIDE)
        write_folder(work / "heads", 20, 20, SEED, size=SIDE)
        for size, curves in missing.items():
            for curve in curves:
                own, folders = work / f"home-{size}", work / f"folders-{size}"
                shutil.copytree(home, own)
                deliver(folders, size, pictures(work / "heads"))
                if curve == REGISTERED:
                    command = module("flows.cli.main", "ingest", folders, "--home", own, "--json")
                else:
                    command = module("benchmarks.growth_curves.folders", own, folders)
                used, _ = used_by(command)
                if curve == DROPPED and (done := count(own, "arrival_end")) != size:
                    waited = f"{longest_wait(size):,.0f} s"
                    raise SystemExit(f"of {size} folders {done} were decided in {waited}")
                kept.add(Point(PART, curve, size, used))
                shutil.rmtree(own)
                shutil.rmtree(folders)


def pictures(folder: Path) -> list[Picture]:
    """The drawn heads."""
    return [
        np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        for path in sorted(folder.rglob("*.png"))
        if path.parent.name in ("no", "yes")
    ]


def deliver(place: Path, n: int, bases: Sequence[Picture]) -> None:
    """Write n folders of pictures into a new one."""
    place.mkdir()
    chance = random.Random(SEED)
    for number in range(n):
        drop(place / f"scan-{number:05d}", bases, number, chance)


def main() -> None:
    """Run the service over a home until folders that are dropped in are decided."""
    home, folders = map(Path, sys.argv[1:])
    delivered = sorted(folders.iterdir())
    environment = plain_environment(prefect_api_url=free_address())
    with running_service(home, QUIET_SECONDS, environment):
        for folder in delivered:
            folder.rename(home / "inbox" / folder.name)
        await_folders(home, len(delivered))


if __name__ == "__main__":
    main()
