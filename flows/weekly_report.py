"""The flow that writes the report of a week."""

from pathlib import Path

from prefect.runtime import flow_run

from flows.runtime.private_flow import private_flow, worker_context
from tasks.reports.run_report import publish_summary
from tasks.reports.weekly_report import WeeklyReport, write_weekly_report
from tasks.runtime.connections import database
from tasks.runtime.runs import recorded_run

DAYS = 7


@private_flow(name="weekly_report", flow_run_name="report of {days} days")
def weekly_report(home: Path | None = None, days: int = DAYS) -> WeeklyReport:
    """Write one page on the last days: runs, flags, rejections, warnings, comparisons."""
    place = str(worker_context(home).home)
    with recorded_run(database(place), "weekly_report", flow_run.id) as run:
        week = write_weekly_report(place, run.id, days)
        run.counts.update(runs=week.runs, flagged=week.suspicious, told=week.warnings)
        publish_summary("weekly-report", "Weekly report", {**run.counts, "report": week.report})
    return week
