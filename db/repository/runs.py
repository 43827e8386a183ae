"""Runs: their rows, how they ended, and what they recorded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Table, func, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Run, RunEnd
from db.mapping import append_row, columns_of, row_by_id, row_of, rows_of
from mriad_model.enums import RunStatus, Verdict
from mriad_model.errors import NotInRecord


def run_by_id(engine: Engine, run_id: int) -> tuple[Run, RunEnd | None]:
    """The run of this id, and how it ended if it has. NotInRecord if there is none."""
    query = select(schema.run_end).where(schema.run_end.c.run_id == run_id)
    with reading(engine) as connection:
        run = row_by_id(connection, Run, schema.run, run_id)
        return run, next(iter(rows_of(connection, RunEnd, query)), None)


def run_by_flow_run(engine: Engine, flow_run_id: str) -> int:
    """The id of the run that the workflow engine knows by this id. NotInRecord if there is none."""
    run = schema.run
    with reading(engine) as connection:
        found = connection.execute(select(run.c.id).where(run.c.flow_run_id == flow_run_id))
        run_id: int | None = found.scalar_one_or_none()
    if run_id is None:
        raise NotInRecord(f"There is no run {flow_run_id} in the record")
    return run_id


def shard_of(run_id: int) -> str:
    """The flow name that a run's shards are recorded under."""
    return f"score_shard of run {run_id}"


def with_shards(engine: Engine, run_ids: Iterable[int]) -> list[int]:
    """Runs, and their shards."""
    run = schema.run
    found = list(run_ids)
    shards = select(run.c.id).where(run.c.flow.in_([shard_of(each) for each in found]))
    with reading(engine) as connection:
        return found + list(connection.execute(shards.order_by(run.c.id)).scalars())


def interrupted_runs(engine: Engine, run_id: int) -> list[int]:
    """A run of a flow, and its runs since the last that completed; with their shards.

    A run that was killed has recorded decisions that no report lists: the next one lists them.
    """
    run, end = schema.run, schema.run_end
    same_flow = select(run.c.flow).where(run.c.id == run_id).scalar_subquery()
    last_completed = (
        select(func.coalesce(func.max(run.c.id), 0))
        .join(end, end.c.run_id == run.c.id)
        .where(run.c.flow == same_flow, run.c.id < run_id)
        .where(end.c.status == RunStatus.COMPLETED.value)
        .scalar_subquery()
    )
    query = (
        select(run.c.id)
        .where(run.c.flow == same_flow, run.c.id > last_completed, run.c.id <= run_id)
        .order_by(run.c.id)
    )
    with reading(engine) as connection:
        runs = list(connection.execute(query).scalars())
    return with_shards(engine, runs)


def was_cut_off(engine: Engine, flow: str) -> bool:
    """Whether the last run of a flow has not completed: it was cut off, failed, or is under way."""
    run, end = schema.run, schema.run_end
    last = select(run.c.id).where(run.c.flow == flow).order_by(run.c.id.desc()).limit(1)
    with reading(engine) as connection:
        number = connection.scalar(last)
        if number is None:
            return False
        status = connection.scalar(select(end.c.status).where(end.c.run_id == number))
    return status != RunStatus.COMPLETED.value


def has_runs(engine: Engine) -> bool:
    """Whether anything was ever recorded."""
    with reading(engine) as connection:
        return connection.execute(select(schema.run.c.id).limit(1)).first() is not None


def start_run(engine: Engine, run: Run) -> int:
    """The id of the run's row. A flow run that starts again after a crash keeps its row."""
    with writing(engine) as connection:
        return append_row(connection, schema.run, run)[0]


def end_run(engine: Engine, end: RunEnd) -> None:
    """Record how a run ended. The first end counts."""
    with writing(engine) as connection:
        append_row(connection, schema.run_end, end)


def runs_ended(engine: Engine, since: str) -> list[tuple[Run, RunEnd]]:
    """The runs that ended from a recorded moment on, in the order in which they did."""
    run, end = schema.run, schema.run_end
    query = (
        select(*columns_of(run, "r_"), *columns_of(end, "e_"))
        .join(end, end.c.run_id == run.c.id)
        .where(end.c.ended_at >= since)
        .order_by(end.c.id)
    )
    with reading(engine) as connection:
        return [
            (row_of(Run, row, "r_"), row_of(RunEnd, row, "e_"))
            for row in connection.execute(query).mappings()
        ]


def runs_since(engine: Engine, since: str) -> list[tuple[Run, RunEnd | None]]:
    """The runs that began from a recorded moment on, oldest first, and how they ended."""
    run, end = schema.run, schema.run_end
    query = (
        select(*columns_of(run, "r_"), *columns_of(end, "e_"))
        .outerjoin(end, end.c.run_id == run.c.id)
        .where(run.c.started_at >= since)
        .order_by(run.c.id)
    )
    with reading(engine) as connection:
        return [
            (row_of(Run, row, "r_"), row_of(RunEnd, row, "e_") if row["e_id"] else None)
            for row in connection.execute(query).mappings()
        ]


@dataclass(frozen=True, slots=True)
class Standing:
    """Rows that runs have committed."""

    scans: int
    rejections: int
    models: int
    decisions: int
    suspicious: int  # of the decisions


def recorded_by(engine: Engine, run_ids: Sequence[int]) -> Standing:
    """What these runs have recorded so far."""
    suspicious = schema.decision.c.verdict == Verdict.SUSPICIOUS.value
    with reading(engine) as connection:

        def count(table: Table, *which: ColumnElement[bool]) -> int:
            query = select(func.count()).select_from(table).where(table.c.run_id.in_(run_ids))
            return connection.execute(query.where(*which)).scalar_one()

        return Standing(
            scans=count(schema.scan),
            rejections=count(schema.rejection),
            models=count(schema.model),
            decisions=count(schema.decision),
            suspicious=count(schema.decision, suspicious),
        )


def newest_runs(
    engine: Engine, limit: int, before: int | None = None
) -> list[tuple[Run, RunEnd | None]]:
    """The newest runs, newest first, and how they ended; of ids below `before`, or all."""
    run, end = schema.run, schema.run_end
    query = (
        select(*columns_of(run, "r_"), *columns_of(end, "e_"))
        .outerjoin(end, end.c.run_id == run.c.id)
        .order_by(run.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(run.c.id < before)
    with reading(engine) as connection:
        return [
            (row_of(Run, row, "r_"), row_of(RunEnd, row, "e_") if row["e_id"] else None)
            for row in connection.execute(query).mappings()
        ]
