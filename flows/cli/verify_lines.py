"""How `mriad verify` tells what it found: JSON as documented, or lines."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flows.cli.console import show_json, show_lines, show_notice
from flows.messages import counted

if TYPE_CHECKING:
    from tasks.maintenance.verify_report import LastBits, NotRecomputed, ReplayReport

MOST_LISTED = 20


def replay_document(report: "ReplayReport") -> dict[str, Any]:
    """The JSON of `mriad verify`."""
    return {"checked": report.checked, **asdict(report)}


def show_replay(report: "ReplayReport", *, as_json: bool) -> None:
    """What `mriad verify` found."""
    if as_json:
        show_json(replay_document(report))
        return
    show_lines(
        f"{counted(report.checked, 'decision')} replayed: "
        f"{report.identical} identical to the last bit, "
        f"{report.within_tolerance} within tolerance, {len(report.mismatched)} mismatched; "
        f"{len(report.unreadable)} not replayed, for their source is gone or changed.",
        f"Calibration scores recomputed: {report.calibration.identical} identical to the last "
        f"bit, {report.calibration.within_tolerance} within tolerance, "
        f"{report.calibration.mismatched} mismatched.",
    )
    for kind in (_faults(report), _mismatches(report), _gone(report), _missing(report)):
        _show_some(list(kind))
    show_lines(*(_differing(each) for each in report.last_bits))
    if report.older_maps:
        maps = counted(report.older_maps, "map is", "maps are")
        show_lines(f"{maps} as an older version drew them: the same picture.")
    show_lines(*(_not_recomputed(each) for each in report.not_recomputed))
    show_notice()


def _not_recomputed(found: "NotRecomputed") -> str:
    parts, of, noun = found.what.rpartition(" of ")
    return f"Not recomputed: {parts}{of}{counted(found.n, noun.removesuffix('s'))}; {found.why}."


def _faults(report: "ReplayReport") -> Iterator[str]:
    return (f"does not hold: {each.what}: {each.why}" for each in report.faults)


def _mismatches(report: "ReplayReport") -> Iterator[str]:
    return (
        f"mismatch: scan {each.scan_id}, decision {each.decision_id}: {each.what}"
        for each in report.mismatched
    )


def _gone(report: "ReplayReport") -> Iterator[str]:
    return (f"{each.why}: decision {each.decision_id}: {each.path}" for each in report.unreadable)


def _missing(report: "ReplayReport") -> Iterator[str]:
    return (
        f"missing: scan {each.scan_id}, decision {each.decision_id}: {each.path}"
        for each in report.missing
    )


def _show_some(lines: list[str]) -> None:
    show_lines(*lines[:MOST_LISTED])
    if len(lines) > MOST_LISTED:
        show_lines(f"  and {len(lines) - MOST_LISTED} more; --json lists all")


def _differing(found: "LastBits") -> str:
    scores = "1 score" if found.n == 1 else f"{found.n} scores"
    verb = "differs in its" if found.n == 1 else "differ in their"
    told = "; ".join(
        f"recorded with {name} {_said(before)}, now {_said(now)}"
        for name, (before, now) in found.differs.items()
    )
    if not told:
        told = "nothing else that was recorded differs"
    if not found.recorded:
        told += "; what the run ran in was not recorded"
    return f"{scores} of run {found.run_id} {verb} last bits: {told}"


def _said(value: Any) -> str:
    return "unset" if value is None else str(value)
