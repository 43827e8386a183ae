"""Decisions: what is asked of a record that holds more and more of them.

The record of `benchmarks.record.history`, with reviews, one link over its rows, and an empty file
for each heatmap. Each piece of work has a process of its own, and is measured without the start of
Python and of Prefect: a query and a page as the mean of several.

    python -m benchmarks.growth_curves.decisions WORK HOME     # one of them, as JSON
"""

import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from time import perf_counter, process_time
from typing import Final

from benchmarks.growth_curves.points import Kept, Point, Used, module, used_by
from benchmarks.record.history import MODEL, asked, build, heatmap_path, kinds_of_query, link_rows
from benchmarks.record.pages import add_reviews, memory_mib, serving
from db.engine.connect import open_record
from db.engine.sqlite import DATABASE
from mriad_model.errors import MriadError
from tasks.runtime.connections import database
from tasks.runtime.home import prepare_home

PART: Final = "decisions"
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
FIRST_PAGE: Final = "mriad history, newest 50"
FILTERED: Final = "mriad history, four filters"
WORKLIST: Final = "worklist, a page"
FIRST_WORKLIST: Final = "worklist, the first page after a start"
CHECK: Final = "mriad check --quick"
REPORT: Final = "weekly report"
CURVES: Final = (FIRST_PAGE, FILTERED, WORKLIST, FIRST_WORKLIST, REPORT, CHECK)
PAGES: Final = 15
DAYS_OF_REPORT: Final = 7


def measure(sizes: Sequence[int], kept: Kept) -> None:
    """Add the points that are not there yet."""
    for size in sizes:
        missing = kept.lacks(PART, CURVES, size)
        if not missing:
            continue
        with tempfile.TemporaryDirectory(prefix="mriad-growth-") as home:
            used, _ = used_by(module(__name__, "build", home, size))
            print(f"built {size:,} decisions in {used.seconds:.0f} s", flush=True)
            for curve in missing:
                _, said = used_by(module(__name__, curve, home))
                kept.add(Point(PART, curve, size, Used(**json.loads(said.splitlines()[-1]))))


def make(home: Path, n_decisions: int) -> None:
    """Make the record, and the files that it names."""
    prepare_home(home)
    build(home, n_decisions)
    add_reviews(home)
    link_rows(home)
    (home / MODEL).parent.mkdir(exist_ok=True)
    (home / MODEL).touch()
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        ((scores,),) = connection.execute("SELECT max(id) FROM score")
    made = ""
    for score in range(1, scores + 1):
        path = home / heatmap_path(score)
        if str(path.parent) != made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made = str(path.parent)
        path.touch()


def query(home: Path, kind: str) -> Used:
    """One query of the history."""
    engine = open_record(home, read_only=True)
    ask = kinds_of_query()[kind]
    seconds, cpu = (mean(asked(engine, ask, clock)) for clock in (perf_counter, process_time))
    return Used(cpu, seconds, _own_peak())


def once(work: Callable[[], object]) -> Used:
    """Some work in this process."""
    began, spent = perf_counter(), process_time()
    work()
    return Used(process_time() - spent, perf_counter() - began, _own_peak())


def _own_peak() -> float:
    return memory_mib("self", "VmHWM")


def page(home: Path) -> Used:
    """The worklist, once the record has been read."""
    with serving(home) as served:
        spent = served.cpu_seconds()
        seconds = mean(served.ask("/") for _ in range(PAGES))
        return Used(
            (served.cpu_seconds() - spent) / PAGES, seconds, memory_mib(served.pid, "VmHWM")
        )


def first_page(home: Path) -> Used:
    """From the start of the pages' process to the first worklist: the record is read."""
    with serving(home) as served:
        return Used(served.cpu_seconds(), served.ready_s, memory_mib(served.pid, "VmHWM"))


def check(home: Path) -> Used:
    """`mriad check --quick`.

    Raises:
        MriadError: it finds something wrong.
    """
    from tasks.maintenance import check as checking  # noqa: PLC0415 - only the process that measures

    def work() -> None:
        found = checking.check(database(str(home)), home, contents=False)
        if not found.ok:
            raise MriadError(f"the record is not as it should be: {found.problems[:3]}")

    return once(work)


def report(home: Path) -> Used:
    """The report of the last week."""
    from tasks.reports.weekly_report import write_weekly_report  # noqa: PLC0415 - as above

    return once(lambda: write_weekly_report.fn(str(home), 1, DAYS_OF_REPORT))


def main() -> None:
    """Build, or do one piece of work and print what it used."""
    work, place, *size = sys.argv[1:]
    home = Path(place)
    if work == "build":
        make(home, int(size[0]))
        return
    works: dict[str, Callable[[Path], Used]] = {
        FIRST_PAGE: lambda home: query(home, "newest"),
        FILTERED: lambda home: query(home, "a model, a scanner, suspicious, since"),
        WORKLIST: page,
        FIRST_WORKLIST: first_page,
        REPORT: report,
        CHECK: check,
    }
    print(json.dumps(asdict(works[work](home))))


if __name__ == "__main__":
    main()
