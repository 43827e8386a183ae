"""How long the reader's pages take over a million decisions, and how much memory they hold.

Builds the record of `benchmarks.record.history`, serves the pages in a process of their own as
`mriad web` does, and asks for lists and scans as a browser does, over HTTP.

    python -m benchmarks.record.pages --decisions 1000000
"""

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import mean, quantiles
from time import perf_counter, sleep
from typing import Any, Final
from urllib.parse import quote_plus

from benchmarks.record.history import BUSY, DAYS, RARE, RETIRED, START, build
from db.engine.sqlite import DATABASE
from flows.runtime.settings import read_settings
from flows.service.pages import PORT_FILE, sign_in_address

ROUNDS: Final = 15
MIB: Final = 2**20
N_THRESHOLDS: Final = 32  # so that few scans have many decisions
TAGS: Final = (None, None, "motion", "lesion", "artefact motion")


def addresses(rng: random.Random, n_scans: int) -> dict[str, str]:
    """What readers ask for, of each kind one."""
    day = (START + timedelta(days=rng.randrange(DAYS))).date().isoformat()
    busy, rare = quote_plus(rng.choice(BUSY)), quote_plus(rng.choice(RARE))
    return {
        "worklist": "/",
        "worklist, a late page": f"/?page={rng.randint(2, 40)}",
        "worklist, a scanner": f"/?scanner={busy}",
        "worklist, a rare scanner": f"/?scanner={rare}",
        "worklist, one day": f"/?since={day}&until={day}",
        "worklist, scores and p": "/?above=2&below=5&p=0.6&sort=p",
        "worklist, words of the path": f"/?words={rng.randint(100, 700):05d}/",
        "all scans, newest": "/?verdict=any&reviewed=any&sort=newest",
        "all scans, a retired scanner": f"/?verdict=any&reviewed=any&scanner={quote_plus(RETIRED)}",
        "all scans, highest score": "/?verdict=any&reviewed=any&sort=score",
        "a scan": f"/scan/{rng.randint(1, n_scans)}",
        "worklist, a tag": "/?reviewed=yes&tag=motion",
        "population": "/population",
        "trends": "/trends",
        "trends, a year": "/trends?days=366",
        "two thresholds": "/models/compare?one=31&other=32",
        "runs": "/runs",
        "models": "/models",
    }


def measure(n_decisions: int, n_scans: int) -> dict[str, Any]:
    """Seconds a page by kind, seconds until the record is read, and the server's memory."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        build(home, n_decisions, n_scans, N_THRESHOLDS)
        n_decisions = count(home)
        n_reviews = add_reviews(home)
        with serving(home) as served:
            rng = random.Random(7)
            times: dict[str, list[float]] = {}
            cpu: dict[str, list[float]] = {}
            for _ in range(ROUNDS):
                for kind, address in addresses(rng, n_scans).items():
                    before = served.cpu_seconds()
                    times.setdefault(kind, []).append(served.ask(address))
                    cpu.setdefault(kind, []).append(served.cpu_seconds() - before)
            return {
                "decisions": n_decisions,
                "reviews": n_reviews,
                "ready_s": served.ready_s,
                "resident_mib": memory_mib(served.pid, "VmRSS"),
                "peak_mib": memory_mib(served.pid, "VmHWM"),
                "times": times,
                "cpu": cpu,
            }


@dataclass(frozen=True, slots=True)
class Served:
    """The pages of a home, served, with the record read and a browser signed in."""

    pid: int
    base: str
    browser: urllib.request.OpenerDirector
    ready_s: float  # from the server's start to its first page

    def ask(self, address: str) -> float:
        """Seconds until a page is there, whole."""
        return _ask(self.browser, self.base + address)

    def cpu_seconds(self) -> float:
        """What the server has used of the CPU: whatever else runs, a page takes as much of it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """Serve a home's pages in a process of their own, as `mriad web` does."""
    environment = {**os.environ, "MRIAD_HOME": str(home), "OMP_NUM_THREADS": "1"}
    (home / PORT_FILE).unlink(missing_ok=True)  # of a server before
    started = perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.cli.main", "web"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        base = _base(home)
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        port = int(base.rpartition(":")[2])
        _ask(browser, sign_in_address(home, read_settings(), port))
        _ask(browser, f"{base}/")
        yield Served(server.pid, base, browser, perf_counter() - started)
    finally:
        server.terminate()
        server.wait()


def count(home: Path) -> int:
    """How many decisions there are."""
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        return int(connection.execute("SELECT count(*) FROM decision").fetchone()[0])


def add_reviews(home: Path) -> int:
    """Review half of the suspicious decisions, every eighth of them by two readers; how many."""
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        flagged = connection.execute(
            "SELECT id, scan_id, created_at FROM decision WHERE verdict = 'suspicious' AND id % 2"
        ).fetchall()
        rows = [
            (scan_id, decision_id, reader, word, "", at, TAGS[place % len(TAGS)])
            for place, (decision_id, scan_id, at) in enumerate(flagged)
            for reader, word in (("Ann", "suspicious"), ("Bob", "normal"))[: 1 + (place % 8 == 0)]
        ]
        connection.executemany(
            "INSERT INTO review (scan_id, decision_id, reviewer, verdict, note, created_at, tags) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        connection.commit()
    return len(rows)


def _base(home: Path) -> str:
    """Where the pages are served, once they are."""
    deadline = perf_counter() + 120
    while not (home / PORT_FILE).exists():
        if perf_counter() > deadline:
            raise TimeoutError("the pages are not served after two minutes")
        sleep(0.05)
    return f"http://127.0.0.1:{(home / PORT_FILE).read_text().strip()}"


def _ask(browser: urllib.request.OpenerDirector, address: str) -> float:
    """Seconds until a page is there, whole."""
    started = perf_counter()
    with browser.open(address) as answer:
        answer.read()
    return perf_counter() - started


def memory_mib(pid: int | str, name: str) -> float:
    """A figure of the memory of a process, or of `self`, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / MIB


def main() -> None:
    """Print the times, by kind of page and in all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--scans", type=int, default=100_000)
    given = parser.parse_args()
    found = measure(given.decisions, given.scans)
    first = f"first page after {found['ready_s']:.1f} s"
    of = f"{found['decisions']:,} decisions on {given.scans:,} scans, {found['reviews']:,} reviews"
    print(f"{of}; {first}")
    print(f"memory {found['resident_mib']:.0f} MiB, at most {found['peak_mib']:.0f} MiB")
    print(f"{'milliseconds':40} {'p50':>8} {'p95':>8} {'max':>8} {'CPU':>8}")
    everything: list[float] = []
    for kind, times in found["times"].items():
        everything += times
        _print_line(kind, times, mean(found["cpu"][kind]))
    cpu = [each for some in found["cpu"].values() for each in some]
    _print_line("all", everything, mean(cpu))


def _print_line(kind: str, times: list[float], cpu: float) -> None:
    cuts = quantiles(times, n=100, method="inclusive")
    figures = (1000 * cuts[49], 1000 * cuts[94], 1000 * max(times), 1000 * cpu)
    print(f"{kind:40}" + "".join(f" {figure:8.1f}" for figure in figures))


if __name__ == "__main__":
    main()
