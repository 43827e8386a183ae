"""Decisions: queried newest first.

Streams, one a verdict and threshold, are merged here because one plain statement is slower. No
index holds both a scanner and a time, and SQLite then walks or sorts most of the table. Over
1,000,000 decisions, with indexes on the time and on threshold and time, the p95 of one statement
was 739 and 1,454 ms in two rounds, that of the streams 112 and 195 ms in the same rounds on the
same busy machine (the queries of `benchmarks.record.history`). A scanner in use: 768 against 45 ms.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from typing import Any, Final, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    ScalarSelect,
    Select,
    case,
    exists,
    func,
    select,
)

from db import schema
from db.engine.connect import reading
from db.mapping import pieces, row_of
from db.repository.reports.history_query import (
    HistoryQuery,
    HistorySort,
    admitting,
    owned_thresholds,
    scanners_named,
    sorted_decisions,
)
from db.repository.reports.reviews import holds
from mriad_model.enums import DecisionReason, ScanKind, Verdict

FEW_SCANS: Final = 2_000  # of a scanner: their decisions are sorted
SEARCH_DEPTH: Final = 20_000  # newest decisions searched for those of a scanner
OFTEN_ENOUGH: Final = 16  # decisions searched at first for each that is wanted

TO_LOOK_AT: Final = (Verdict.SUSPICIOUS, Verdict.UNCERTAIN, Verdict.NOT_SCORABLE, Verdict.NORMAL)

T = TypeVar("T")
Place = tuple[str, int]  # where a decision stands in the history: when, and its id


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One line of the history."""

    scan_id: int  # what every command takes
    decision_id: int
    path: str | None  # where the scan was seen last: its file, or its series' folder
    kind: ScanKind
    model_id: int
    threshold_id: int
    score: float
    threshold: float
    p_value: float
    verdict: Verdict
    heatmap_path: str | None
    decided_at: str
    review: str | None  # the verdict of the last person who looked at it, if it holds
    reason: DecisionReason | None = None  # of the verdict; None in decisions of before
    gate: float | None = None  # distance to what was learned, 1 at the limit
    spread: float | None = None  # of the folds' scores
    reviewer: str | None = None  # who gave that review
    scanner: str | None = None
    contrast: str | None = None  # T1w, FLAIR, ...
    patient: str | None = None  # pseudonym
    study_uid: str | None = None
    series_uid: str | None = None
    sha256: str | None = None  # of the scan's content
    run_id: int | None = None  # that decided
    tags: str | None = None  # of that review, with a blank between them


@dataclass(frozen=True, slots=True)
class Tally:
    """Decisions counted."""

    decisions: int
    suspicious: int
    uncertain: int = 0
    not_scorable: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Tally":
        """Of counts by verdict."""
        return cls(
            sum(counts.values()),
            *(
                counts.get(each.value, 0)
                for each in (Verdict.SUSPICIOUS, Verdict.UNCERTAIN, Verdict.NOT_SCORABLE)
            ),
        )

    @property
    def scored(self) -> int:
        """Those whose score means something: all but the not scorable."""
        return self.decisions - self.not_scorable


def decisions(engine: Engine, query: HistoryQuery | None = None) -> list[DecisionRow]:
    """The decisions that a query admits, in its order.

    Raises:
        SettingsError: since or until is not a valid date.
        NotInRecord: there is no such scan.
    """
    query = query or HistoryQuery()
    with reading(engine) as connection:
        if query.sort is not HistorySort.NEWEST:
            return decision_rows(connection, sorted_decisions(connection, query))
        places = _newest(connection, query)
        return decision_rows(connection, [decision_id for _, decision_id in places])


def tally(engine: Engine, run_ids: Sequence[int]) -> Tally:
    """How many decisions these runs made."""
    verdict = schema.decision.c.verdict
    query = (
        select(verdict, func.count()).where(schema.decision.c.run_id.in_(run_ids)).group_by(verdict)
    )
    with reading(engine) as connection:
        found = dict(connection.execute(query).tuples().all())
    return Tally.of(found)


def _newest(connection: Connection, query: HistoryQuery) -> list[Place]:
    if any(
        each is not None for each in (query.scan, query.patient, query.reviewer, query.tags or None)
    ):
        return _led_by_scans(connection, query)  # they are few
    streams = _streams(connection, query)
    if query.scanner is None:
        limited = (stream.limit(query.limit) for stream in streams)
        return _merged((connection.execute(each).tuples().all() for each in limited), query)
    return _newest_of_scanner(connection, query, streams)


def _streams(connection: Connection, query: HistoryQuery) -> list[Select[Place]]:
    """One query for each verdict and threshold admitted, each newest first."""
    table = schema.decision
    base = select(table.c.created_at, table.c.id).where(*admitting(connection, query))
    base = base.order_by(table.c.created_at.desc(), table.c.id.desc())
    verdicts = [query.verdict] if query.verdict else list(Verdict)
    streams = [base.where(table.c.verdict == verdict.value) for verdict in verdicts]
    if (owned := owned_thresholds(query)) is None:
        return streams
    thresholds = connection.execute(owned).scalars().all()
    return [stream.where(table.c.threshold_id == each) for stream in streams for each in thresholds]


def _newest_of_scanner(
    connection: Connection, query: HistoryQuery, streams: Sequence[Select[Place]]
) -> list[Place]:
    """Decisions on the scans of one scanner; no index can hold both a scanner and a time.

    Few scans lead to their decisions, which are sorted. A scanner with many is in use, and
    found among the newest decisions; if it is retired and is not, its scans must lead too.
    """
    of_scanner = schema.scan.c.scanner.in_(scanners_named(connection, query.scanner or ""))
    some = select(schema.scan.c.id).where(of_scanner).limit(FEW_SCANS).subquery()
    n_scans = connection.execute(select(func.count()).select_from(some)).scalar_one()
    if query.limit is not None and n_scans == FEW_SCANS:
        depth = SEARCH_DEPTH // max(1, len(streams))
        found = [_search(connection, each, query, of_scanner, depth) for each in streams]
        if None not in found:
            return _merged((places for places in found if places is not None), query)
    return _led_by_scans(connection, query)


def _search(
    connection: Connection,
    stream: Select[Place],
    query: HistoryQuery,
    of_scanner: ColumnElement[bool],
    depth: int,
) -> Sequence[Place] | None:
    """What the newest of a stream hold of a scanner; None where more might lie deeper."""
    assert query.limit is not None, "without a limit there is no telling what is enough"
    deep = stream.add_columns(schema.decision.c.scan_id)
    places: Sequence[Place] = ()
    # A scanner in use is soon found; what is looked through has to be sorted again.
    for reach in sorted({min(depth, OFTEN_ENOUGH * query.limit), depth}):
        newest = deep.limit(reach).subquery()
        fits = exists().where(schema.scan.c.id == newest.c.scan_id, of_scanner)
        hits = select(newest.c.created_at, newest.c.id).where(fits)
        hits = hits.order_by(newest.c.created_at.desc(), newest.c.id.desc()).limit(query.limit)
        places = connection.execute(hits).tuples().all()
        if len(places) == query.limit:
            return places
    searched = connection.execute(select(func.count()).select_from(newest)).scalar_one()
    return places if searched < depth else None


def _led_by_scans(connection: Connection, query: HistoryQuery) -> list[Place]:
    """Decisions by way of their scans, then sorted."""
    table = schema.decision
    found = (
        select(table.c.created_at, table.c.id)
        .join(schema.scan, schema.scan.c.id == table.c.scan_id)
        .where(*admitting(connection, query))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(query.limit)
    )
    if query.verdict is not None:
        found = found.where(_unindexed(table.c.verdict) == query.verdict.value)
    if query.scanner is not None:
        names = scanners_named(connection, query.scanner)
        found = found.where(schema.scan.c.scanner.in_(names))
    if (owned := owned_thresholds(query)) is not None:
        found = found.where(table.c.threshold_id.in_(owned))
    return list(connection.execute(found).tuples().all())


def _unindexed(column: ColumnElement[T]) -> ColumnElement[T]:
    """The column, out of the planner's sight: it would walk an index where we know better."""
    return func.coalesce(column, column)


def _merged(streams: Iterable[Sequence[Place]], query: HistoryQuery) -> list[Place]:
    places = [place for stream in streams for place in stream]
    if query.limit is None:
        return sorted(places, reverse=True)
    return nlargest(query.limit, places)


def decision_rows(connection: Connection, ids: Sequence[int]) -> list[DecisionRow]:
    """The lines of these decisions, in this order."""
    lines: list[DecisionRow] = []
    for piece in pieces(ids):
        rows = connection.execute(_description().where(schema.decision.c.id.in_(piece))).mappings()
        found = {row["decision_id"]: _line(row) for row in rows}
        lines += [found[decision_id] for decision_id in piece]
    return lines


def _line(row: RowMapping) -> DecisionRow:
    """One line; a series of many files is named by its folder."""
    grid = json.loads(row["geometry"])
    line = row_of(DecisionRow, {**row, "contrast": grid.get("contrast")})
    if line.path is not None and line.kind is ScanKind.DICOM:
        folder, slash, _ = line.path.rpartition("/")
        if slash and grid.get("files", 1) > 1:
            return replace(line, path=folder + slash)
    return line


def _description() -> Select[Any]:
    decision, seen, heatmap = schema.decision, schema.sighting, schema.heatmap
    last_path = (
        select(seen.c.path).where(seen.c.scan_id == decision.c.scan_id).order_by(seen.c.id.desc())
    )
    first_heatmap = (
        select(heatmap.c.path)
        .where(heatmap.c.score_id == decision.c.score_id)
        .order_by(heatmap.c.id)
    )
    review = schema.review

    def last_review(column: Column[Any]) -> ScalarSelect[Any]:
        held = select(column).where(review.c.scan_id == decision.c.scan_id)
        held = held.where(review.c.decision_id == decision.c.id, holds())
        return held.order_by(review.c.id.desc()).limit(1).scalar_subquery()

    return (
        select(
            decision.c.id.label("decision_id"),
            decision.c.scan_id,
            last_path.limit(1).scalar_subquery().label("path"),
            schema.scan.c.kind,
            schema.scan.c.geometry,
            schema.threshold.c.model_id,
            decision.c.threshold_id,
            schema.score.c.value.label("score"),
            schema.threshold.c.value.label("threshold"),
            decision.c.p_value,
            decision.c.verdict,
            first_heatmap.limit(1).scalar_subquery().label("heatmap_path"),
            decision.c.created_at.label("decided_at"),
            last_review(review.c.verdict).label("review"),
            last_review(review.c.reviewer).label("reviewer"),
            last_review(review.c.tags).label("tags"),
            decision.c.reason,
            schema.score.c.gate,
            schema.score.c.spread,
            schema.scan.c.scanner,
            schema.scan.c.patient,
            schema.scan.c.study_uid,
            schema.scan.c.series_uid,
            schema.scan.c.sha256,
            decision.c.run_id,
        )
        .join(schema.scan, schema.scan.c.id == decision.c.scan_id)
        .join(schema.score, schema.score.c.id == decision.c.score_id)
        .join(schema.threshold, schema.threshold.c.id == decision.c.threshold_id)
    )


def decided_in(engine: Engine, run_ids: Sequence[int]) -> list[DecisionRow]:
    """All decisions that these runs made: what a person should look at first, normal ones last.

    Suspicious, then uncertain, then not scorable; of each the highest score first.
    """
    decision, score = schema.decision, schema.score
    query = (
        select(decision.c.id)
        .join(score, score.c.id == decision.c.score_id)
        .where(decision.c.run_id.in_(run_ids))
        .order_by(
            case({each.value: i for i, each in enumerate(TO_LOOK_AT)}, value=decision.c.verdict),
            score.c.value.desc(),
            decision.c.id,
        )
    )
    with reading(engine) as connection:
        return decision_rows(connection, connection.execute(query).scalars().all())
