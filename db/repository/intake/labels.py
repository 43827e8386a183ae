"""Labels: appends, which of them hold, and the pool of healthy scans."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, exists, func, or_, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Label, Scan, Sighting
from db.mapping import append_new, columns_of, pieces, row_of, values_of
from mriad_model.enums import LabelSource, LabelValue, ScanKind


def append_labels(engine: Engine, labels: Sequence[Label]) -> int:
    """Append labels, except those that repeat the source's last label of the scan; how many.

    A folder that is read again every night adds nothing, and so cannot override a reviewer's
    later correction.
    """
    with writing(engine) as connection:
        last = _last_words(connection, {label.scan_id for label in labels})
        rows = []
        for label in labels:
            if last.get((label.scan_id, label.source.value)) != label.value.value:
                last[label.scan_id, label.source.value] = label.value.value
                rows.append(values_of(label))
        return append_new(connection, schema.label, rows)


def last_labels(
    connection: Connection, scan_ids: Iterable[int], *, imported: bool = False
) -> dict[int, Label]:
    """Scan id -> the last label that holds, or that was `imported`; scans without are absent."""
    table = schema.label
    which = table.c.source != LabelSource.REVIEWER.value if imported else label_holds()
    found: dict[int, Label] = {}
    for piece in pieces(scan_ids):
        newest = (
            select(func.max(table.c.id))
            .where(table.c.scan_id.in_(piece), which)
            .group_by(table.c.scan_id)
        )
        for row in connection.execute(select(table).where(table.c.id.in_(newest))).mappings():
            found[row["scan_id"]] = row_of(Label, row)
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
    """(scan, source) -> its last value that was not taken back."""
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


@dataclass(frozen=True, slots=True)
class LabelledScan:
    """A scan, the last label it was given, and where it was seen last."""

    id: int  # of the scan
    scan: Scan
    label: Label
    sighting: Sighting


def labelled(
    engine: Engine,
    value: LabelValue | None = None,
    kinds: Collection[ScanKind] = tuple(ScanKind),
) -> list[LabelledScan]:
    """Scans of these kinds by their last label that holds, in the order they were registered."""
    scan, label, sighting = schema.scan, schema.label, schema.sighting
    last_label = select(func.max(label.c.id)).where(label_holds()).group_by(label.c.scan_id)
    seen = schema.sighting.alias()
    last_seen = select(func.max(seen.c.id)).where(seen.c.scan_id == scan.c.id).scalar_subquery()
    query = (
        select(*columns_of(scan, "s_"), *columns_of(label, "l_"), *columns_of(sighting, "f_"))
        .join(label, label.c.scan_id == scan.c.id)
        .join(sighting, sighting.c.id == last_seen)
        .where(label.c.id.in_(last_label), scan.c.kind.in_([kind.value for kind in kinds]))
        .order_by(scan.c.id)
    )
    if value is not None:
        query = query.where(label.c.value == value.value)
    with reading(engine) as connection:
        return [
            LabelledScan(
                row["s_id"],
                row_of(Scan, row, "s_"),
                row_of(Label, row, "l_"),
                row_of(Sighting, row, "f_"),
            )
            for row in connection.execute(query).mappings()
        ]


def healthy_pool(
    engine: Engine, kinds: Collection[ScanKind] = tuple(ScanKind)
) -> list[LabelledScan]:
    """Scans that a person or an import last called healthy: of pictures, of volumes, or all.

    Each with its kind, its patient's pseudonym, its grid and its contrast.
    """
    return labelled(engine, LabelValue.HEALTHY, kinds)
