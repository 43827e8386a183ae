"""Scans that are not scorable and have no score: registration failed, or not to be prepared.

No decision can be made without a score, so the record has a rejection of the scan's file instead,
later than the scan. Here it is listed as a scan that is not scorable, with its reason,
until the active threshold decides it. A file is rejected once for a reason, so the row may be of a
model of before.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Subquery,
    and_,
    exists,
    func,
    or_,
    select,
)

from db import schema
from db.engine.connect import reading
from db.mapping import pieces, select_in
from db.repository.intake.scans import scan_id_of
from db.repository.reports.history_query import (
    CountBy,
    CountRow,
    HistoryQuery,
    HistorySort,
    scanners_named,
)
from db.timestamps import since, until
from mriad_model.enums import DecisionReason, RejectionReason, ScanKind, Verdict

# Why preparing or placing a scan fails (`mriad_model.preprocessing`, `tasks.scoring.placement`).
SCORING_REASONS: Final = (
    RejectionReason.UNREGISTERED,
    RejectionReason.INCOMPLETE,  # the head's top is cut off
    RejectionReason.BAD_GEOMETRY,  # too large or small for a head
    RejectionReason.NO_SIGNAL,
)
BY_ANOTHER: Final = (
    "; model {model} has decided it ({verdict}, threshold {threshold}), the active one not yet"
)


@dataclass(frozen=True, slots=True)
class OtherDecision:
    """The last decision on a scan that the active threshold has not decided."""

    threshold_id: int
    model_id: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class UnscoredScan:
    """A scan that is not scorable, without a score."""

    scan_id: int
    path: str  # of the file that its rejection names
    n_files: int  # of the scan
    kind: ScanKind
    scanner: str | None
    rejection: RejectionReason
    detail: str
    decided_at: str
    verdict: Verdict = Verdict.NOT_SCORABLE
    other: OtherDecision | None = None

    @property
    def reason(self) -> str:
        """As decisions give it; `incomplete`, ... of what could not be prepared."""
        if self.rejection is RejectionReason.UNREGISTERED:
            return DecisionReason.REGISTRATION_FAILED.value
        return self.rejection.value

    @property
    def why(self) -> str:
        """`registration failed: fit 0.2`."""
        return f"{self.reason.replace('_', ' ')}: {self.detail}"

    @property
    def told(self) -> str:
        """The same, with the decision that there is by another model."""
        if self.other is None:
            return self.why
        verdict = self.other.verdict.value.replace("_", " ")
        return self.why + BY_ANOTHER.format(
            model=self.other.model_id, threshold=self.other.threshold_id, verdict=verdict
        )

    @property
    def place(self) -> str:
        """Its file, or the folder of a series of several."""
        folder, slash, _ = self.path.rpartition("/")
        return folder + slash if slash and self.n_files > 1 else self.path


def unscored_scans(
    engine: Engine, scan_ids: Iterable[int] | None = None, limit: int | None = None
) -> list[UnscoredScan]:
    """Of these scans, or of all, those that are not scorable, without a score; newest first.

    One that the active threshold has decided is none of them. At most `limit` of all.
    """
    with reading(engine) as connection:
        if scan_ids is None:
            return _lines(connection.execute(_listed(_last()).limit(limit)))
        of_scan = schema.sighting.c.scan_id
        found = [
            row
            for piece in pieces(dict.fromkeys(scan_ids))
            for row in connection.execute(_listed(_last(of_scan.in_(piece))))
        ]
        return _lines(sorted(found, key=lambda row: (-row.rejection_id, row.scan_id)))


def n_unscored(engine: Engine) -> int:
    """How many scans there are of those."""
    with reading(engine) as connection:
        return connection.execute(_counted(_last())).scalar_one()


def unscored_admitted(engine: Engine, query: HistoryQuery) -> list[UnscoredScan]:
    """Those that a query of the history admits, up to its limit: none by score, model or review.

    The oldest first where the query asks for that, else the newest.
    """
    if _asks_for_decisions(query):
        return []
    with reading(engine) as connection:
        last = _last(*_admitting(connection, query))
        lines = _listed(last, oldest_first=query.sort is HistorySort.OLDEST)
        return _lines(connection.execute(lines.limit(query.limit)))


def count_unscored_admitted(engine: Engine, query: HistoryQuery) -> int:
    """How many of those a query admits, whatever its limit."""
    if _asks_for_decisions(query):
        return 0
    with reading(engine) as connection:
        return connection.execute(_counted(_last(*_admitting(connection, query)))).scalar_one()


def count_unscored(engine: Engine, run_ids: Sequence[int]) -> dict[int, int]:
    """Run -> how many scans it found not scorable without a score; runs without any are absent.

    Also those that a later model could judge.
    """
    counted = select(schema.rejection.c.run_id, func.count(schema.sighting.c.scan_id.distinct()))
    counted = counted.join(schema.sighting, _of_scan()).where(_by_scoring())
    counted = counted.group_by(schema.rejection.c.run_id)
    with reading(engine) as connection:
        rows = select_in(connection, counted, schema.rejection.c.run_id, run_ids)
        return {int(run): int(n) for run, n in rows}


def rejected_by_scoring(engine: Engine, run_ids: Sequence[int]) -> set[int]:
    """Ids of the rejections that scoring gave of scans in these runs, decided since or not."""
    query = select(schema.rejection.c.id).join(schema.sighting, _of_scan()).where(_by_scoring())
    with reading(engine) as connection:
        found = select_in(connection, query, schema.rejection.c.run_id, run_ids)
        return {row.id for row in found}


def counted_with(
    rows: Sequence[CountRow], unscored: Sequence[UnscoredScan], by: CountBy
) -> list[CountRow]:
    """Counts of decisions with these scans among them, in the order of the first."""
    found = {row.key: row for row in rows}
    for each in unscored:
        key = {
            CountBy.DAY: each.decided_at[:10],
            CountBy.SCANNER: each.scanner,
            CountBy.VERDICT: each.verdict.value,
            CountBy.REASON: each.reason,
        }[by]
        row = found.get(key) or CountRow(key, 0, 0, 0, 0, 0, 0)
        found[key] = replace(row, decisions=row.decisions + 1, not_scorable=row.not_scorable + 1)
    if by is CountBy.DAY:
        return sorted(found.values(), key=lambda row: row.key or "", reverse=True)
    return sorted(found.values(), key=lambda row: (-row.decisions, row.key or ""))


def _of_scan() -> ColumnElement[bool]:
    """Whether a rejection is of a scan's file as it was registered, and later than that."""
    rejection, seen = schema.rejection.c, schema.sighting.c
    return and_(
        rejection.path == seen.path,
        rejection.size == seen.size,
        rejection.mtime_ns == seen.mtime_ns,
        rejection.created_at > seen.seen_at,
    )


def _by_scoring() -> ColumnElement[bool]:
    """Whether scoring gave a rejection, and not reading, which has some of its reasons too.

    Reading rejects all files of a series at one moment, scoring the first alone.
    """
    rejection, other = schema.rejection.c, schema.rejection.alias("other").c
    of_series = exists().where(
        other.run_id == rejection.run_id,
        other.created_at == rejection.created_at,
        other.reason == rejection.reason,
        other.detail == rejection.detail,
        other.id != rejection.id,
    )
    return and_(
        rejection.reason.in_([each.value for each in SCORING_REASONS]),
        or_(
            rejection.reason == RejectionReason.UNREGISTERED.value,
            ~of_series.correlate(schema.rejection),
        ),
    )


def _asks_for_decisions(query: HistoryQuery) -> bool:
    """Whether only decisions can be what a query asks for."""
    asked = (query.model_id, query.threshold_id, query.min_score, query.max_p, query.reviewer)
    return (
        query.verdict not in (None, Verdict.NOT_SCORABLE)
        or any(each is not None for each in asked)
        or bool(query.tags)
    )


def _last(*where: ColumnElement[bool]) -> Subquery:
    """(scan, its last rejection by scoring), of scans that the active threshold has not decided."""
    rejection, seen, scan, decision, activation = (
        schema.rejection,
        schema.sighting,
        schema.scan,
        schema.decision,
        schema.activation,
    )
    active = select(activation.c.threshold_id).order_by(activation.c.id.desc()).limit(1)
    decided = (
        exists()
        .where(
            decision.c.scan_id == seen.c.scan_id,
            decision.c.threshold_id == active.scalar_subquery(),
        )
        .correlate(seen)
    )
    return (
        select(seen.c.scan_id, func.max(rejection.c.id).label("rejection_id"))
        .select_from(rejection)
        .join(seen, _of_scan())
        .join(scan, scan.c.id == seen.c.scan_id)
        .where(_by_scoring(), ~decided, *where)
        .group_by(seen.c.scan_id)
        .subquery("last")
    )


def _counted(last: Subquery) -> Select[tuple[int]]:
    return select(func.count()).select_from(last)


def _listed(last: Subquery, *, oldest_first: bool = False) -> Select[Any]:
    rejection, scan, key = schema.rejection, schema.scan, last.c.rejection_id
    decision, threshold = schema.decision, schema.threshold
    other = (
        select(func.max(decision.c.id))
        .where(decision.c.scan_id == last.c.scan_id)
        .correlate(last)
        .scalar_subquery()
    )
    return (
        select(
            last.c.scan_id,
            key,
            rejection.c.path,
            scan.c.geometry,
            scan.c.kind,
            scan.c.scanner,
            rejection.c.reason,
            rejection.c.detail,
            rejection.c.created_at,
            decision.c.threshold_id,
            threshold.c.model_id,
            decision.c.verdict,
        )
        .select_from(last)
        .join(rejection, rejection.c.id == key)
        .join(scan, scan.c.id == last.c.scan_id)
        .outerjoin(decision, decision.c.id == other)
        .outerjoin(threshold, threshold.c.id == decision.c.threshold_id)
        .order_by(key if oldest_first else key.desc(), last.c.scan_id)
    )


def _lines(rows: Iterable[Any]) -> list[UnscoredScan]:
    return [
        UnscoredScan(
            row.scan_id,
            row.path,
            json.loads(row.geometry).get("files", 1),
            ScanKind(row.kind),
            row.scanner,
            RejectionReason(row.reason),
            row.detail,
            row.created_at,
            other=None
            if row.threshold_id is None
            else OtherDecision(row.threshold_id, row.model_id, Verdict(row.verdict)),
        )
        for row in rows
    ]


def _admitting(connection: Connection, query: HistoryQuery) -> list[ColumnElement[bool]]:
    created_at, scan, seen = schema.rejection.c.created_at, schema.scan.c, schema.sighting.c
    found: list[ColumnElement[bool]] = []
    if query.since is not None:
        found.append(created_at >= since(query.since))
    if query.until is not None:
        found.append(created_at < until(query.until))
    if query.scan is not None:
        found.append(seen.scan_id == scan_id_of(connection, query.scan))
    if query.patient is not None:
        found.append(scan.patient == query.patient)
    if query.scanner is not None:
        found.append(scan.scanner.in_(scanners_named(connection, query.scanner)))
    return found
