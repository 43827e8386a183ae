"""The findings behind a score, as a part of the document of `mriad show` and as its table."""

from typing import TYPE_CHECKING, Any

from flows.cli.console import show_lines, show_section
from mriad_model.enums import PICTURES, ScanKind, SideOf, side_in_words

if TYPE_CHECKING:
    from db.entities import Finding
    from db.repository.reports.scan_details import ScoreDetails

FINDINGS = "Findings under model {model} ({rate:.2g} a healthy scan, of {n} that calibrated)"


def findings_document(found: "ScoreDetails", kind: ScanKind) -> dict[str, Any]:
    """Null for a score of a model without limits, and one that only calibrates."""
    limit = found.limit
    if limit is None or not found.heatmaps:
        return {"findings": None, "finding_limit": None}
    return {
        "findings": [_document(each, kind) for each in found.findings],
        "finding_limit": {
            "peak": limit.peak,
            "edge": limit.edge,
            f"least_{_unit(kind)}": limit.least,
            "false_findings_a_healthy_scan": limit.rate,
            "n": limit.n,
        },
    }


def show_findings(kind: ScanKind, score: "ScoreDetails") -> None:
    """The findings under a model, and how many a healthy scan has."""
    limit = score.limit
    if limit is None or not score.heatmaps:
        return
    picture = kind in PICTURES
    title = FINDINGS.format(model=score.score.model_id, rate=limit.rate, n=limit.n)
    if not score.findings:
        show_lines("", f"{title}: none")
        return
    size, place = ("of the head", "column, row") if picture else ("ml", "right, front, up (mm)")
    rows = [
        (
            each.position,
            f"{100 * each.size:.1f} %" if picture else f"{each.size:.2f}",
            each.peak,
            side_in_words(each.side, kind),
            ", ".join(f"{value:.0f}" for value in _place(each, kind)),
        )
        for each in score.findings
    ]
    show_section(title, ("finding", size, "map's peak", "side", place), rows)


def _document(finding: "Finding", kind: ScanKind) -> dict[str, Any]:
    return {
        "position": finding.position,
        _unit(kind): finding.size,
        "peak": finding.peak,
        "side": finding.side,
        "side_of": SideOf.kind(kind),
        "place": _place(finding, kind),
    }


def _place(finding: "Finding", kind: ScanKind) -> list[float]:
    """RAS mm; of a picture, column and row."""
    place = [finding.x, finding.y, finding.z]
    return place[:2] if kind in PICTURES else place


def _unit(kind: ScanKind) -> str:
    return "share_of_head" if kind in PICTURES else "millilitres"
