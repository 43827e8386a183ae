"""Reads by name: rows by id, what is in force, the healthy pool, stored scores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, Table, func, select

from db import schema
from db.engine import reading
from db.rows import Noun, by_id, columns_of, grouped, noun_of, pieces
from mriad_model.errors import NotInRecord, RecordError
from mriad_model.nouns import (
    Activation,
    Label,
    LabelValue,
    Model,
    Rejection,
    Role,
    Run,
    RunEnd,
    Scan,
    Sighting,
    Threshold,
)

SHORTEST_PREFIX: Final = 4
N = TypeVar("N", bound=Noun)


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides now: the last activation, its threshold and that threshold's model."""

    activation: Activation
    threshold: Threshold
    model: Model


@dataclass(frozen=True, slots=True)
class LabelledScan:
    """A scan, the last label it was given, and where it was seen last."""

    scan: Scan
    label: Label
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as the record holds it. Higher is more anomalous."""

    scan_id: int
    score_id: int
    value: float


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


def models(engine: Engine) -> list[Model]:
    """All models, oldest first."""
    return _all(engine, schema.model, Model)


def thresholds(engine: Engine) -> list[Threshold]:
    """All thresholds, oldest first."""
    return _all(engine, schema.threshold, Threshold)


def activations(engine: Engine) -> list[Activation]:
    """All activations, oldest first; the last is in force."""
    return _all(engine, schema.activation, Activation)


def rejections(engine: Engine, run_id: int | None = None) -> list[Rejection]:
    """The files rejected, in a run or ever, oldest first."""
    query = select(schema.rejection).order_by(schema.rejection.c.id)
    if run_id is not None:
        query = query.where(schema.rejection.c.run_id == run_id)
    with reading(engine) as connection:
        return [noun_of(Rejection, row) for row in connection.execute(query).mappings()]


def labelled(engine: Engine, value: LabelValue | None = None) -> list[LabelledScan]:
    """Scans by their last label, in the order they were registered."""
    scan, label, sighting = schema.scan, schema.label, schema.sighting
    last_label = select(func.max(label.c.id)).group_by(label.c.scan_id)
    seen = schema.sighting.alias()
    last_seen = select(func.max(seen.c.id)).where(seen.c.scan_id == scan.c.id).scalar_subquery()
    query = (
        select(*columns_of(scan, "s_"), *columns_of(label, "l_"), *columns_of(sighting, "f_"))
        .join(label, label.c.scan_id == scan.c.id)
        .join(sighting, sighting.c.id == last_seen)
        .where(label.c.id.in_(last_label))
        .order_by(scan.c.id)
    )
    if value is not None:
        query = query.where(label.c.value == value.value)
    with reading(engine) as connection:
        return [
            LabelledScan(
                noun_of(Scan, row, "s_"), noun_of(Label, row, "l_"), noun_of(Sighting, row, "f_")
            )
            for row in connection.execute(query).mappings()
        ]


def healthy_pool(engine: Engine) -> list[LabelledScan]:
    """Scans that a person or an import last called healthy."""
    return labelled(engine, LabelValue.HEALTHY)


def scans_by_id(engine: Engine, scan_ids: Iterable[int]) -> dict[int, Scan]:
    """The scans of these ids; an id without a scan is left out."""
    with reading(engine) as connection:
        return by_id(connection, Scan, schema.scan, scan_ids)


def sightings(engine: Engine, scan_ids: Iterable[int]) -> dict[int, list[Sighting]]:
    """Where each of these scans was seen, newest first."""
    with reading(engine) as connection:
        newest = schema.sighting.c.id.desc()
        return grouped(connection, Sighting, schema.sighting.c.scan_id, scan_ids, newest)


def dataset_roles(engine: Engine, dataset_id: int) -> dict[int, Role]:
    """Scan id -> its role in a dataset."""
    table = schema.dataset_scan
    query = select(table.c.scan_id, table.c.role).where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return {row.scan_id: Role(row.role) for row in connection.execute(query)}


def calibration_scores(engine: Engine, model_id: int, dataset_id: int) -> list[StoredScore]:
    """A model's scores of a dataset's calibration scans, by scan id."""
    score, member = schema.score, schema.dataset_scan
    query = (
        select(score.c.scan_id, score.c.id.label("score_id"), score.c.value)
        .join(member, member.c.scan_id == score.c.scan_id)
        .where(
            score.c.model_id == model_id,
            member.c.dataset_id == dataset_id,
            member.c.role == Role.CALIBRATION.value,
        )
        .order_by(score.c.scan_id)
    )
    with reading(engine) as connection:
        return [noun_of(StoredScore, row) for row in connection.execute(query).mappings()]


def all_scores(engine: Engine, model_id: int) -> Iterator[StoredScore]:
    """Every score of a model, oldest first, a page at a time: no transaction stays open."""
    score = schema.score
    query = (
        select(score.c.scan_id, score.c.id.label("score_id"), score.c.value)
        .where(score.c.model_id == model_id)
        .order_by(score.c.id)
        .limit(10_000)
    )
    last = 0
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(score.c.id > last)).mappings().all()
        yield from (noun_of(StoredScore, row) for row in rows)
        if not rows:
            return
        last = rows[-1]["score_id"]


def undecided(engine: Engine, scan_ids: Iterable[int], threshold_id: int) -> list[int]:
    """Of these scans, those that the threshold has not decided, in this order."""
    decision = schema.decision
    return _without(engine, scan_ids, decision, decision.c.threshold_id == threshold_id)


def unscored(engine: Engine, scan_ids: Iterable[int], model_id: int) -> list[int]:
    """Of these scans, those that the model has not scored, in this order."""
    return _without(engine, scan_ids, schema.score, schema.score.c.model_id == model_id)


def scan_id_of(connection: Connection, scan: int | str) -> int:
    """The id of a scan named by id, by the beginning of its sha256, or by a recorded path.

    Raises:
        NotInRecord: there is no such scan.
        RecordError: several scans' hashes begin so.

    """
    table = schema.scan
    if isinstance(scan, int) or scan.isdecimal():
        query = select(table.c.id).where(table.c.id == int(scan))
        found = connection.execute(query).scalars().all()
        if found or isinstance(scan, int):
            return _only(found, scan)
    found = (
        connection.execute(
            select(schema.sighting.c.scan_id)
            .where(schema.sighting.c.path == scan)
            .order_by(schema.sighting.c.id.desc())
            .limit(1)
        )
        .scalars()
        .all()
    )
    if not found and len(scan) >= SHORTEST_PREFIX:
        prefix = scan.lower()
        query = select(table.c.id).where(table.c.sha256 >= prefix, table.c.sha256 < prefix + "g")
        found = connection.execute(query.limit(2)).scalars().all()
    return _only(found, scan)


def _only(found: Any, scan: int | str) -> int:
    if not found:
        raise NotInRecord(
            f"There is no scan {scan} in the record: name its id, its path, "
            f"or {SHORTEST_PREFIX} or more characters of its sha256"
        )
    if len(found) > 1:
        raise RecordError(f"Several scans begin with {scan}: give more of the sha256")
    return int(found[0])


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


def _without(engine: Engine, scan_ids: Iterable[int], table: Table, condition: Any) -> list[int]:
    wanted = list(scan_ids)
    there: set[int] = set()
    with reading(engine) as connection:
        for piece in pieces(wanted):
            query = select(table.c.scan_id).where(condition, table.c.scan_id.in_(piece))
            there.update(connection.execute(query).scalars())
    return [scan_id for scan_id in wanted if scan_id not in there]
