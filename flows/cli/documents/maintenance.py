"""Documents of `mriad verify`, `backup` and `check`."""

from typing import TYPE_CHECKING

from flows.cli.documents.fields import Document, keys

if TYPE_CHECKING:
    from tasks.maintenance.backup import Backup
    from tasks.maintenance.check import CheckReport
    from tasks.maintenance.verify_report import ReplayReport


def verify_document(report: "ReplayReport") -> Document:
    """`mriad verify`."""
    mismatched, unreadable = "decision_id scan_id what", "decision_id path why"
    last_bits, not_recomputed = "run_id n recorded differs", "what why n"
    return {
        **keys(report, "checked identical within_tolerance"),
        "mismatched": [keys(each, mismatched) for each in report.mismatched],
        "unreadable": [keys(each, unreadable) for each in report.unreadable],
        "missing": [keys(each, "decision_id scan_id path") for each in report.missing],
        "faults": [keys(each, "what why") for each in report.faults],
        "calibration": keys(report.calibration, "identical within_tolerance mismatched"),
        "power": keys(report.power, "identical within_tolerance mismatched"),
        "last_bits": [keys(each, last_bits) for each in report.last_bits],
        "not_recomputed": [keys(each, not_recomputed) for each in report.not_recomputed],
    }


def backup_document(made: "Backup") -> Document:
    """`mriad backup`."""
    return {
        **keys(made, "path record record_sha256 scans decisions models missing notes"),
        **keys(made, "created_at head broken"),
    }


def check_document(report: "CheckReport", seconds: float) -> Document:
    """`mriad check`."""
    run = "id flow flow_run_id software_version git_sha libraries device started_at environment"
    arrival = "id path fingerprint n_files settled_by settled_at"
    return {
        "ok": report.ok,
        "checked": keys(report.checked, "scans decisions heatmaps models"),
        "problems": [keys(each, "kind text") for each in report.problems],
        "orphans": report.orphans,
        "unfinished_runs": [keys(each, run) for each in report.unfinished_runs],
        "open_arrivals": [keys(each, arrival) for each in report.open_arrivals],
        "head": report.head and keys(report.head, "sequence sha256 created_at"),
        "head_to_keep": report.head and str(report.head),
        "notes": report.notes,
        "seconds": seconds,
    }
