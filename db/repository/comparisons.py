"""Comparisons of a candidate with the current model: appends and reads."""

from sqlalchemy import Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Challenge
from db.mapping import append_new, noun_of, values_of


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


def challenges(engine: Engine) -> list[Challenge]:
    """The challenges, oldest first."""
    query = select(schema.challenge).order_by(schema.challenge.c.id)
    with reading(engine) as connection:
        return [noun_of(Challenge, row) for row in connection.execute(query).mappings()]
