"""Scans that are not scorable and have no score: registration failed, or not to be prepared.

No decision can be made without a score, so the record has a rejection of the scan's file instead,
later than the scan. Here it is told as what it is: a scan that is not scorable, with its reason,
until the active threshold decides it. A file is rejected once for a reason, so the row may be of a
model of before.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, exists, func, or_, select

from db import schema
from db.engine.connect import reading
from db.mapping import select_in
from db.repository.intake.scans import scan_id_of
from db.repository.reports.history_query import CountBy, CountRow, HistoryQuery, scanners_named
from db.timestamps import since, until
from mriad_model.enums import DecisionReason, RejectionReason, ScanKind, Verdict

# Why preparing or placing a scan fails (`mriad_model.preprocessing`, `tasks.scoring.placement`).
SCORING_REASONS: Final = (
    RejectionReason.UNREGISTERED,
    RejectionReason.INCOMPLETE,  # the head's top is cut off
    RejectionReason.BAD_GEOMETRY,  # too large or small for a head
    RejectionReason.NO_SIGNAL,
)


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
    def place(self) -> str:
        """Its file, or the folder of a series of several."""
        folder, slash, _ = self.path.rpartition("/")
        return folder + slash if slash and self.n_files > 1 else self.path


def unscored_scans(engine: Engine, scan_ids: Iterable[int] | None = None) -> list[UnscoredScan]:
    """Of these scans, or of all, those that are not scorable, without a score; newest first.

    One that the active threshold has decided is none of them.
    """
    with reading(engine) as connection:
        query = _unscored()
        if scan_ids is None:
            return _newest(connection.execute(query))
        wanted = dict.fromkeys(scan_ids)
        return _newest(select_in(connection, query, schema.sighting.c.scan_id, wanted))


def unscored_admitted(engine: Engine, query: HistoryQuery) -> list[UnscoredScan]:
    """Those that a query of the history admits, newest first: none by score, model or review."""
    if query.verdict not in (None, Verdict.NOT_SCORABLE):
        return []
    asked = (query.model_id, query.threshold_id, query.min_score, query.max_p, query.reviewer)
    if any(each is not None for each in asked) or query.tags:
        return []
    with reading(engine) as connection:
        found = _unscored().where(*_admitting(connection, query))
        return _newest(connection.execute(found))


def count_unscored(engine: Engine, run_ids: Sequence[int]) -> dict[int, int]:
    """Run -> how many scans it found not scorable without a score; runs without any are left out.

    Also those that a later model could judge.
    """
    counted = select(schema.rejection.c.run_id, func.count(schema.sighting.c.scan_id.distinct()))
    counted = counted.join(schema.sighting, _of_scan()).where(_by_scoring())
    counted = counted.group_by(schema.rejection.c.run_id)
    with reading(engine) as connection:
        rows = select_in(connection, counted, schema.rejection.c.run_id, run_ids)
        return {int(run): int(n) for run, n in rows}


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


def _unscored() -> Select[Any]:
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
        select(
            seen.c.scan_id,
            rejection.c.path,
            scan.c.geometry,
            scan.c.kind,
            scan.c.scanner,
            rejection.c.reason,
            rejection.c.detail,
            rejection.c.created_at,
            rejection.c.id,
        )
        .select_from(rejection)
        .join(seen, _of_scan())
        .join(scan, scan.c.id == seen.c.scan_id)
        .where(_by_scoring(), ~decided)
    )


def _newest(rows: Iterable[Any]) -> list[UnscoredScan]:
    """One line a scan, of its last rejection."""
    lines: dict[int, UnscoredScan] = {}
    for row in sorted(rows, key=lambda each: -each.id):
        if row.scan_id not in lines:
            lines[row.scan_id] = UnscoredScan(
                row.scan_id,
                row.path,
                json.loads(row.geometry).get("files", 1),
                ScanKind(row.kind),
                row.scanner,
                RejectionReason(row.reason),
                row.detail,
                row.created_at,
            )
    return list(lines.values())


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
