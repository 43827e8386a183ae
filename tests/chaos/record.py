"""A record as plain lines that do not depend on when, and in which order, it was written."""

import sqlite3
from contextlib import closing
from pathlib import Path

# What is told of a row: natural keys in place of ids; no run, no time.
LINES = {
    "scan": "select sha256, kind, patient, geometry, n_slices from scan",
    "sighting": "select s.sha256, path, size from sighting f join scan s on s.id = f.scan_id",
    "rejection": "select path, size, reason, detail from rejection",
    "label": "select s.sha256, value, source from label l join scan s on s.id = l.scan_id",
    "dataset": "select sha256 from dataset",
    "dataset_scan": """select d.sha256, s.sha256, role from dataset_scan x
        join dataset d on d.id = x.dataset_id join scan s on s.id = x.scan_id""",
    "model": "select sha256, path, recipe from model",
    "threshold": """select m.sha256, policy, t.k, t.mean, t.sd, t.n, t.value from threshold t
        join model m on m.id = t.model_id""",
    "active": """select m.sha256, t.policy, t.k from activation a
        join threshold t on t.id = a.threshold_id join model m on m.id = t.model_id
        order by a.id desc limit 1""",
    "score": """select s.sha256, m.sha256, value from score c
        join scan s on s.id = c.scan_id join model m on m.id = c.model_id""",
    "slice_score": """select s.sha256, m.sha256, p.position, p.value from slice_score p
        join score c on c.id = p.score_id
        join scan s on s.id = c.scan_id join model m on m.id = c.model_id""",
    "heatmap": """select s.sha256, h.kind, h.position, h.path, h.sha256 from heatmap h
        join score c on c.id = h.score_id join scan s on s.id = c.scan_id""",
    "decision": """select s.sha256, m.sha256, t.policy, t.k, d.verdict, d.p_value from decision d
        join scan s on s.id = d.scan_id join threshold t on t.id = d.threshold_id
        join model m on m.id = t.model_id""",
    "arrival": """select path, n_files, settled_by, e.id is not null from arrival a
        left join arrival_end e on e.arrival_id = a.id""",
}


def lines_of(home: Path) -> list[str]:
    """Every row that a run may add, sorted; each table's name before it."""
    with sqlite3.connect(f"file:{home / 'mriad.db'}?mode=ro", uri=True) as connection:
        return [
            f"{table} {'|'.join(map(str, row))}"
            for table, query in LINES.items()
            for row in sorted(connection.execute(query).fetchall(), key=repr)
        ]


def count_runs(home: Path) -> int:
    """How many runs were begun; 0 where there is no record yet."""
    return len(_ids(home, "select id from run"))


def open_runs(home: Path) -> set[int]:
    """Runs without an end: they write, or were killed while they did."""
    return _ids(home, "select id from run where id not in (select run_id from run_end)")


def _ids(home: Path, query: str) -> set[int]:
    database = home / "mriad.db"
    if not database.exists():
        return set()
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return {int(row[0]) for row in connection.execute(query)}
    except sqlite3.OperationalError:  # the tables are being made
        return set()
