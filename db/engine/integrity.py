"""Whether the record holds together: what `mriad check` asks of it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Select, and_, distinct, func, or_, select, text

from db import schema
from db.engine.chain import TOO_HIGH
from db.engine.connect import reading
from db.entities import Run
from db.mapping import rows_of
from db.timestamps import after, now
from mriad_model.enums import LEARNED_ROLES, Role

PAGE: Final = 20_000
MOST_LINES: Final = 100  # that SQLite reports of a damaged file
A_DAY: Final = 86_400.0  # seconds by which the clock that wrote may have been ahead of ours
MOMENTS: Final = ("created_at", "started_at", "ended_at", "seen_at", "settled_at")


class RecordedFile(NamedTuple):
    """A file that a row names."""

    id: int  # of the row
    path: str  # relative to the home
    sha256: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is to check."""

    scans: int
    decisions: int
    heatmaps: int
    models: int


def counts(engine: Engine) -> Counts:
    """How many rows there are of each."""
    tables = (schema.scan, schema.decision, schema.heatmap, schema.model)
    with reading(engine) as connection:
        return Counts(
            *(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in tables
            )
        )


def damages(engine: Engine) -> list[str]:
    """What SQLite finds wrong with its file, and references to rows that are not there.

    PostgreSQL has no such check, and keeps references intact by itself.
    """
    if engine.dialect.name != "sqlite":
        return []
    with reading(engine) as connection:
        lines = connection.execute(text(f"PRAGMA integrity_check({MOST_LINES})")).scalars().all()
        found = [" ".join(line.split()) for line in lines if line != "ok"]
        lost = connection.execute(text("PRAGMA foreign_key_check")).all()
        found += [
            f"{_row(row[1], row[0])} names a row of {row[2]} that is not there"
            for row in lost[:MOST_LINES]
        ]
    return found


def _row(number: int | None, table: str) -> str:
    """Tables without numbers of their own (`WITHOUT ROWID`) have none to name."""
    return f"a row of {table}" if number is None else f"row {number} of {table}"


def impossible_rows(engine: Engine) -> list[str]:
    """Rows with a number that mriad does not give out, or a time in the future, a sentence each."""
    late = after(now(), A_DAY)
    found: list[str] = []
    with reading(engine) as connection:
        for name, table in sorted(schema.metadata.tables.items()):
            if "id" in table.c:
                outside = or_(table.c.id <= 0, table.c.id >= TOO_HIGH)
                rows = connection.execute(select(table.c.id).where(outside).limit(MOST_LINES))
                found += [
                    f"{name} has a row {n}, a number that mriad gives none" for n in rows.scalars()
                ]
            for column in (each for each in table.c if each.name in MOMENTS):
                ahead = select(func.min(column), func.count()).where(column > late)
                moment, n = connection.execute(ahead).one()
                if n:
                    found.append(f"{name} has rows dated in the future: {n}, the first {moment}")
    return found


def broken_chains(engine: Engine) -> list[str]:
    """Rows that name others which do not belong to them, a sentence each.

    A decision names a score of its scan, by the model of its threshold; a threshold comes from
    calibration scans that its model has not learned from; a dataset is the set it was frozen as.
    """
    with reading(engine) as connection:
        found = [
            f"decision {row.id} is of scan {row.scan_id} by a threshold of model {row.model_id}, "
            f"and names a score of scan {row.scored} by model {row.by}"
            for row in connection.execute(_decisions_with_another_score())
        ]
        found += [
            f"threshold {row.id} was drawn through {row.n} scans that model {row.model_id} "
            "learned from"
            for row in connection.execute(_thresholds_from_training_scans())
        ]
        found += [
            f"threshold {row.id} was drawn through scan {row.scan_id}, in another fold than that "
            f"which a member of model {row.model_id} did not learn"
            for row in connection.execute(_thresholds_from_other_folds())
        ]
        found += [
            f"{table} {row_id} names dataset {dataset_id}, which has no scan for {role.value}"
            for table, role in (("model", Role.TRAIN), ("threshold", Role.CALIBRATION))
            for row_id, dataset_id in connection.execute(_without_role(table, role)).tuples()
        ]
        found += [
            f"dataset {dataset_id} is not the set of scans that it was frozen as"
            for dataset_id in _changed_datasets(connection)
        ]
    return found


def _decisions_with_another_score() -> Select[Any]:
    decision, score, threshold = schema.decision.c, schema.score.c, schema.threshold.c
    return (
        select(
            decision.id,
            decision.scan_id,
            threshold.model_id,
            score.scan_id.label("scored"),
            score.model_id.label("by"),
        )
        .join(schema.score, score.id == decision.score_id)
        .join(schema.threshold, threshold.id == decision.threshold_id)
        .where(or_(score.scan_id != decision.scan_id, score.model_id != threshold.model_id))
        .order_by(decision.id)
    )


def _thresholds_from_training_scans() -> Select[Any]:
    learned, calibrates = schema.dataset_scan.alias("learned"), schema.dataset_scan.alias()
    threshold, model = schema.threshold.c, schema.model.c
    return (
        select(threshold.id, threshold.model_id, func.count(distinct(learned.c.scan_id)).label("n"))
        .join(schema.model, model.id == threshold.model_id)
        .join(learned, learned.c.dataset_id == model.dataset_id)
        .join(calibrates, calibrates.c.scan_id == learned.c.scan_id)
        .where(
            calibrates.c.dataset_id == threshold.dataset_id,
            calibrates.c.role == Role.CALIBRATION.value,
            learned.c.role.in_([role.value for role in LEARNED_ROLES]),
        )
        .group_by(threshold.id, threshold.model_id)
        .order_by(threshold.id)
    )


def _thresholds_from_other_folds() -> Select[Any]:
    learned, calibrates = schema.dataset_scan.alias("learned"), schema.dataset_scan.alias()
    threshold, model = schema.threshold.c, schema.model.c
    same_scan = and_(
        learned.c.dataset_id == model.dataset_id, learned.c.scan_id == calibrates.c.scan_id
    )
    return (
        select(threshold.id, threshold.model_id, calibrates.c.scan_id)
        .select_from(schema.threshold)
        .join(schema.model, model.id == threshold.model_id)
        .join(calibrates, calibrates.c.dataset_id == threshold.dataset_id)
        .outerjoin(learned, same_scan)
        .where(calibrates.c.fold.is_not(None), calibrates.c.fold.is_distinct_from(learned.c.fold))
        .order_by(threshold.id, calibrates.c.scan_id)
    )


def _without_role(name: str, role: Role) -> Select[tuple[int, int]]:
    table, member = schema.metadata.tables[name], schema.dataset_scan.c
    serves = member.role == role.value
    if role is Role.CALIBRATION:
        serves = or_(serves, member.fold.is_not(None))
    has_one = select(member.scan_id).where(member.dataset_id == table.c.dataset_id, serves).exists()
    return select(table.c.id, table.c.dataset_id).where(~has_one).order_by(table.c.id)


def _changed_datasets(connection: Connection) -> list[int]:
    """Datasets whose sha256 is not of their (scan sha256, role, fold if any)."""
    member, scan = schema.dataset_scan.c, schema.scan.c
    lines: dict[int, list[str]] = defaultdict(list)
    query = select(member.dataset_id, scan.sha256, member.role, member.fold).join(
        schema.scan, scan.id == member.scan_id
    )
    for dataset_id, scan_sha256, role, fold in connection.execute(query):
        of_fold = "" if fold is None else f" {fold}"
        lines[dataset_id].append(f"{scan_sha256} {role}{of_fold}\n")
    frozen = connection.execute(select(schema.dataset.c.id, schema.dataset.c.sha256))
    return [
        dataset_id
        for dataset_id, recorded in frozen
        if sha256("".join(sorted(lines[dataset_id])).encode()).hexdigest() != recorded
    ]


def recorded_heatmaps(engine: Engine) -> Iterator[list[RecordedFile]]:
    """The heatmaps' files, oldest first, a page at a time: no transaction stays open."""
    table, last = schema.heatmap.c, 0
    query = select(table.id, table.path, table.sha256).order_by(table.id).limit(PAGE)
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(table.id > last)).tuples().all()
        if not rows:
            return
        yield [RecordedFile(*row) for row in rows]
        last = rows[-1][0]


def unfinished_runs(engine: Engine) -> list[Run]:
    """Runs without an end, oldest first: under way, or killed."""
    run, end = schema.run, schema.run_end
    query = select(run).outerjoin(end, end.c.run_id == run.c.id).where(end.c.id.is_(None))
    with reading(engine) as connection:
        return rows_of(connection, Run, query.order_by(run.c.id))
