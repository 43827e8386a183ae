"""Labels: appends, and which of them hold.

The latest label of a scan holds. One that a review gave holds as long as the review does: the two
are of one scan, author and moment.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, Engine, exists, func, or_, select

from db import schema
from db.engine import writing
from db.rows import append_new, noun_of, pieces, values_of
from mriad_model.nouns import Label, LabelSource


def append_labels(engine: Engine, labels: Sequence[Label]) -> int:
    """Append labels, save those that repeat the source's last word on the scan; how many.

    A folder that is read again every night says nothing new, and so cannot talk over the
    reviewer who has corrected it since.
    """
    with writing(engine) as connection:
        return add_labels(connection, labels)


def add_labels(connection: Connection, labels: Sequence[Label]) -> int:
    """The same, in a transaction that is open."""
    last = _last_words(connection, {label.scan_id for label in labels})
    rows = []
    for label in labels:
        if last.get((label.scan_id, label.source.value)) != label.value.value:
            last[label.scan_id, label.source.value] = label.value.value
            rows.append(values_of(label))
    return append_new(connection, schema.label, rows)


def last_labels(connection: Connection, scan_ids: Iterable[int]) -> dict[int, Label]:
    """Scan id -> the last label that holds; a scan without one is left out."""
    table = schema.label
    found: dict[int, Label] = {}
    for piece in pieces(scan_ids):
        newest = (
            select(func.max(table.c.id))
            .where(table.c.scan_id.in_(piece), label_holds())
            .group_by(table.c.scan_id)
        )
        for row in connection.execute(select(table).where(table.c.id.in_(newest))).mappings():
            found[row["scan_id"]] = noun_of(Label, row)
    return found


def label_holds() -> ColumnElement[bool]:
    """Whether a row of `label` was not given by a review that was withdrawn."""
    label, review, later = schema.label, schema.review.alias(), schema.review.alias()
    taken_back = (
        exists()
        .where(
            review.c.scan_id == label.c.scan_id,
            review.c.created_at == label.c.created_at,
            review.c.reviewer == label.c.author,
            later.c.scan_id == review.c.scan_id,
            later.c.withdrawn == review.c.id,
        )
        .correlate(label)
    )
    return or_(label.c.source != LabelSource.REVIEWER.value, ~taken_back)


def _last_words(connection: Connection, scan_ids: Iterable[int]) -> dict[tuple[int, str], str]:
    """(scan, source) -> the value it said last, and did not take back."""
    table = schema.label
    last: dict[tuple[int, str], str] = {}
    for piece in pieces(scan_ids):
        newest = (
            select(func.max(table.c.id))
            .where(table.c.scan_id.in_(piece), label_holds())
            .group_by(table.c.scan_id, table.c.source)
        )
        query = select(table.c.scan_id, table.c.source, table.c.value).where(table.c.id.in_(newest))
        last |= {(scan, source): value for scan, source, value in connection.execute(query)}
    return last
