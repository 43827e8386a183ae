"""Reads of scores: for thresholds, drift, and deciding past scans again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, exists, or_, select

from db import schema
from db.engine.connect import reading
from db.mapping import rows_of, select_in
from mriad_model.enums import Role, Verdict

PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as the record holds it. Higher is more anomalous."""

    scan_id: int
    score_id: int
    value: float
    gate: float | None = None  # distance to what was learned, 1 at the limit; None: no gate
    spread: float | None = None  # of the folds' scores; None: no folds


@dataclass(frozen=True, slots=True)
class DecidedScore:
    """A score that a threshold has decided, and where the scan is from."""

    scan_id: int
    value: float
    verdict: Verdict
    scanner: str | None


def stored_scores(engine: Engine, model_id: int, scan_ids: Iterable[int]) -> dict[int, StoredScore]:
    """A model's scores of these scans, by scan; one without a score is skipped."""
    score = schema.score.c
    query = select(schema.score).where(score.model_id == model_id)
    with reading(engine) as connection:
        found = select_in(connection, query, score.scan_id, scan_ids)
        return {
            row.scan_id: StoredScore(row.scan_id, row.id, row.value, row.gate, row.spread)
            for row in found
        }


def recent_scores(engine: Engine, threshold_id: int, limit: int) -> list[DecidedScore]:
    """The last scores that a threshold has decided, newest decision first."""
    decision, score, scan = schema.decision, schema.score, schema.scan
    query = (
        select(decision.c.scan_id, score.c.value, decision.c.verdict, scan.c.scanner)
        .join(score, score.c.id == decision.c.score_id)
        .join(scan, scan.c.id == decision.c.scan_id)
        .where(decision.c.threshold_id == threshold_id)
        .order_by(decision.c.id.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        return rows_of(connection, DecidedScore, query)


def calibration_scores(engine: Engine, model_id: int, dataset_id: int) -> list[StoredScore]:
    """A model's scores of a dataset's calibration scans, by scan id; those of folds are such."""
    score, member = schema.score, schema.dataset_scan
    query = (
        select(*_stored())
        .join(member, member.c.scan_id == score.c.scan_id)
        .where(
            score.c.model_id == model_id,
            member.c.dataset_id == dataset_id,
            or_(member.c.role == Role.CALIBRATION.value, member.c.fold.is_not(None)),
        )
        .order_by(score.c.scan_id)
    )
    with reading(engine) as connection:
        return rows_of(connection, StoredScore, query)


def decided_scores(engine: Engine, model_id: int) -> Iterator[StoredScore]:
    """The scores of a model that any of its thresholds has decided, oldest first.

    They are read a page at a time: no transaction stays open.
    """
    score, decision = schema.score, schema.decision
    made = exists().where(decision.c.scan_id == score.c.scan_id, decision.c.score_id == score.c.id)
    query = (
        select(*_stored())
        .where(score.c.model_id == model_id, made)
        .order_by(score.c.id)
        .limit(PAGE)
    )
    last = 0
    while True:
        with reading(engine) as connection:
            rows = rows_of(connection, StoredScore, query.where(score.c.id > last))
        yield from rows
        if not rows:
            return
        last = rows[-1].score_id


def undecided(engine: Engine, scan_ids: Iterable[int], threshold_id: int) -> list[int]:
    """Of these scans, those that the threshold is still to decide, in this order.

    One that its model has tried and could give no score is none of them.
    """
    decision, unscored, threshold = schema.decision.c, schema.unscored.c, schema.threshold.c
    of_model = select(threshold.model_id).where(threshold.id == threshold_id).scalar_subquery()
    decided = select(decision.scan_id).where(decision.threshold_id == threshold_id)
    tried = select(unscored.scan_id).where(unscored.model_id == of_model)
    wanted = list(scan_ids)
    with reading(engine) as connection:
        done = {
            scan_id
            for query, key in ((decided, decision.scan_id), (tried, unscored.scan_id))
            for (scan_id,) in select_in(connection, query, key, wanted)
        }
    return [scan_id for scan_id in wanted if scan_id not in done]


def _stored() -> tuple[ColumnElement[Any], ...]:
    """The columns of a `StoredScore`."""
    score = schema.score.c
    return score.scan_id, score.id.label("score_id"), score.value, score.gate, score.spread
