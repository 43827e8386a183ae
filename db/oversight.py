"""What people should look at: warnings, and challenges."""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from db import schema
from db.engine import reading, writing
from db.rows import append_new, noun_of, values_of
from mriad_model.nouns import Challenge, RecordedWarning


def append_warnings(engine: Engine, warnings: Sequence[RecordedWarning]) -> int:
    """Append warnings; how many. A run that is taken up again says nothing twice."""
    with writing(engine) as connection:
        return append_new(connection, schema.warning, [values_of(each) for each in warnings])


def append_challenge(engine: Engine, challenge: Challenge) -> int:
    """Append how a challenger did against the champion; the id of the row.

    The first word of a run on this challenger stands.
    """
    table = schema.challenge
    with writing(engine) as connection:
        append_new(connection, table, [values_of(challenge)])
        found: int = connection.execute(
            select(table.c.id).where(
                table.c.run_id == challenge.run_id,
                table.c.challenger_threshold_id == challenge.challenger_threshold_id,
            )
        ).scalar_one()
        return found


def warnings(
    engine: Engine, since: str | None = None, run_id: int | None = None
) -> list[RecordedWarning]:
    """The warnings, oldest first; `since` a recorded moment, of one run, or all."""
    table = schema.warning
    query = select(table).order_by(table.c.id)
    if since is not None:
        query = query.where(table.c.created_at >= since)
    if run_id is not None:
        query = query.where(table.c.run_id == run_id)
    with reading(engine) as connection:
        return [noun_of(RecordedWarning, row) for row in connection.execute(query).mappings()]


def challenges(engine: Engine) -> list[Challenge]:
    """The challenges, oldest first."""
    query = select(schema.challenge).order_by(schema.challenge.c.id)
    with reading(engine) as connection:
        return [noun_of(Challenge, row) for row in connection.execute(query).mappings()]
