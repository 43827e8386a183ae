"""What people should look at, and what they said: warnings, challenges, reviews."""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from db import schema
from db.engine import reading, writing
from db.rows import append_new, insert_new, noun_of, values_of
from mriad_model.errors import NotInRecord, RecordError
from mriad_model.nouns import Challenge, RecordedWarning, Review


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


def append_review(engine: Engine, review: Review) -> int:
    """Append a person's word on a decision; the id of the row.

    Raises:
        NotInRecord: there is no such decision.
        RecordError: the decision is of another scan.

    """
    table, decision = schema.review, schema.decision.c
    with writing(engine) as connection:
        decided = connection.scalar(
            select(decision.scan_id).where(decision.id == review.decision_id)
        )
        if decided is None:
            raise NotInRecord(f"There is no decision {review.decision_id} in the record")
        if decided != review.scan_id:
            raise RecordError(
                f"Decision {review.decision_id} is of scan {decided}, not of scan {review.scan_id}"
            )
        (new,) = insert_new(connection, table, [values_of(review)], table.c.id)
        return int(new.id)


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


def reviews(engine: Engine, scan_id: int | None = None) -> list[Review]:
    """The reviews, of one scan or all, oldest first; the last is what holds."""
    query = select(schema.review).order_by(schema.review.c.id)
    if scan_id is not None:
        query = query.where(schema.review.c.scan_id == scan_id)
    with reading(engine) as connection:
        return [noun_of(Review, row) for row in connection.execute(query).mappings()]
