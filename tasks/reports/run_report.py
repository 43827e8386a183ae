"""Reports: the page of a scoring run, what pages have in common, a run's summary."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from db.engine.chain_head import head
from db.entities import Report
from db.repository.intake.scans import scans_by_id
from db.repository.reports import reports as reports_records
from db.repository.reports.history import DecisionRow, decided_in, tally
from db.repository.reports.reports import append_report, last_report_time, report_of_run
from db.repository.runs import interrupted_runs, run_by_id, with_shards
from db.repository.scoring.findings import findings_of_decisions
from db.repository.scoring.warnings import warnings
from db.repository.training.models import threshold_by_id
from db.timestamps import now
from mriad_model.delivery.pending import PendingFolders
from mriad_model.detection.decisions.thresholds import standing_out
from mriad_model.enums import NOTICE, Verdict
from mriad_model.paths import recorded_path, unescape_path
from mriad_model.reasons import ReasonCount, count_reasons
from mriad_model.rejections import (
    ALL_SCORED,
    NotScored,
    RejectedItem,
    group_by_folder,
    grouped_scans,
    split_rejections,
)
from mriad_model.reports.page import MOST_ROWS, Provenance
from mriad_model.reports.run_report import (
    MOST_PICTURES,
    ScoreReport,
    WarningLine,
    render_score_report,
)
from mriad_model.reports.table import worklist_csv
from tasks.reports.changes import active_instead, changes_since
from tasks.reports.false_positives import healthy_flagged
from tasks.reports.report_index import write_report_index
from tasks.reports.rows import (
    decision_cells,
    kind_in_words,
    pending_cells,
    rejection_cells,
    suspicious_line,
    threshold_lines,
    write_report,
)
from tasks.runtime.connections import database
from tasks.runtime.home import pages_address
from tasks.runtime.progress import seconds_by_step


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """What a scoring run counted."""

    new: int
    known: int
    training_scans: int
    incompatible: int
    unreadable: int
    why_unreadable: NotScored = ALL_SCORED


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where the page lies, and what the run decided."""

    path: str  # relative to the home
    scored: int  # without those not scorable
    suspicious: int
    uncertain: int
    not_scorable: int  # without those that have no score
    recovered: int  # decisions of interrupted runs, listed here too
    recovered_suspicious: int  # of these
    reasons: list[ReasonCount]  # of the uncertain and not scorable ones


@task(name="summarise", cache_policy=NO_CACHE)
def publish_summary(key: str, title: str, figures: Mapping[str, object]) -> None:
    """Leave a run's figures as a markdown artifact in the workflow engine."""
    lines = [f"| {name.replace('_', ' ')} | {value} |" for name, value in figures.items()]
    table = "\n".join(["| | |", "| --- | --- |", *lines])
    create_markdown_artifact(f"# {title}\n\n{table}\n\n{NOTICE}\n", key=key)


@task(name="report", cache_policy=NO_CACHE)
def write_score_report(
    home: str,
    run_id: int,
    threshold_id: int,
    folder: str,
    counts: ScoreCounts,
    items: Sequence[RejectedItem],
    pending: PendingFolders,
    unsent: Sequence[str] = (),
) -> WrittenReport:
    """Write the page of a scoring run: its decisions, and those of runs interrupted before it.

    The run decided by `threshold_id`; another may be active since. The page lists the changes since
    the last report; written once more after the run, also those since then. `unsent` says what
    could not be sent: warnings of the page.
    """
    engine, place = database(home), Path(home)
    _, end = run_by_id(engine, run_id)
    before = None if end is None else report_of_run(engine, run_id)
    since = last_report_time(engine) if before is None else before.changes_since
    until = now()  # before anything is read: what happens from here on is the next report's
    run_ids = interrupted_runs(engine, run_id)
    own_runs = with_shards(engine, [run_id])
    own = tally(engine, own_runs)
    listed = tally(engine, run_ids)
    decided = decided_in(engine, run_ids)
    out = _standing_out(decided, threshold_id)
    worst, unsure = (
        [row for row in decided if row.verdict in verdicts][:MOST_ROWS]
        for verdicts in ((Verdict.SUSPICIOUS,), (Verdict.UNCERTAIN, Verdict.NOT_SCORABLE))
    )
    found = findings_of_decisions(engine, [row.decision_id for row in (*worst, *unsure)])
    scans = scans_by_id(engine, [row.scan_id for row in decided])
    new = reports_records.new_scans_by_kind(engine, run_ids)
    model, threshold = threshold_lines(home, threshold_id)
    name = f"score-run-{run_id}"
    split = split_rejections(items)
    lines = chain(  # one at a time, for a night may have many
        decision_cells(home, decided, scans, threshold),
        pending_cells(pending),
        rejection_cells(items),
    )
    table = write_report(place, f"{name}.csv", worklist_csv(lines))
    page = render_score_report(
        ScoreReport(
            provenance=provenance(home, run_id, folder),
            model=model,
            threshold=threshold,
            new=counts.new,
            known=counts.known,
            scored=listed.scored,
            n_suspicious=listed.suspicious,
            n_uncertain=listed.uncertain,
            n_not_scorable=listed.not_scorable + len(split.not_scorable),
            recovered=listed.decisions - own.decisions,
            suspicious=[
                replace(
                    suspicious_line(
                        place,
                        row,
                        scans[row.scan_id],
                        found.get(row.decision_id, ()),
                        pictured=i < MOST_PICTURES,
                    ),
                    stands_out=row.decision_id in out,
                )
                for i, row in enumerate(worst)
            ],
            unsure=[
                suspicious_line(
                    place,
                    row,
                    scans[row.scan_id],
                    found.get(row.decision_id, ()),
                    pictured=i < MOST_PICTURES,
                )
                for i, row in enumerate(unsure)
            ],
            rejections=group_by_folder(split.rejected),
            skipped=_skipped(counts),
            limited=grouped_scans(split.limited),
            unscored=split.not_scorable,
            pending=pending,
            kinds=[(kind_in_words(kind, n), n) for kind, n in sorted(new.kinds.items())],
            folders=list(new.folders.items()),
            warnings=[
                WarningLine(each.created_at, each.text)
                for each in warnings(engine, since)
                if each.created_at < until
            ]
            + [WarningLine(until, text) for text in unsent],
            since=since,
            steps=list(seconds_by_step(run_id).items()),
            csv=Path(table).name,
            changes=changes_since(engine, since, until),
            active_now=active_instead(engine, threshold_id),
            n_stand_out=len(out),
            healthy=healthy_flagged(engine, threshold_by_id(engine, threshold_id)),
        )
    )
    path = write_page(place, name, page)
    append_report(engine, Report(run_id, path, since, until, now()))
    return WrittenReport(
        path=path,
        scored=own.scored,
        suspicious=own.suspicious,
        uncertain=own.uncertain,
        not_scorable=own.not_scorable,
        recovered=listed.decisions - own.decisions,
        recovered_suspicious=listed.suspicious - own.suspicious,
        reasons=count_reasons(
            (row.verdict, row.reason) for row in decided if row.run_id in own_runs
        ),
    )


def _standing_out(decided: Sequence[DecisionRow], threshold_id: int) -> set[int]:
    """The decisions by a threshold that stand out among all of these."""
    mine = [
        row
        for row in decided
        if row.threshold_id == threshold_id and row.verdict is not Verdict.NOT_SCORABLE
    ]
    found = standing_out([row.p_value for row in mine])
    return {row.decision_id for row, out in zip(mine, found, strict=True) if out}


def write_page(home: Path, name: str, page: str) -> str:
    """Write a report under the home, and the list of reports; its path, relative to the home."""
    path = write_report(home, f"{name}.html", page)
    write_report_index(home)
    return path


def provenance(home: str, run_id: int, source: str) -> Provenance:
    """Where a report of this run comes from."""
    engine = database(home)
    run, end = run_by_id(engine, run_id)
    moment, newest = now(), head(engine)
    ended = end.ended_at if end is not None else moment
    elapsed = datetime.fromisoformat(ended) - datetime.fromisoformat(run.started_at)
    return Provenance(
        created_at=moment,
        source=recorded_path(Path(unescape_path(source)), Path(home)),
        software_version=run.software_version,
        git_sha=run.git_sha,
        libraries=json.loads(run.libraries),
        device=run.device,
        seconds=elapsed.total_seconds(),
        run_id=run_id,
        head=None if newest is None else str(newest),
        pages=pages_address(Path(home)),
    )


def _skipped(counts: ScoreCounts) -> list[tuple[int, str]]:
    """How many scans were not scored, and why."""
    reasons = (
        (counts.training_scans, "the model was trained on them"),
        (counts.incompatible, "not of the kind that the model was trained on; listed below"),
        *((n, f"{why}; tried again next time") for n, why in counts.why_unreadable.texts()),
    )
    return [(n, why) for n, why in reasons if n]
