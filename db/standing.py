"""What runs have recorded: told when one is stopped."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Table, func, select

from db import schema
from db.engine import reading
from mriad_model.nouns import Verdict


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
