"""Reads of stored scores, from which thresholds are made and past scans decided again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, Select, Table, exists, select

from db import schema
from db.engine import reading
from db.rows import noun_of, pieces
from mriad_model.nouns import Role

PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as the record holds it. Higher is more anomalous."""

    scan_id: int
    score_id: int
    value: float


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
    return _paged(engine, _of_model(model_id))


def decided_scores(engine: Engine, model_id: int) -> Iterator[StoredScore]:
    """The scores of a model that any of its thresholds has decided, in the same manner."""
    score, decision = schema.score, schema.decision
    made = exists().where(decision.c.scan_id == score.c.scan_id, decision.c.score_id == score.c.id)
    return _paged(engine, _of_model(model_id).where(made))


def _of_model(model_id: int) -> Select[Any]:
    score = schema.score
    return (
        select(score.c.scan_id, score.c.id.label("score_id"), score.c.value)
        .where(score.c.model_id == model_id)
        .order_by(score.c.id)
        .limit(PAGE)
    )


def _paged(engine: Engine, query: Select[Any]) -> Iterator[StoredScore]:
    last = 0
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(schema.score.c.id > last)).mappings().all()
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


def _without(engine: Engine, scan_ids: Iterable[int], table: Table, condition: Any) -> list[int]:
    wanted = list(scan_ids)
    there: set[int] = set()
    with reading(engine) as connection:
        for piece in pieces(wanted):
            query = select(table.c.scan_id).where(condition, table.c.scan_id.in_(piece))
            there.update(connection.execute(query).scalars())
    return [scan_id for scan_id in wanted if scan_id not in there]
