"""Decisions: queried newest first.

Streams, one a verdict and threshold, are merged here because one plain statement is slower. No
index holds both a scanner and a time, and SQLite then walks or sorts most of the table. Over
1,000,000 decisions, with indexes on the time and on threshold and time, the p95 of one statement
was 739 and 1,454 ms in two rounds, that of the streams 112 and 195 ms in the same rounds on the
same busy machine (the queries of `benchmarks.history`). A scanner in use: 768 against 45 ms.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    case,
    exists,
    func,
    select,
)

from db import schema
from db.engine.connect import reading
from db.mapping import pieces, row_of
from db.repository.reviews import holds
from db.repository.scans import scan_id_of
from db.timestamps import since, until
from mriad_model.enums import DecisionReason, ScanKind, Verdict

DEFAULT_LIMIT: Final = 50
FEW_SCANS: Final = 2_000  # of a scanner: their decisions are sorted
SEARCH_DEPTH: Final = 20_000  # newest decisions searched for those of a scanner
OFTEN_ENOUGH: Final = 16  # decisions searched at first for each that is wanted

TO_LOOK_AT: Final = (Verdict.SUSPICIOUS, Verdict.UNCERTAIN, Verdict.NOT_SCORABLE, Verdict.NORMAL)

T = TypeVar("T")
Place = tuple[str, int]  # where a decision stands in the history: when, and its id


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which decisions to list. A filter that is None admits all."""

    verdict: Verdict | None = None
    since: str | None = None  # ISO-8601 day or moment, UTC unless it names a zone; included
    until: str | None = None  # the same; a day is included to its end, a moment is excluded
    scanner: str | None = None
    model_id: int | None = None
    threshold_id: int | None = None
    scan: int | str | None = None  # id, or the beginning of its sha256, or a recorded path
    limit: int | None = DEFAULT_LIMIT


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
        """Those whose score says something."""
        return self.decisions - self.not_scorable


def decisions(engine: Engine, query: HistoryQuery | None = None) -> list[DecisionRow]:
    """The decisions that a query admits, newest first.

    Raises:
        SettingsError: since or until is no date.
        NotInRecord: there is no such scan.
    """
    query = query or HistoryQuery()
    with reading(engine) as connection:
        places = _newest(connection, query)
        return decision_rows(connection, [decision_id for _, decision_id in places])


def count_admitted(engine: Engine, query: HistoryQuery) -> int:
    """How many decisions a query admits, whatever its limit."""
    table = schema.decision
    counted = select(func.count()).select_from(table).where(*_between(query))
    if query.verdict is not None:
        counted = counted.where(table.c.verdict == query.verdict.value)
    if (owned := _owned(query)) is not None:
        counted = counted.where(table.c.threshold_id.in_(owned))
    if query.scanner is not None:
        counted = counted.join(schema.scan, schema.scan.c.id == table.c.scan_id)
        counted = counted.where(schema.scan.c.scanner == query.scanner)
    with reading(engine) as connection:
        if query.scan is not None:
            counted = counted.where(table.c.scan_id == scan_id_of(connection, query.scan))
        return connection.execute(counted).scalar_one()


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
    if query.scan is not None:
        scan_id = scan_id_of(connection, query.scan)
        return _led_by_scans(connection, query, schema.scan.c.id == scan_id)
    streams = _streams(connection, query)
    if query.scanner is None:
        limited = (stream.limit(query.limit) for stream in streams)
        return _merged((connection.execute(each).tuples().all() for each in limited), query)
    return _newest_of_scanner(connection, query, streams)


def _streams(connection: Connection, query: HistoryQuery) -> list[Select[Place]]:
    """One query for each verdict and threshold admitted, each newest first."""
    table = schema.decision
    base = select(table.c.created_at, table.c.id).where(*_between(query))
    base = base.order_by(table.c.created_at.desc(), table.c.id.desc())
    verdicts = [query.verdict] if query.verdict else list(Verdict)
    streams = [base.where(table.c.verdict == verdict.value) for verdict in verdicts]
    if (owned := _owned(query)) is None:
        return streams
    thresholds = connection.execute(owned).scalars().all()
    return [stream.where(table.c.threshold_id == each) for stream in streams for each in thresholds]


def _owned(query: HistoryQuery) -> Select[tuple[int]] | None:
    """The thresholds whose decisions a query admits; None where it admits all."""
    if query.model_id is None and query.threshold_id is None:
        return None
    threshold = schema.threshold.c
    owned = select(threshold.id)
    if query.model_id is not None:
        owned = owned.where(threshold.model_id == query.model_id)
    if query.threshold_id is not None:
        owned = owned.where(threshold.id == query.threshold_id)
    return owned


def _between(query: HistoryQuery) -> Iterator[ColumnElement[bool]]:
    created_at = schema.decision.c.created_at
    if query.since is not None:
        yield created_at >= since(query.since)
    if query.until is not None:
        yield created_at < until(query.until)


def _newest_of_scanner(
    connection: Connection, query: HistoryQuery, streams: Sequence[Select[Place]]
) -> list[Place]:
    """Decisions on the scans of one scanner; no index can hold both a scanner and a time.

    Few scans lead to their decisions, which are sorted. A scanner with many is in use, and
    found among the newest decisions; if it is retired and is not, its scans must lead too.
    """
    of_scanner = schema.scan.c.scanner == query.scanner
    some = select(schema.scan.c.id).where(of_scanner).limit(FEW_SCANS).subquery()
    n_scans = connection.execute(select(func.count()).select_from(some)).scalar_one()
    if query.limit is not None and n_scans == FEW_SCANS:
        depth = SEARCH_DEPTH // max(1, len(streams))
        found = [_search(connection, stream, query, depth) for stream in streams]
        if None not in found:
            return _merged((places for places in found if places is not None), query)
    return _led_by_scans(connection, query, of_scanner)


def _search(
    connection: Connection, stream: Select[Place], query: HistoryQuery, depth: int
) -> Sequence[Place] | None:
    """What the newest of a stream hold of a scanner; None where more might lie deeper."""
    assert query.limit is not None, "without a limit there is no telling what is enough"
    deep = stream.add_columns(schema.decision.c.scan_id)
    places: Sequence[Place] = ()
    # A scanner in use is soon found; what is looked through has to be sorted again.
    for reach in sorted({min(depth, OFTEN_ENOUGH * query.limit), depth}):
        newest = deep.limit(reach).subquery()
        fits = exists().where(
            schema.scan.c.id == newest.c.scan_id, schema.scan.c.scanner == query.scanner
        )
        hits = select(newest.c.created_at, newest.c.id).where(fits)
        hits = hits.order_by(newest.c.created_at.desc(), newest.c.id.desc()).limit(query.limit)
        places = connection.execute(hits).tuples().all()
        if len(places) == query.limit:
            return places
    searched = connection.execute(select(func.count()).select_from(newest)).scalar_one()
    return places if searched < depth else None


def _led_by_scans(
    connection: Connection, query: HistoryQuery, which: ColumnElement[bool]
) -> list[Place]:
    """Decisions by way of their scans, then sorted."""
    table = schema.decision
    found = (
        select(table.c.created_at, table.c.id)
        .join(schema.scan, schema.scan.c.id == table.c.scan_id)
        .where(which, *_between(query))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(query.limit)
    )
    if query.verdict is not None:
        found = found.where(_unindexed(table.c.verdict) == query.verdict.value)
    if query.scanner is not None:
        found = found.where(schema.scan.c.scanner == query.scanner)
    if (owned := _owned(query)) is not None:
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
    line = row_of(DecisionRow, row)
    if line.path is not None and line.kind is ScanKind.DICOM:
        folder, slash, _ = line.path.rpartition("/")
        if slash and json.loads(row["geometry"]).get("files", 1) > 1:
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
    last_review = (
        select(review.c.verdict)
        .where(review.c.scan_id == decision.c.scan_id, review.c.decision_id == decision.c.id)
        .where(holds())
        .order_by(review.c.id.desc())
    )
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
            last_review.limit(1).scalar_subquery().label("review"),
            decision.c.reason,
            schema.score.c.gate,
            schema.score.c.spread,
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
