"""Findings in scans, and the limits of each model."""

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Finding, FindingLimit
from db.mapping import append_row, rows_by_key, rows_of, select_in


def append_finding_limit(engine: Engine, limit: FindingLimit) -> None:
    """Append a model's limits. Its first ones stay."""
    with writing(engine) as connection:
        append_row(connection, schema.finding_limit, limit)


def finding_limit(engine: Engine, model_id: int) -> FindingLimit | None:
    """A model's limits; None for one that was made before there were any."""
    table = schema.finding_limit
    with reading(engine) as connection:
        rows = rows_of(connection, FindingLimit, select(table).where(table.c.model_id == model_id))
    return rows[0] if rows else None


def finding_limits(connection: Connection, model_ids: Iterable[int]) -> dict[int, FindingLimit]:
    """The limits of models that have any, by model."""
    table = schema.finding_limit
    rows = rows_by_key(connection, FindingLimit, table.c.model_id, model_ids, table.c.id)
    return {model_id: found[0] for model_id, found in rows.items()}


def findings_of_scores(
    connection: Connection, score_ids: Iterable[int]
) -> dict[int, tuple[Finding, ...]]:
    """The findings behind scores, by score, the highest peak first."""
    table = schema.finding
    rows = rows_by_key(connection, Finding, table.c.score_id, score_ids, table.c.position)
    return {score_id: tuple(found) for score_id, found in rows.items()}


def findings_of_decisions(
    engine: Engine, decision_ids: Iterable[int]
) -> dict[int, tuple[Finding, ...]]:
    """The findings behind decisions that have any, by decision, the highest peak first."""
    decision = schema.decision
    query = select(decision.c.id, decision.c.score_id)
    with reading(engine) as connection:
        scores = dict(select_in(connection, query, decision.c.id, decision_ids))
        found = findings_of_scores(connection, set(scores.values()))
    return {each: found[score_id] for each, score_id in scores.items() if score_id in found}
