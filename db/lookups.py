"""Reads of single rows by id, of short tables whole, and of what is in force."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine, Table, func, select

from db import schema
from db.engine import reading
from db.rows import Noun, columns_of, noun_of
from mriad_model.errors import NotInRecord
from mriad_model.nouns import Activation, Model, Rejection, Run, RunEnd, RunStatus, Threshold

N = TypeVar("N", bound=Noun)


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides now: the last activation, its threshold and that threshold's model."""

    activation: Activation
    threshold: Threshold
    model: Model


def current_threshold(engine: Engine) -> InForce | None:
    """What is in force; None before the first activation."""
    activation, threshold, model = schema.activation, schema.threshold, schema.model
    query = (
        select(
            *columns_of(activation, "a_"), *columns_of(threshold, "t_"), *columns_of(model, "m_")
        )
        .join(threshold, threshold.c.id == activation.c.threshold_id)
        .join(model, model.c.id == threshold.c.model_id)
        .order_by(activation.c.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return InForce(
        noun_of(Activation, row, "a_"), noun_of(Threshold, row, "t_"), noun_of(Model, row, "m_")
    )


def model_by_id(engine: Engine, model_id: int) -> Model:
    """The model of this id. NotInRecord if there is none."""
    return _one(engine, schema.model, Model, model_id)


def threshold_by_id(engine: Engine, threshold_id: int) -> Threshold:
    """The threshold of this id. NotInRecord if there is none."""
    return _one(engine, schema.threshold, Threshold, threshold_id)


def run_by_id(engine: Engine, run_id: int) -> tuple[Run, RunEnd | None]:
    """The run of this id, and how it ended if it has. NotInRecord if there is none."""
    run = _one(engine, schema.run, Run, run_id)
    with reading(engine) as connection:
        query = select(schema.run_end).where(schema.run_end.c.run_id == run_id)
        row = connection.execute(query).mappings().first()
    return run, None if row is None else noun_of(RunEnd, row)


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
    """What the runs that help a run are recorded as: by this it is known whose work theirs is."""
    return f"score_shard of run {run_id}"


def with_shards(engine: Engine, run_ids: Iterable[int]) -> list[int]:
    """Runs, and those that helped them."""
    run = schema.run
    found = list(run_ids)
    shards = select(run.c.id).where(run.c.flow.in_([shard_of(each) for each in found]))
    with reading(engine) as connection:
        return found + list(connection.execute(shards.order_by(run.c.id)).scalars())


def unreported_runs(engine: Engine, run_id: int) -> list[int]:
    """A run of a flow, and those of the same flow before it that came to no end.

    A run that was killed has recorded decisions but listed them nowhere. Those since the last
    run that completed are listed by the next. Those that helped are among them.
    """
    run, end = schema.run, schema.run_end
    same_flow = select(run.c.flow).where(run.c.id == run_id).scalar_subquery()
    last_completed = (
        select(func.coalesce(func.max(run.c.id), 0))
        .join(end, end.c.run_id == run.c.id)
        .where(
            run.c.flow == same_flow,
            run.c.id < run_id,
            end.c.status == RunStatus.COMPLETED.value,
        )
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


def models(engine: Engine) -> list[Model]:
    """All models, oldest first."""
    return _all(engine, schema.model, Model)


def thresholds(engine: Engine) -> list[Threshold]:
    """All thresholds, oldest first."""
    return _all(engine, schema.threshold, Threshold)


def activations(engine: Engine) -> list[Activation]:
    """All activations, oldest first; the last is in force."""
    return _all(engine, schema.activation, Activation)


def count_decisions(engine: Engine) -> int:
    """How many decisions there are."""
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(schema.decision)).scalar_one()


def has_runs(engine: Engine) -> bool:
    """Whether anything was ever recorded."""
    with reading(engine) as connection:
        return connection.execute(select(schema.run.c.id).limit(1)).first() is not None


def has_pseudonyms(engine: Engine) -> bool:
    """Whether any scan is of a patient who goes by a pseudonym."""
    named = select(schema.scan.c.id).where(schema.scan.c.patient.is_not(None)).limit(1)
    with reading(engine) as connection:
        return connection.execute(named).first() is not None


def rejections(engine: Engine, run_id: int | None = None) -> list[Rejection]:
    """The files rejected, in a run or ever, oldest first."""
    query = select(schema.rejection).order_by(schema.rejection.c.id)
    if run_id is not None:
        query = query.where(schema.rejection.c.run_id == run_id)
    with reading(engine) as connection:
        return [noun_of(Rejection, row) for row in connection.execute(query).mappings()]


def rejections_at(engine: Engine, path: str) -> list[Rejection]:
    """Why the file of this recorded path was rejected, oldest first."""
    table = schema.rejection
    query = select(table).where(table.c.path == path).order_by(table.c.id)
    with reading(engine) as connection:
        return [noun_of(Rejection, row) for row in connection.execute(query).mappings()]


def _one(engine: Engine, table: Table, kind: type[N], row_id: int) -> N:
    with reading(engine) as connection:
        row = connection.execute(select(table).where(table.c.id == row_id)).mappings().first()
    if row is None:
        raise NotInRecord(f"There is no {table.name} {row_id} in the record")
    return noun_of(kind, row)


def _all(engine: Engine, table: Table, kind: type[N]) -> list[N]:
    with reading(engine) as connection:
        rows = connection.execute(select(table).order_by(table.c.id)).mappings()
        return [noun_of(kind, row) for row in rows]
