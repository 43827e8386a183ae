"""The flow that replays recorded decisions and compares."""

from pathlib import Path

from prefect.runtime import flow_run

from flows.runtime.private_flow import private_flow
from tasks.maintenance.verify import replay_decisions
from tasks.maintenance.verify_report import ReplayReport
from tasks.reports.run_report import publish_summary
from tasks.runtime.connections import database
from tasks.runtime.home import work_folder
from tasks.runtime.model_cache import device_in_use
from tasks.runtime.runs import recorded_run


def _run_name() -> str:
    scan_id = flow_run.parameters["scan_id"]
    return "verify all decisions" if scan_id is None else f"verify scan {scan_id}"


@private_flow(name="verify_decisions", flow_run_name=_run_name)
def verify_decisions(
    home: Path,
    scan_id: int | None = None,
    device: str = "auto",
    quick: bool = False,
    power: bool = False,
) -> ReplayReport:
    """Replay the decisions on a scan, or all, and what they stand on, from the source files.

    With `power` also what models find of lesions implanted in healthy scans.
    """
    place = str(home)
    with recorded_run(
        database(place), "verify_decisions", flow_run.id, device_in_use(device)
    ) as run:
        with work_folder(home, run.id) as folder:
            report = replay_decisions(
                place, scan_id, device_in_use(device), str(folder), quick=quick, power=power
            )
        run.counts.update(
            checked=report.checked,
            identical=report.identical,
            within_tolerance=report.within_tolerance,
            mismatched=len(report.mismatched),
            unreadable=len(report.unreadable),
            missing=len(report.missing),
            faults=len(report.faults),
        )
        publish_summary("verify-summary", f"Replayed {report.checked} decisions", run.counts)
    return report
