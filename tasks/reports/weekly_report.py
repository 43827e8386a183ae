"""The report of a week, from the record."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from db.entities import Rejection, Review, Run, RunEnd
from db.repository.intake.rejections import rejections_of
from db.repository.intake.scans import scans_by_id
from db.repository.reports.reports import latest_decisions
from db.repository.reports.reviews import standing_reviews
from db.repository.reports.unscored import rejected_by_scoring, unscored_scans
from db.repository.runs import runs_since
from db.repository.scoring import warnings as warnings_records
from db.repository.scoring.decisions import verdicts_of
from db.repository.training.models import current_threshold
from db.timestamps import written
from mriad_model.destinations import unsent_of
from mriad_model.enums import ReviewVerdict, RunStatus, Verdict
from mriad_model.reasons import ReasonCount, count_reasons
from mriad_model.rejections import LIMITATIONS, group_by_folder, grouped_scans, split_rejections
from mriad_model.reports.page import MOST_ROWS
from mriad_model.reports.run_report import NOT_LOOKED, WarningLine
from mriad_model.reports.table import worklist_csv
from mriad_model.reports.weekly_report import (
    MOST_SHOWN,
    DayLine,
    ReviewTally,
    RunLine,
    WeekReport,
    render_week,
)
from tasks.intake.rejections import as_listed, series_named, with_unscored
from tasks.reports.changes import changes_since
from tasks.reports.false_positives import healthy_flagged
from tasks.reports.rows import (
    decision_cells,
    rejection_cells,
    suspicious_line,
    threshold_lines,
    write_report,
)
from tasks.reports.run_report import provenance, write_page
from tasks.runtime.connections import database

UNSURE = (Verdict.UNCERTAIN, Verdict.NOT_SCORABLE)
Runs = Sequence[tuple[Run, RunEnd | None]]
COUNT_NAMES = {  # counts of runs -> what they are called
    "new": "new",
    "scored": "scored",
    "suspicious": "suspicious",
    "uncertain": "uncertain",
    "not_scorable": "not scorable",
    "rejected": "rejected",
    "warnings": "warnings",
    "to_suspicious": "turned suspicious",
    "to_normal": "turned normal",
    "to_uncertain": "turned uncertain",
    "sent": "sent",
    "given_up": "given up",
}


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """The page's path and its counts."""

    report: str  # path, relative to the home; the same as a table lies beside it, .csv
    days: int
    runs: int
    suspicious: int
    warnings: int
    uncertain: int = 0
    not_scorable: int = 0  # with those without a score
    reasons: Sequence[ReasonCount] = ()  # uncertain or not scorable for


@task(name="weekly-report", cache_policy=NO_CACHE)
def write_weekly_report(home: str, run_id: int, days: int) -> WeeklyReport:
    """Write the page and the table of the last days."""
    engine, place = database(home), Path(home)
    until = datetime.now(UTC)
    since = written(until - timedelta(days=days))
    runs = [each for each in runs_since(engine, since) if each[0].id != run_id]
    run_ids = [run.id for run, _ in runs if run.id is not None]
    current = current_threshold(engine)
    active = current.activation.threshold_id if current else None
    decided = latest_decisions(engine, run_ids, MOST_ROWS, active)
    flagged, unsure = decided.worst, decided.unsure
    scans = scans_by_id(engine, [row.scan_id for row in [*flagged, *unsure]])
    of_scans = rejected_by_scoring(engine, run_ids)  # of some that have been decided since
    rejections = [each for each in rejections_of(engine, run_ids) if each.id not in of_scans]
    unscored = [each for each in unscored_scans(engine) if each.decided_at >= since]
    items = with_unscored(series_named(home, [as_listed(each) for each in rejections]), unscored)
    split = split_rejections(items)
    warnings = warnings_records.warnings(engine, since)
    model, threshold = threshold_lines(home, active) if active is not None else (None, None)
    name = f"week-to-{written(until)[:10]}-run-{run_id}"
    lines = chain(
        decision_cells(home, [*flagged, *unsure], scans, threshold), rejection_cells(items)
    )
    table = write_report(place, f"{name}.csv", worklist_csv(lines))
    page = render_week(
        WeekReport(
            provenance=provenance(home, run_id, home),
            since=since,
            until=written(until),
            days=_days(runs, _files_rejected(rejections)),
            scans=decided.tally.decisions,
            n_suspicious=decided.tally.suspicious,
            n_uncertain=decided.tally.uncertain,
            n_not_scorable=decided.tally.not_scorable + len(split.not_scorable),
            runs=[_run_line(place, *each) for each in reversed(runs)],
            suspicious=[
                suspicious_line(place, row, scans[row.scan_id], pictured=i < MOST_SHOWN)
                for i, row in enumerate(flagged)
            ],
            unsure=[
                suspicious_line(place, row, scans[row.scan_id], pictured=i < MOST_SHOWN)
                for i, row in enumerate(unsure)
            ],
            rejections=group_by_folder(split.rejected),
            limited=grouped_scans(split.limited),
            unscored=split.not_scorable,
            warnings=[WarningLine(each.created_at, each.text) for each in warnings],
            changes=changes_since(engine, since),
            reviews=review_tally(engine, since),
            model=model,
            threshold=threshold,
            csv=Path(table).name,
            healthy=healthy_flagged(engine, current.threshold) if current else NOT_LOOKED,
        )
    )
    path = write_page(place, name, page)
    return WeeklyReport(
        report=path,
        days=days,
        runs=len(runs),
        suspicious=decided.tally.suspicious,
        warnings=len(warnings),
        uncertain=decided.tally.uncertain,
        not_scorable=decided.tally.not_scorable + len(split.not_scorable),
        reasons=count_reasons(
            [
                *decided.reasons.elements(),
                *((each.verdict, each.reason) for each in unscored),
            ]
        ),
    )


def _files_rejected(rejections: Iterable[Rejection]) -> Counter[int]:
    """Run -> how many files it rejected that are no scans."""
    return Counter(each.run_id for each in rejections if each.reason not in LIMITATIONS)


def _days(runs: Runs, rejections: Mapping[int, int]) -> list[DayLine]:
    """A line a day; `rejections` are those that are new, by run."""
    by_day: dict[str, list[tuple[Run, RunEnd | None]]] = defaultdict(list)
    for run, end in runs:
        by_day[run.started_at[:10]].append((run, end))
    return [
        DayLine(
            day=day,
            runs=len(of_day),
            failed=sum(end is None or end.status is not RunStatus.COMPLETED for _, end in of_day),
            rejected=sum(rejections.get(run.id or 0, 0) for run, _ in of_day),
            **{
                name: sum(_count(end, name) for _, end in of_day)
                for name in ("new", "scored", "suspicious", "uncertain", "not_scorable")
            },
        )
        for day, of_day in sorted(by_day.items())
    ]


def _count(end: RunEnd | None, name: str) -> int:
    return int(json.loads(end.counts).get(name, 0)) if end else 0


def _run_line(home: Path, run: Run, end: RunEnd | None) -> RunLine:
    counts = json.loads(end.counts) if end else {}
    page = f"score-run-{run.id}.html"
    seconds = None
    if end is not None:
        began, ended = (datetime.fromisoformat(each) for each in (run.started_at, end.ended_at))
        seconds = (ended - began).total_seconds()
    return RunLine(
        id=run.id or 0,
        flow=run.flow.replace("_", " "),
        started_at=run.started_at,
        seconds=seconds,
        status=end.status.value if end else "running or interrupted",
        figures=", ".join(
            [f"{counts[n]} {text}" for n, text in COUNT_NAMES.items() if counts.get(n)]
            + _retraining_figures(counts)
            + [unsent for unsent in [unsent_of(counts)] if unsent]
        ),
        report=page if (home / "reports" / page).exists() else None,
    )


def _retraining_figures(counts: Mapping[str, Any]) -> list[str]:
    """What a retraining found; nothing where no healthy scan was new."""
    texts = []
    if counts.get("n_new"):
        needed = f" ({counts['needed']} needed)" if "needed" in counts else ""
        texts.append(f"{counts['n_new']} new healthy ones{needed}")
    if "of_run" in counts:
        texts.append(f"the page of run {counts['of_run']}, with the result of its retraining")
    if "comparison_id" in counts:
        texts.append("new model " + ("activated" if counts["promoted"] else "not activated"))
    return texts


def review_tally(engine: Engine, since: str) -> ReviewTally:
    """The last review of each decision, counted by whether it agrees."""
    standing = standing_reviews(engine)
    last: dict[int, Review] = {
        each.decision_id: each for each in standing if each.created_at >= since
    }
    decided = verdicts_of(engine, last)
    pairs = Counter((decided[number], each.verdict) for number, each in last.items())
    normal, suspicious = ReviewVerdict.NORMAL, ReviewVerdict.SUSPICIOUS
    return ReviewTally(
        agreed=pairs[Verdict.NORMAL, normal] + pairs[Verdict.SUSPICIOUS, suspicious],
        called_normal=pairs[Verdict.SUSPICIOUS, normal],
        called_suspicious=pairs[Verdict.NORMAL, suspicious],
        settled=sum(n for (before, _), n in pairs.items() if before in UNSURE),
    )
