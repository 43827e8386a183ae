"""How long a history query takes over a million decisions.

Builds a record of the last three years in a temporary home: scans arrive steadily from eight
scanners (two of them rare, one retired after the first year), a run each night decides what came,
four models follow one another, each recalibrated twice, and every new threshold decides a stretch
of older scans again. 3 % of decisions are suspicious. Then asks what people ask, and times the
whole answer: opening a connection, the query, and the rows.

    python -m benchmarks.record.history --decisions 1000000
"""

import argparse
import hashlib
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any, Final

from sqlalchemy import Engine

from db.engine import chain
from db.engine.connect import open_record, writing
from db.engine.sqlite import DATABASE
from db.repository.reports.history import decisions
from db.repository.reports.history_query import HistoryQuery
from db.schema import metadata
from db.timestamps import now, written
from mriad_model.enums import Role, Verdict
from mriad_model.recipes.built_in_recipes import recipe_named

DAYS: Final = 3 * 365
# The record ends last night: its last week has decisions, and none is of a time to come.
START: Final = datetime.combine(datetime.now(UTC), time(), UTC) - timedelta(days=DAYS)
MODELS: Final = 4
THRESHOLDS: Final = 12
SUSPICIOUS: Final = 0.03
BUSY: Final = ("Siemens Prisma", "Siemens Skyra", "GE MR750", "Philips Achieva", "Philips Ingenia")
RARE: Final = ("Hitachi Echelon", "Canon Galan")  # one scan in 2,000 each
RETIRED: Final = "GE Signa"  # a fifth of the first year's scans, and none after
ROUNDS: Final = 25
MODEL: Final = "models/m"  # no such file is made
A_FOLDER: Final = 1_000  # heatmaps
MEMBERS: Final = ((1, Role.TRAIN), (2, Role.CALIBRATION))  # of the dataset, by scan


def measure(n_decisions: int) -> dict[str, float]:
    """Seconds of history queries over a record of so many decisions: p50, p95 and max."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        started = perf_counter()
        build(home, n_decisions)
        built = perf_counter() - started
        engine = open_record(home, read_only=True)
        times = [seconds for ask in kinds_of_query().values() for seconds in asked(engine, ask)]
        cuts = quantiles(times, n=100, method="inclusive")
        return {
            "decisions": n_decisions,
            "queries": len(times),
            "build_s": built,
            "file_mb": (home / DATABASE).stat().st_size / 1e6,
            "p50_s": cuts[49],
            "p95_s": cuts[94],
            "max_s": max(times),
        }


def asked(
    engine: Engine,
    ask: Callable[[random.Random], HistoryQuery],
    clock: Callable[[], float] = perf_counter,
) -> list[float]:
    """Seconds of each of several queries of a kind, by a clock."""
    rng = random.Random(7)
    times = []
    for _ in range(ROUNDS):
        query = ask(rng)
        started = clock()
        decisions(engine, query)
        times.append(clock() - started)
    return times


def kinds_of_query() -> dict[str, Callable[[random.Random], HistoryQuery]]:
    """What people ask of the history."""
    flagged = Verdict.SUSPICIOUS

    def day(rng: random.Random) -> str:
        return (START + timedelta(days=rng.randrange(DAYS))).date().isoformat()

    def night(rng: random.Random) -> dict[str, Any]:
        chosen = day(rng)
        return {"since": chosen, "until": chosen}

    def model(rng: random.Random) -> int:
        return rng.randint(1, MODELS)

    return {
        "newest": lambda _: HistoryQuery(),
        "suspicious": lambda _: HistoryQuery(verdict=flagged),
        "normal": lambda _: HistoryQuery(verdict=Verdict.NORMAL),
        "since a day": lambda rng: HistoryQuery(since=day(rng)),
        "until a day": lambda rng: HistoryQuery(until=day(rng)),
        "one night": lambda rng: HistoryQuery(**night(rng)),
        "one night, suspicious": lambda rng: HistoryQuery(**night(rng), verdict=flagged),
        "one night, whole": lambda rng: HistoryQuery(**night(rng), limit=None),
        "a model": lambda rng: HistoryQuery(model_id=model(rng)),
        "a model, suspicious": lambda rng: HistoryQuery(model_id=model(rng), verdict=flagged),
        "a model, until": lambda rng: HistoryQuery(model_id=model(rng), until=day(rng)),
        "no such model": lambda _: HistoryQuery(model_id=99),
        "a scanner": lambda rng: HistoryQuery(scanner=rng.choice(BUSY)),
        "a scanner, suspicious": lambda rng: HistoryQuery(
            scanner=rng.choice(BUSY), verdict=flagged
        ),
        "a scanner, one night": lambda rng: HistoryQuery(scanner=rng.choice(BUSY), **night(rng)),
        "a rare scanner": lambda rng: HistoryQuery(scanner=rng.choice(RARE)),
        "a rare scanner, suspicious": lambda rng: HistoryQuery(
            scanner=rng.choice(RARE), verdict=flagged
        ),
        "a retired scanner": lambda _: HistoryQuery(scanner=RETIRED),
        "no such scanner": lambda _: HistoryQuery(scanner="none of ours"),
        "a model, a scanner": lambda rng: HistoryQuery(
            model_id=model(rng), scanner=rng.choice(BUSY)
        ),
        "a model, a scanner, suspicious, since": lambda rng: HistoryQuery(
            model_id=model(rng), scanner=rng.choice(BUSY), verdict=flagged, since=day(rng)
        ),
        "a scan": lambda rng: HistoryQuery(scan=rng.randint(1, 400)),  # that 1,000 decisions have
        "1,000 newest": lambda _: HistoryQuery(limit=1000),
    }


def build(home: Path, n_decisions: int, n_scans: int | None = None, n: int = THRESHOLDS) -> None:
    """Fill a record with so many decisions, by plain bulk inserts.

    On two fifths as many scans by default; `n` thresholds: of few scans it takes more.
    """
    open_record(home).dispose()
    n_scans = n_scans or max(n, n_decisions * 2 // 5)
    with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as connection:
        # What a row may have to undo is kept in memory, not written to a file and left there.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")  # KiB: hashes come in no order
        connection.execute("BEGIN")
        _fill_models(connection, n)
        _fill(connection, "scan", 11, _scans(n_scans))
        _fill(connection, "sighting", 8, _sightings(n_scans))
        members = ((1, scan, role.value, scan) for scan, role in MEMBERS)
        _fill(connection, "dataset_scan", 4, members)
        _fill_decisions(connection, n_scans, n_decisions, n)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _fill(
    connection: sqlite3.Connection, table: str, width: int, rows: Iterator[tuple[Any, ...]]
) -> None:
    connection.executemany(insertion(table, width), rows)


def insertion(table: str, width: int) -> str:
    """A statement that fills the first columns of a table; those added later stay empty."""
    columns = ", ".join(column.name for column in list(metadata.tables[table].columns)[:width])
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * width)})"


def link_rows(home: Path) -> None:
    """Make one link over the rows that plain inserts left without one."""
    with writing(open_record(home), chained=False) as connection:
        chain.append_link(connection, {}, now())


def _fill_models(connection: sqlite3.Connection, n: int) -> None:
    at, recipe = written(START), recipe_named("default").to_json()
    nights = [(night, written(START + timedelta(days=night - 1))) for night in range(1, DAYS + 1)]
    runs = (
        (night, "nightly", f"r{night}", "0", None, "{}", "cpu", began) for night, began in nights
    )
    _fill(connection, "run", 8, runs)
    ends = ((night, night, "completed", "{}", began) for night, began in nights)
    _fill(connection, "run_end", 5, ends)
    lines = sorted(f"{_sha256(scan)} {role.value}\n" for scan, role in MEMBERS)
    frozen = hashlib.sha256("".join(lines).encode()).hexdigest()
    _fill(connection, "dataset", 4, iter([(1, frozen, 1, at)]))
    models = ((m, f"m{m}", MODEL, recipe, 1, "{}", 1, at) for m in range(1, MODELS + 1))
    _fill(connection, "model", 8, models)
    for threshold in range(1, n + 1):
        connection.execute(
            f"INSERT INTO threshold VALUES ({threshold}, {_model_of(threshold, n)}, 1, 'sigmas',"
            f" 0.4, 0.1, 100, {threshold}, 0.5, 1, '{at}', NULL, NULL, NULL, NULL)"
        )
    connection.execute(f"INSERT INTO activation VALUES (1, {n}, 'r', 'me', '{at}')")


def _model_of(threshold: int, n: int) -> int:
    return 1 + (threshold - 1) * MODELS // n


def _arrival(scan: int, n_scans: int) -> datetime:
    return START + timedelta(days=DAYS * (scan - 1) / n_scans)


def _night(moment: datetime) -> int:
    """The run that decides what came at a moment."""
    return 1 + (moment - START).days


def heatmap_path(score: int) -> str:
    """A score's heatmap, relative to the home; a thousand lie in a folder. No such file is made."""
    return f"heatmaps/{score // A_FOLDER:05d}/{score}.png"


def _scans(n_scans: int) -> Iterator[tuple[Any, ...]]:
    rng = random.Random(1)
    for scan in range(1, n_scans + 1):
        draw = rng.random()
        if draw < 0.001:
            scanner = RARE[scan % 2]
        elif draw < 0.2 and scan < n_scans / 3:
            scanner = RETIRED
        else:
            scanner = rng.choice(BUSY)
        at = written(_arrival(scan, n_scans))
        yield scan, _sha256(scan), "image", None, None, None, scanner, "{}", 1, 1, at


def _sha256(scan: int) -> str:
    return hashlib.sha256(scan.to_bytes(8, "big")).hexdigest()


def _sightings(n_scans: int) -> Iterator[tuple[Any, ...]]:
    at = written(START)
    for scan in range(1, n_scans + 1):
        yield scan, scan, f"inbox/{scan // 500:05d}/{scan}.png", 30_000, scan, scan, 1, at


def _fill_decisions(connection: sqlite3.Connection, n_scans: int, n_decisions: int, n: int) -> None:
    """Period by period: first the older scans again, then those that arrive."""
    rng = random.Random(2)
    scores: dict[tuple[int, int], int] = {}
    again = (n_decisions - n_scans) / (n - 1)
    decided = 0
    for threshold in range(1, n + 1):
        first, last = ((n_scans * t // n) for t in (threshold - 1, threshold))
        due = n_decisions * threshold // n if threshold < n else n_decisions
        older = min(first, round(again * 1.2), max(0, due - decided - (last - first)))
        model, rows, new = _model_of(threshold, n), [], []
        for scan in range(first - older + 1, last + 1):
            decided += 1
            value = rng.uniform(0.5, 1) if rng.random() < SUSPICIOUS else rng.uniform(0, 0.5)
            moment = _arrival(max(scan, first), n_scans)
            at, night = written(moment + timedelta(microseconds=decided)), _night(moment)
            if (scan, model) not in scores:
                scores[scan, model] = len(scores) + 1
                new.append((len(scores), scan, model, value, 1, at))
            said = "suspicious" if value > 0.5 else "normal"
            rows.append((decided, scan, threshold, scores[scan, model], said, 0.5, night, at))
        _fill(connection, "score", 6, iter(new))
        maps = ((row[0], row[0], "slice", 0, heatmap_path(row[0]), "-", row[5]) for row in new)
        _fill(connection, "heatmap", 7, maps)
        _fill(connection, "decision", 8, iter(rows))


def main() -> None:
    """Print the times, by kind of query and in all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=1_000_000)
    n_decisions: int = parser.parse_args().decisions
    with tempfile.TemporaryDirectory() as folder:
        started = perf_counter()
        build(Path(folder), n_decisions)
        print(f"built {n_decisions:,} decisions in {perf_counter() - started:.0f} s")
        engine = open_record(Path(folder), read_only=True)
        print(f"{'milliseconds':40} {'p50':>8} {'p95':>8} {'max':>8}")
        everything = []
        for kind, ask in kinds_of_query().items():
            times = asked(engine, ask)
            everything += times
            _print_line(kind, times)
        _print_line("all", everything)


def _print_line(kind: str, times: list[float]) -> None:
    cuts = quantiles(times, n=100, method="inclusive")
    figures = (1000 * cuts[49], 1000 * cuts[94], 1000 * max(times))
    print(f"{kind:40}" + "".join(f" {figure:8.1f}" for figure in figures))


if __name__ == "__main__":
    main()
