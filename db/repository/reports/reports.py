"""Reports that were written, and reads for them: what came in a run, what it decided."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, Select, func, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Report
from db.mapping import append_new, row_by_id, row_of, rows_of, select_in, values_of
from db.repository.reports.history import DecisionRow, Tally, decision_rows
from mriad_model.enums import RunStatus, ScanKind, Verdict


@dataclass(frozen=True, slots=True)
class Came:
    """What runs saw for the first time. A folder is where files lay, as recorded."""

    kinds: dict[ScanKind, int]  # scans that are new
    folders: dict[str, int]  # scans whose files were new there, most first


def new_scans_by_kind(engine: Engine, run_ids: Sequence[int]) -> Came:
    """What these runs took in."""
    scan, seen = schema.scan, schema.sighting
    kinds = (
        select(scan.c.kind, func.count()).where(scan.c.run_id.in_(run_ids)).group_by(scan.c.kind)
    )
    sightings = select(seen.c.scan_id, seen.c.path).where(seen.c.run_id.in_(run_ids))
    folders: dict[str, set[int]] = defaultdict(set)
    with reading(engine) as connection:
        by_kind = {ScanKind(kind): n for kind, n in connection.execute(kinds)}
        for scan_id, path in connection.execute(sightings):
            folders[path.rpartition("/")[0] or "."].add(scan_id)
    counts = {folder: len(scans) for folder, scans in folders.items()}
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Came(by_kind, dict(most_first))


@dataclass(frozen=True, slots=True)
class LatestDecision:
    """What runs decided, each scan once: by the active threshold, else the last decision."""

    tally: Tally
    worst: list[DecisionRow]  # the suspicious ones of the smallest p, highest score first
    unsure: list[DecisionRow]  # the uncertain ones, then those not scorable
    reasons: Counter[tuple[Verdict, str | None]]  # how many for which reason; None: of before


def latest_decisions(
    engine: Engine, run_ids: Sequence[int], limit: int, active: int | None = None
) -> LatestDecision:
    """Scans that these runs decided; at most `limit` are listed.

    After a recalibration, or under another model, a scan is decided again; and where somebody
    went back to the threshold `active` since, its decision holds again.
    """
    decision, score = schema.decision, schema.score
    newest = func.max(decision.c.id)
    held = newest.filter(decision.c.threshold_id == active)
    last = (
        select(func.coalesce(held, newest).label("id"))
        .where(decision.c.run_id.in_(run_ids))
        .group_by(decision.c.scan_id)
        .subquery()
    )
    of_each = (decision.c.verdict, decision.c.reason)
    decided = select(*of_each, func.count()).join(last, last.c.id == decision.c.id)

    def listed(verdict: Verdict) -> Select[tuple[int]]:
        return (
            select(decision.c.id)
            .join(last, last.c.id == decision.c.id)
            .join(score, score.c.id == decision.c.score_id)
            .where(decision.c.verdict == verdict.value)
            .order_by(decision.c.p_value, score.c.value.desc(), decision.c.id)
            .limit(limit)
        )

    with reading(engine) as connection:
        rows = connection.execute(decided.group_by(*of_each)).tuples()
        reasons = Counter({(Verdict(verdict), reason): n for verdict, reason, n in rows})
        worst, *unsure = (
            decision_rows(connection, connection.execute(listed(each)).scalars().all())
            for each in (Verdict.SUSPICIOUS, Verdict.UNCERTAIN, Verdict.NOT_SCORABLE)
        )
        counts: Counter[str] = Counter()
        for (verdict, _), n in reasons.items():
            counts[verdict.value] += n
        both = [row for rows in unsure for row in rows]
        return LatestDecision(Tally.of(counts), worst, both, reasons)


def append_report(engine: Engine, report: Report) -> None:
    """Append that a page was written. The file is there before."""
    with writing(engine) as connection:
        append_new(connection, schema.report, [values_of(report)])


def report_of_run(engine: Engine, run_id: int) -> Report | None:
    """The last page that a run's report was written as; None where there is none."""
    table = schema.report
    query = select(table).where(table.c.run_id == run_id).order_by(table.c.id.desc()).limit(1)
    with reading(engine) as connection:
        return next(iter(rows_of(connection, Report, query)), None)


def reports_of_runs(engine: Engine, run_ids: Sequence[int]) -> dict[int, Report]:
    """The last page of each of these runs, by run; one without a page is skipped."""
    table = schema.report
    query = select(table).order_by(table.c.id)
    with reading(engine) as connection:
        found = select_in(connection, query, table.c.run_id, run_ids)
        return {row.run_id: row_of(Report, row._mapping) for row in found}


def report_by_id(engine: Engine, report_id: int) -> Report:
    """The report of this id. NotInRecord if there is none."""
    with reading(engine) as connection:
        return row_by_id(connection, Report, schema.report, report_id)


def last_report_time(engine: Engine) -> str | None:
    """Up to when reports of completed runs list what changed; None before the first.

    Runs overlap, so the last page written need not reach furthest. What the page of a failed or
    killed run lists, the next one lists again.
    """
    report, end = schema.report, schema.run_end
    query = (
        select(report.c.changes_until)
        .join(end, end.c.run_id == report.c.run_id)
        .where(end.c.status == RunStatus.COMPLETED.value)
        .order_by(report.c.changes_until.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        return connection.execute(query).scalar()
