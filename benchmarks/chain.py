"""What the chain of links costs: `mriad check` over a million decisions, and the scoring flow.

    python -m benchmarks.chain [--decisions 1000000] [--links 15000]

Builds the record of `benchmarks.history`, with an empty file for each heatmap, links its rows,
and times each thing that `mriad check --quick` asks of it, then the whole of it. What reading
and hashing the heatmaps costs besides is what `benchmarks.standing` says.
"""

import argparse
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.history import build, link_rows
from db.engine import chain_check, integrity, structure
from db.engine.connect import open_record
from db.engine.sqlite import DATABASE
from tasks.maintenance.check import check


def measure(n_decisions: int, n_links: int) -> None:
    """Print seconds of each step, and of the whole."""
    with tempfile.TemporaryDirectory(prefix="mriad-bench-") as folder:
        home = Path(folder)
        build(home, n_decisions)
        _make_heatmaps(home)
        _line("linking all rows", lambda: link_rows(home, n_links))
        engine = open_record(home, read_only=True)
        _line("walking the chain", lambda: len(list(chain_check.broken_links(engine))))
        _line("what SQLite asks", lambda: len(integrity.damages(engine)))
        _line("tables and triggers", lambda: len(structure.differences(engine) or []))
        _line("impossible rows", lambda: len(integrity.impossible_rows(engine)))
        _line("rows that name others", lambda: len(integrity.broken_chains(engine)))
        _line("mriad check --quick", lambda: len(check(engine, home, contents=False).problems))


def _make_heatmaps(home: Path) -> None:
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        for (path,) in connection.execute("SELECT path FROM heatmap"):
            (home / path).parent.mkdir(exist_ok=True)
            (home / path).touch()


def _line(what: str, asked: Callable[[], int | None]) -> None:
    started, worked = perf_counter(), process_time()
    found = asked()
    seconds, work = perf_counter() - started, process_time() - worked
    wrong = "" if found is None else f"   {found} wrong"
    print(f"{what:24} {seconds:8.1f} s, {work:8.1f} s of it at work{wrong}", flush=True)


def main() -> None:
    """Measure as the arguments say."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--decisions", type=int, default=1_000_000)
    options.add_argument("--links", type=int, default=15_000)
    given = options.parse_args()
    measure(given.decisions, given.links)


if __name__ == "__main__":
    main()
