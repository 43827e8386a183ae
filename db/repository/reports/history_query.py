"""What the history can be asked for: filters, orders, and what decisions are counted by."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from db import schema
from db.engine.connect import reading
from db.repository.intake.scans import scan_id_of
from db.repository.reports.reviews import holds
from db.timestamps import since, until
from mriad_model.enums import Verdict

DEFAULT_LIMIT: Final = 50
DAY_LETTERS: Final = 10  # of a moment: 2026-11-23


class HistorySort(StrEnum):
    """In which order decisions are listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SCORE = "score"  # the highest first; those that are not scorable last
    P = "p"  # the lowest first, likewise


class CountBy(StrEnum):
    """What decisions are counted by."""

    DAY = "day"  # UTC
    SCANNER = "scanner"
    VERDICT = "verdict"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which decisions to list. A filter that is None admits all."""

    verdict: Verdict | None = None
    since: str | None = None  # as `db.timestamps.since` takes it; included
    until: str | None = None  # the same; a day is included to its end, a moment is excluded
    scanner: str | None = None  # a part of its name, in any case
    model_id: int | None = None
    threshold_id: int | None = None
    scan: int | str | None = None  # id, or the beginning of its sha256, or a recorded path
    limit: int | None = DEFAULT_LIMIT
    patient: str | None = None  # pseudonym
    min_score: float | None = None  # a scan that is not scorable counts as without a score
    max_p: float | None = None  # the same
    unreviewed: bool = False  # scans without a review that holds
    reviewer: str | None = None  # scans with a review of this person that holds
    tags: tuple[str, ...] = ()  # scans whose reviews that hold carry one of these
    sort: HistorySort = HistorySort.NEWEST


@dataclass(frozen=True, slots=True)
class CountRow:
    """Decisions that have one thing in common."""

    key: str | None  # the day, scanner, verdict or reason; None where the record has none
    decisions: int
    suspicious: int
    uncertain: int
    not_scorable: int
    normal: int
    reviewed: int  # on scans with a review that holds


def scanners_named(connection: Connection, part: str) -> list[str]:
    """The scanners with this in their name, in any case."""
    scanner = schema.scan.c.scanner
    query = select(scanner).where(scanner.is_not(None)).distinct().order_by(scanner)
    names = connection.execute(query).scalars()
    return [each for each in names if each is not None and part.casefold() in each.casefold()]


def scanners(engine: Engine, part: str = "") -> list[str]:
    """The names of the scanners in the record, or of those with this in their name."""
    with reading(engine) as connection:
        return scanners_named(connection, part)


def admitting(connection: Connection, query: HistoryQuery) -> list[ColumnElement[bool]]:
    """What a query asks of a row of `decision`, but for its verdict, scanner and limit.

    Raises:
        SettingsError: since or until is not a valid date.
        NotInRecord: there is no such scan.
    """
    table, review = schema.decision.c, schema.review
    found = []
    if query.since is not None:
        found.append(table.created_at >= since(query.since))
    if query.until is not None:
        found.append(table.created_at < until(query.until))
    if query.scan is not None:
        found.append(table.scan_id == scan_id_of(connection, query.scan))
    if query.patient is not None:
        of_patient = schema.scan.c.patient == query.patient
        found.append(table.scan_id.in_(select(schema.scan.c.id).where(of_patient)))
    if query.min_score is not None or query.max_p is not None:
        found.append(table.verdict != Verdict.NOT_SCORABLE.value)
    if query.min_score is not None:
        score = schema.score.c
        found.append(
            exists().where(score.id == table.score_id, score.value >= float(query.min_score))
        )
    if query.max_p is not None:
        found.append(table.p_value <= float(query.max_p))
    if query.unreviewed:
        found.append(
            ~select(review.c.id).where(review.c.scan_id == table.scan_id, holds()).exists()
        )
    if query.reviewer is not None:
        by = select(review.c.scan_id).where(review.c.reviewer == query.reviewer, holds())
        found.append(table.scan_id.in_(by))
    if query.tags:
        words = literal(" ").concat(review.c.tags).concat(" ")
        tagged = or_(*(words.contains(f" {tag} ", autoescape=True) for tag in query.tags))
        found.append(table.scan_id.in_(select(review.c.scan_id).where(tagged, holds())))
    return found


def owned_thresholds(query: HistoryQuery) -> Select[tuple[int]] | None:
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


def _admitting_all(connection: Connection, query: HistoryQuery) -> list[ColumnElement[bool]]:
    """All that a query asks of a row of `decision`, but for its limit."""
    table, scan = schema.decision.c, schema.scan.c
    found = admitting(connection, query)
    if query.verdict is not None:
        found.append(table.verdict == query.verdict.value)
    if (owned := owned_thresholds(query)) is not None:
        found.append(table.threshold_id.in_(owned))
    if query.scanner is not None:
        names = scanners_named(connection, query.scanner)
        found.append(table.scan_id.in_(select(scan.id).where(scan.scanner.in_(names))))
    return found


def count_admitted(engine: Engine, query: HistoryQuery) -> int:
    """How many decisions a query admits, whatever its limit."""
    with reading(engine) as connection:
        counted = select(func.count()).select_from(schema.decision)
        return connection.execute(counted.where(*_admitting_all(connection, query))).scalar_one()


def sorted_decisions(connection: Connection, query: HistoryQuery) -> Sequence[int]:
    """The ids of the decisions that a query admits, in its order, by one plain statement."""
    table, score = schema.decision.c, schema.score.c
    says_nothing = case((table.verdict == Verdict.NOT_SCORABLE.value, 1), else_=0)
    found = select(table.id).where(*_admitting_all(connection, query)).limit(query.limit)
    match query.sort:
        case HistorySort.OLDEST:
            found = found.order_by(table.created_at, table.id)
        case HistorySort.NEWEST:
            found = found.order_by(table.created_at.desc(), table.id.desc())
        case HistorySort.SCORE:
            found = found.join(schema.score, score.id == table.score_id)
            found = found.order_by(says_nothing, score.value.desc(), table.id.desc())
        case HistorySort.P:
            found = found.join(schema.score, score.id == table.score_id)
            found = found.order_by(says_nothing, table.p_value, score.value.desc(), table.id.desc())
    return connection.execute(found).scalars().all()


def count_decisions(engine: Engine, query: HistoryQuery, by: CountBy) -> list[CountRow]:
    """The decisions that a query admits, counted whatever its limit; a line for each key.

    Days: the newest first; else the most decisions first.
    """
    table, review = schema.decision.c, schema.review
    key: ColumnElement[str | None]
    match by:
        case CountBy.DAY:
            key = func.substr(table.created_at, 1, DAY_LETTERS)
        case CountBy.SCANNER:
            key = schema.scan.c.scanner
        case CountBy.VERDICT:
            key = table.verdict
        case CountBy.REASON:
            key = table.reason
    reviewed = table.scan_id.in_(select(review.c.scan_id).where(holds()))
    with reading(engine) as connection:
        counted = (
            select(
                key.label("key"),
                func.count(),
                *(
                    func.count(case((table.verdict == each.value, literal(1))))
                    for each in (
                        Verdict.SUSPICIOUS,
                        Verdict.UNCERTAIN,
                        Verdict.NOT_SCORABLE,
                        Verdict.NORMAL,
                    )
                ),
                func.count(case((reviewed, literal(1)))),
            )
            .select_from(schema.decision)
            .where(*_admitting_all(connection, query))
            .group_by(key)
        )
        if by is CountBy.SCANNER:
            counted = counted.join(schema.scan, schema.scan.c.id == table.scan_id)
        rows = [CountRow(*row) for row in connection.execute(counted)]
    if by is CountBy.DAY:
        return sorted(rows, key=lambda row: row.key or "", reverse=True)
    return sorted(rows, key=lambda row: (-row.decisions, row.key or ""))
