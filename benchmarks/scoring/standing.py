"""A night on which nothing is new: seconds and memory over files that are all known.

    python -m benchmarks.scoring.standing [--files 100000] [--heatmaps 10000]

Makes a tree of tiny files (they are never read) and a record, by plain inserts, in which all of
them are known as they stand: 75 % pictures and 20 % the files of DICOM series, all decided, and
5 % rejected. Then, each in a process of its own: the step that lists and looks up (`find_files`),
the same with one new file in one folder, and the whole scoring flow with its Prefect server; for
a tenth of the files, and for all, to see how it grows. Last, `mriad check` over heatmaps of
40 KB, read and only seen: one for each tenth file, or as many as --heatmaps says.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.record.history import insertion, link_rows
from db.engine.sqlite import DATABASE
from db.timestamps import now
from mriad_model.paths import escape_path, recorded_path
from mriad_model.recipes.built_in_recipes import recipe_named
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home

A_FOLDER: Final = 100  # files
HEATMAP_BYTES: Final = 40_000
KINDS: Final = ("picture",) * 15 + ("series",) * 4 + ("rejected",)  # of a folder, in turn


def build(home: Path, folder: Path, n_files: int) -> None:
    """A tree of so many files, and a record that knows them all."""
    database(str(prepare_home(home))).dispose()
    at, recipe = now(), recipe_named("default").to_json()
    with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        a_run = (1, "score_new_scans", "r", "0", None, "{}", "cpu", at)
        connection.execute(insertion("run", len(a_run)), a_run)
        for statement in (
            f"INSERT INTO run_end VALUES (1, 1, 'completed', '{{}}', '{at}')",
            f"INSERT INTO dataset VALUES (1, 'd', 1, '{at}')",
            f"INSERT INTO model VALUES (1, 'm', 'models/m', '{recipe}', 1, '{{}}', 1, '{at}')",
            f"INSERT INTO threshold VALUES (1, 1, 1, 'sigmas', 0.4, 0.1, 9, 1, 0.5, 1, '{at}', "
            "NULL, NULL, NULL, NULL)",
            f"INSERT INTO activation VALUES (1, 1, 'r', 'me', '{at}')",
        ):
            connection.execute(statement)
        for table, width, rows in _rows(home, folder, n_files, at):
            connection.executemany(insertion(table, width), rows)
        connection.execute("COMMIT")
    link_rows(home)


def _rows(
    home: Path, folder: Path, n_files: int, at: str
) -> Iterator[tuple[str, int, list[tuple[Any, ...]]]]:
    """Rows of a folder's files at a time: (table, columns, rows)."""
    scan_id = sighting_id = 0
    for number in range(n_files // A_FOLDER):
        kind = KINDS[number % len(KINDS)]
        suffix = {"picture": "png", "series": "dcm", "rejected": "txt"}[kind]
        place = folder / f"{number // 100:04d}" / f"study {number:06d}"
        files = list(_made(place, suffix, home))
        if kind == "rejected":
            rows = [(None, f[0], f[1], f[2], "-", "unsupported", "", 1, at, f[4]) for f in files]
            yield "rejection", 10, rows
            continue
        scans: list[tuple[Any, ...]] = []
        sightings: list[tuple[Any, ...]] = []
        for n, file in enumerate(files):
            if kind == "picture" or n == 0:
                scan_id += 1
                sha256 = hashlib.sha256(scan_id.to_bytes(8, "big")).hexdigest()
                of = "image" if kind == "picture" else "dicom"
                n_slices = 1 if kind == "picture" else A_FOLDER
                grid = "{}" if kind == "picture" else f'{{"files": {A_FOLDER}}}'
                scans.append((scan_id, sha256, of, *(None,) * 4, grid, n_slices, 1, at))
            sighting_id += 1
            sightings.append((sighting_id, scan_id, *file[:4], 1, at, file[4]))
        ids = [row[0] for row in scans]
        yield "scan", 11, scans
        yield "sighting", 9, sightings
        yield "score", 6, [(each, each, 1, 0.1, 1, at) for each in ids]
        yield "decision", 8, [(each, each, 1, each, "normal", 0.5, 1, at) for each in ids]


def _made(place: Path, suffix: str, home: Path) -> Iterator[tuple[str, int, int, int, int]]:
    """Tiny files, each as the record knows it: path, size, mtime_ns, inode, ctime_ns."""
    place.mkdir(parents=True)
    for n in range(A_FOLDER):
        path = place / f"{n:04d}.{suffix}"
        path.write_bytes(b".")
        status = path.lstat()
        times = status.st_mtime_ns, status.st_ino, status.st_ctime_ns
        yield recorded_path(path, home), status.st_size, *times


def add_heatmaps(home: Path, n_heatmaps: int) -> None:
    """Files as large as heatmaps are, and a row for each."""
    noise, at = random.Random(1), now()
    with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for each in range(1, n_heatmaps + 1):
            data = noise.randbytes(HEATMAP_BYTES)
            sha256 = hashlib.sha256(data).hexdigest()
            path = f"heatmaps/model-1/{sha256[:2]}/{sha256}.jpg"
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_bytes(data)
            row = (each, 1 + each % 1000, "slice", 0, path, sha256, at)
            connection.execute(insertion("heatmap", len(row)), row)
        connection.execute("COMMIT")


def find(home: str, folder: str) -> dict[str, float]:
    """The step that lists a folder and looks its files up, with no workflow engine around it."""
    from tasks.intake.find_files import find_files  # noqa: PLC0415 - only the process that measures

    database(home)
    started = perf_counter()
    found = find_files.fn(home, 1, folder, "*")
    seconds = perf_counter() - started
    return {"seconds": seconds, "known": len(found.known), "unread": len(found.unread)}


def checked(home: str, *, contents: bool) -> dict[str, float]:
    """`mriad check`."""
    from tasks.maintenance.check import check  # noqa: PLC0415 - only the process that measures

    started = perf_counter()
    report = check(database(home), Path(home), contents=contents)
    return {"seconds": perf_counter() - started, "heatmaps": report.checked.heatmaps}


def _apart(*arguments: str) -> dict[str, float]:
    """A measurement in a process of its own: what the last line of its output says."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], check=True, capture_output=True, text=True
    )
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def _print_line(what: str, n_files: int, said: dict[str, float]) -> None:
    print(f"{what:34} {n_files:9,} {said['seconds']:9.2f} {said['peak_mib']:9.0f}", flush=True)


def measure(n_files: int, n_heatmaps: int) -> None:
    """Print how long a night takes on which nothing, or one file, is new."""
    with tempfile.TemporaryDirectory() as scratch:
        home, folder = Path(scratch, "home"), Path(scratch, "scans")
        build(home, folder, n_files)
        me, places = "benchmarks.scoring.standing", (str(home), escape_path(folder))
        _print_line("find_files, nothing new", n_files, _apart(me, "--find", *places))
        _print_line(
            "the scoring flow, nothing new", n_files, _apart("benchmarks.scoring.flow", *places)
        )
        new = min(folder.rglob("*.dcm")).with_name("new.dcm")
        new.write_bytes(b"no scan at all")
        _print_line("find_files, one new in a series", n_files, _apart(me, "--find", *places))
        add_heatmaps(home, n_heatmaps)
        for how in ("--check", "--check-quick"):
            said = _apart(me, how, *places)
            _print_line(f"mriad check{how[7:]}, heatmaps", int(said["heatmaps"]), said)


def main() -> None:
    """Measure; or, as a process of its own, one step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--heatmaps", type=int, help="for all the files; a tenth for a tenth")
    for step in ("find", "check", "check-quick"):
        parser.add_argument(f"--{step}", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.find:
        said = find(*given.find)
    elif given.check or given.check_quick:
        said = checked((given.check or given.check_quick)[0], contents=bool(given.check))
    else:
        print(f"{'':34} {'files':>9} {'seconds':>9} {'peak MiB':>9}")
        heatmaps = given.heatmaps or given.files // 10
        measure(given.files // 10, heatmaps // 10)
        measure(given.files, heatmaps)
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**said, "peak_mib": peak}))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
