"""Reads for a list of scans by their standing decision: the active threshold's, else the last.

The record only grows, so a list that was read before is brought up to date by the rows that came
since: `Marks` hold how far it has been read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Engine, Select, func, select

from db import schema
from db.engine.connect import reading
from db.entities import Heatmap, Label, Review, Scan, Threshold
from db.mapping import pieces, rows_by_id, rows_by_key, rows_of
from db.repository.intake.labels import last_labels
from db.repository.reports.history import DecisionRow, decision_rows
from db.repository.reports.reviews import holds

PAGE: Final = 20_000  # rows read at once


@dataclass(frozen=True, slots=True)
class Marks:
    """How far the record goes: the last ids, 0 where there is none, and the active threshold."""

    decision: int = 0
    review: int = 0
    scan: int = 0
    threshold: int = 0
    activation: int = 0
    active: int = 0  # the active threshold


class ScoredDecision(NamedTuple):
    """One decision and its score."""

    decision_id: int
    scan_id: int
    threshold_id: int
    run_id: int
    verdict: str
    p_value: float
    created_at: str
    score: float


class ScanFacts(NamedTuple):
    """What a scan can be chosen by."""

    scan_id: int
    kind: str
    scanner: str | None
    patient: str | None
    geometry: str


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision as a list shows it."""

    decision: DecisionRow
    scan: Scan
    threshold: Threshold
    picture: Heatmap | None  # the first map that was drawn
    reviews: tuple[Review, ...]  # of the scan, that hold, oldest first
    label: Label | None  # the last that holds
    imported: Label | None  # the last that no reviewer gave


def marks(engine: Engine) -> Marks:
    """How far the record goes now."""
    activation = schema.activation

    def last(column: Column[int]) -> Any:
        return select(func.coalesce(func.max(column), 0)).scalar_subquery()

    active = select(activation.c.threshold_id).order_by(activation.c.id.desc()).limit(1)
    query = select(
        last(schema.decision.c.id),
        last(schema.review.c.id),
        last(schema.scan.c.id),
        last(schema.threshold.c.id),
        last(activation.c.id),
        func.coalesce(active.scalar_subquery(), 0),
    )
    with reading(engine) as connection:
        return Marks(*connection.execute(query).one())


def decisions_after(
    engine: Engine, after: int, up_to: int, threshold_id: int | None = None
) -> Iterator[list[ScoredDecision]]:
    """Decisions of ids above `after`, up to `up_to`, of one threshold or all, in pages by id."""
    decision, score = schema.decision, schema.score
    query = (
        select(
            decision.c.id,
            decision.c.scan_id,
            decision.c.threshold_id,
            decision.c.run_id,
            decision.c.verdict,
            decision.c.p_value,
            decision.c.created_at,
            score.c.value,
        )
        .join(score, score.c.id == decision.c.score_id)
        .order_by(decision.c.id)
        .limit(PAGE)
    )
    if threshold_id is not None:
        query = query.where(decision.c.threshold_id == threshold_id)
    for page in _paged(engine, query, decision.c.id, after, up_to):
        yield [ScoredDecision(*row) for row in page]


def scans_after(engine: Engine, after: int, up_to: int) -> Iterator[list[ScanFacts]]:
    """Scans of ids above `after`, up to `up_to`, in pages by id."""
    scan = schema.scan.c
    query = select(scan.id, scan.kind, scan.scanner, scan.patient, scan.geometry)
    query = query.order_by(scan.id).limit(PAGE)
    for page in _paged(engine, query, scan.id, after, up_to):
        yield [ScanFacts(*row) for row in page]


def thresholds_after(engine: Engine, after: int) -> list[Threshold]:
    """Thresholds of ids above `after`."""
    table = schema.threshold
    with reading(engine) as connection:
        query = select(table).where(table.c.id > after).order_by(table.c.id)
        return rows_of(connection, Threshold, query)


def reviews_after(engine: Engine, after: int) -> dict[int, list[Review]]:
    """Scan id -> reviews that hold, oldest first, of scans with reviews of ids above `after`."""
    table = schema.review
    touched = select(table.c.scan_id).where(table.c.id > after).distinct()
    found: dict[int, list[Review]] = {}
    with reading(engine) as connection:
        for piece in pieces(connection.execute(touched).scalars().all()):
            found |= {scan_id: [] for scan_id in piece}
            query = select(table).where(table.c.scan_id.in_(piece), holds()).order_by(table.c.id)
            for row in rows_of(connection, Review, query):
                found[row.scan_id].append(row)
    return found


def scans_with_words(engine: Engine, words: Sequence[str]) -> list[int]:
    """Scans of which a recorded path holds all of these words, whatever their case (ASCII)."""
    seen = schema.sighting.c
    # SQLite's LIKE takes `a` for `A`; to lower the paths first takes twice as long.
    holds_word = seen.path.contains if engine.dialect.name == "sqlite" else seen.path.icontains
    query = select(seen.scan_id).where(*(holds_word(word, autoescape=True) for word in words))
    with reading(engine) as connection:
        return list(connection.execute(query).scalars())


def listed_decisions(engine: Engine, decision_ids: Sequence[int]) -> list[ListedDecision]:
    """These decisions with what a list shows beside them, in this order."""
    review, heatmap, decided = schema.review, schema.heatmap, schema.decision.c
    with reading(engine) as connection:
        rows = decision_rows(connection, decision_ids)
        scan_ids = {row.scan_id for row in rows}
        scans = rows_by_id(connection, Scan, schema.scan, scan_ids)
        drawn_by = rows_by_id(
            connection, Threshold, schema.threshold, {row.threshold_id for row in rows}
        )
        scores: dict[int, int] = {}
        standing: dict[int, list[Review]] = {}
        for piece in pieces(decision_ids):
            query = select(decided.id, decided.score_id).where(decided.id.in_(piece))
            scores |= dict(connection.execute(query).tuples().all())
        for piece in pieces(scan_ids):
            held = select(review).where(review.c.scan_id.in_(piece), holds()).order_by(review.c.id)
            for each in rows_of(connection, Review, held):
                standing.setdefault(each.scan_id, []).append(each)
        maps = rows_by_key(connection, Heatmap, heatmap.c.score_id, scores.values(), heatmap.c.id)
        labels = last_labels(connection, scan_ids)
        imported = last_labels(connection, scan_ids, imported=True)
    return [
        ListedDecision(
            decision=row,
            scan=scans[row.scan_id],
            threshold=drawn_by[row.threshold_id],
            picture=next(iter(maps.get(scores[row.decision_id], ())), None),
            reviews=tuple(standing.get(row.scan_id, ())),
            label=labels.get(row.scan_id),
            imported=imported.get(row.scan_id),
        )
        for row in rows
    ]


def heatmap_by_id(engine: Engine, heatmap_id: int) -> Heatmap | None:
    """The heatmap of this id; None where there is none."""
    with reading(engine) as connection:
        return rows_by_id(connection, Heatmap, schema.heatmap, [heatmap_id]).get(heatmap_id)


def _paged(
    engine: Engine, query: Select[Any], key: Column[int], after: int, up_to: int
) -> Iterator[Sequence[Any]]:
    """A query's rows by pages; no transaction stays open between them."""
    while after < up_to:
        with reading(engine) as connection:
            page = connection.execute(query.where(key > after, key <= up_to)).all()
        if not page:
            return
        yield page
        after = page[-1][0]
