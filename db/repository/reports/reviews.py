"""Reviews of decisions, their withdrawals, and the labels that they give.

A review is withdrawn by one more row that names it (`withdrawn`) and repeats its verdict. Neither
the review nor its label holds then; what held before holds again.
"""

from sqlalchemy import ColumnElement, Connection, Engine, and_, exists, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Label, Review
from db.mapping import append_new, insert_new, row_of, rows_of, values_of
from db.repository.intake.labels import last_labels
from mriad_model.errors import NotInRecord, RecordError
from mriad_model.plain_text import printable


def append_review(engine: Engine, review: Review, label: Label | None = None) -> int:
    """Append a person's word on a decision, and the label that it is; the id of the review.

    Raises:
        NotInRecord: there is no such decision.
        RecordError: the decision is of another scan.
    """
    decision = schema.decision.c
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
        if label is not None:  # also one that repeats another's: either may be withdrawn
            append_new(connection, schema.label, [values_of(label)])
        return _insert(connection, review)


def withdraw_review(
    engine: Engine,
    scan_id: int,
    reviewer: str,
    note: str,
    moment: str,
    shown: int | None = None,
    *,
    own: bool = False,
) -> tuple[int, Review]:
    """Withdraw the last review of a scan that holds; the id of the new row, and what it withdrew.

    `shown` is the id of the review that the reader saw last; with `own` the last of the
    reviewer's own reviews is meant, whatever others have reviewed since.

    Raises:
        NotInRecord: no review of the scan holds.
        RecordError: the last is another than the one shown.
    """
    table = schema.review
    query = select(table).where(table.c.scan_id == scan_id, holds()).order_by(table.c.id.desc())
    if own:
        query = query.where(table.c.reviewer == printable(reviewer))
    with writing(engine) as connection:
        row = connection.execute(query.limit(1)).mappings().first()
        if row is None:
            raise NotInRecord(f"Scan {scan_id} has no review that could be withdrawn")
        last = row_of(Review, row)
        if shown not in (None, last.id):
            raise RecordError(
                f"Scan {scan_id} has been reviewed by {last.reviewer} since; look at that first"
            )
        taken_back = Review(
            scan_id, last.decision_id, reviewer, last.verdict, note, moment, withdrawn=last.id
        )
        return _insert(connection, taken_back), last


def reviews(engine: Engine, scan_id: int | None = None) -> list[Review]:
    """The reviews, of one scan or all, oldest first, with those withdrawn and the withdrawals."""
    return _reviews(engine, scan_id)


def standing_reviews(engine: Engine, scan_id: int | None = None) -> list[Review]:
    """The reviews that hold, of one scan or all, oldest first; of a decision, the last counts."""
    return _reviews(engine, scan_id, holds())


def standing_label(engine: Engine, scan_id: int, *, imported: bool = False) -> Label | None:
    """The last label of a scan that holds, or the last that was `imported`."""
    with reading(engine) as connection:
        return last_labels(connection, [scan_id], imported=imported).get(scan_id)


def holds() -> ColumnElement[bool]:
    """Whether a row of `review` is neither withdrawn nor a withdrawal."""
    review, later = schema.review, schema.review.alias()
    taken_back = (
        exists()
        .where(later.c.scan_id == review.c.scan_id, later.c.withdrawn == review.c.id)
        .correlate(review)
    )
    return and_(review.c.withdrawn.is_(None), ~taken_back)


def _insert(connection: Connection, review: Review) -> int:
    table = schema.review
    (new,) = insert_new(connection, table, [values_of(review)], table.c.id)
    return int(new.id)


def _reviews(engine: Engine, scan_id: int | None, *which: ColumnElement[bool]) -> list[Review]:
    query = select(schema.review).where(*which).order_by(schema.review.c.id)
    if scan_id is not None:
        query = query.where(schema.review.c.scan_id == scan_id)
    with reading(engine) as connection:
        return rows_of(connection, Review, query)
