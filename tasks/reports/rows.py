"""Rows of reports: decisions with their pictures for the page, cells for the CSV."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from db.entities import Finding, FindingLimit, Scan, Threshold
from db.repository.reports.history import DecisionRow
from db.repository.scoring.findings import finding_limit, findings_of_decisions
from db.repository.training.models import activations, model_by_id, threshold_by_id
from mriad_model.delivery.pending import PendingFolders
from mriad_model.enums import (
    PICTURES,
    DecisionReason,
    RejectionReason,
    ScanKind,
    Verdict,
    side_in_words,
)
from mriad_model.files import write_atomically
from mriad_model.paths import source_path
from mriad_model.promotion.power import Power, power_of
from mriad_model.reasons import reason_text
from mriad_model.rejections import RejectedItem, split_rejections
from mriad_model.reports.run_report import ModelLine, SuspiciousScan, ThresholdLine
from mriad_model.shares import with_interval
from tasks.runtime.batching import in_chunks
from tasks.runtime.connections import database
from tasks.runtime.home import pages_address

MOST_FINDINGS = 3  # of a scan, in a line
PAGE = 2_000  # decisions whose findings are in memory
KINDS = {
    ScanKind.IMAGE: "picture file",
    ScanKind.DICOM: "DICOM series",
    ScanKind.NIFTI: "NIfTI volume",
}


def write_report(home: Path, name: str, text: str) -> str:
    """Write a report's file under the home; its path, relative to the home."""
    path = home / "reports" / name
    write_atomically(path, text.encode())
    return str(path.relative_to(home))


def kind_in_words(kind: ScanKind, n: int) -> str:
    """A kind of scan, as of n of them."""
    words = KINDS[kind]
    return words if n == 1 or kind is ScanKind.DICOM else f"{words}s"


def threshold_lines(home: str, threshold_id: int) -> tuple[ModelLine, ThresholdLine]:
    """A threshold and its model, since when it has been active, and why."""
    engine = database(home)
    threshold = threshold_by_id(engine, threshold_id)
    model = model_by_id(engine, threshold.model_id)
    recipe = json.loads(model.recipe)
    activated = [a for a in activations(engine) if a.threshold_id == threshold_id]
    return (
        ModelLine(
            id=threshold.model_id,
            sha256=model.sha256,
            recipe_name=recipe["name"],
            created_at=model.created_at,
            of_volumes=recipe.get("volumes") is not None,
            active_since=activated[-1].created_at if activated else "",
            why=activated[-1].reason if activated else "",
        ),
        ThresholdLine(
            id=threshold_id,
            policy=threshold.policy.value,
            k=threshold.k,
            mean=threshold.mean,
            sd=threshold.sd,
            n=threshold.n,
            value=threshold.value,
            n_groups=threshold.n_groups,
            promise=promise_of(threshold),
            findings=_findings_rate(finding_limit(engine, threshold.model_id)),
            power=found_by(power_of(model.metrics, threshold.value)),
        ),
    )


def found_by(power: Power | None) -> str:
    """What a threshold finds of implanted lesions, in words."""
    if power is None:
        return "not measured when the model was made"
    return power.text


def promise_of(threshold: Threshold) -> str | None:
    """The rate of healthy scans that a threshold flags, in words; None of one of before."""
    if threshold.rate is None or threshold.rate_low is None or threshold.rate_high is None:
        return None
    return with_interval(threshold.rate, threshold.rate_low, threshold.rate_high)


def _findings_rate(limit: FindingLimit | None) -> str:
    return "" if limit is None else f"{limit.rate:.2g} a healthy scan ({limit.n} calibrated)"


def findings_in_words(findings: Sequence[Finding], kind: ScanKind) -> str:
    """The highest findings, and how many more: "3.2 ml (patient's right), 0.4 ml (midline)"."""
    texts = []
    for each in findings[:MOST_FINDINGS]:
        picture = kind in PICTURES
        size = f"{100 * each.size:.1f} % of the head" if picture else f"{each.size:.2g} ml"
        side = side_in_words(each.side, kind)
        texts.append(f"{size} ({side})" if side else size)
    more = len(findings) - len(texts)
    return ", ".join(texts) + (f", and {more} more" if more else "")


def suspicious_line(
    home: Path, row: DecisionRow, scan: Scan, findings: Sequence[Finding] = (), *, pictured: bool
) -> SuspiciousScan:
    """A decision as the page lists it, with its picture if wanted and there."""
    heatmap = source_path(row.heatmap_path, home) if pictured and row.heatmap_path else None
    return SuspiciousScan(
        path=row.path or "",
        scan_id=row.scan_id,
        decision_id=row.decision_id,
        score=row.score,
        p_value=row.p_value,
        heatmap=heatmap.read_bytes() if heatmap and heatmap.is_file() else None,
        several_slices=row.kind is not ScanKind.IMAGE,
        kind=kind_in_words(row.kind, 1),
        scanner=scan.scanner,
        verdict=row.verdict,
        reason=row.reason,
        findings=findings_in_words(findings, row.kind),
        pages=pages_address(home),
        reviewed=row.review is not None,
    )


def decision_cells(
    home: str,
    decided: Sequence[DecisionRow],
    scans: Mapping[int, Scan],
    threshold: ThresholdLine | None,
) -> Iterator[dict[str, Any]]:
    """A line of the table for each decision; without figures where it is not scorable."""
    engine = database(home)
    limited = {
        each
        for each in {row.model_id for row in decided}
        if finding_limit(engine, each) is not None
    }
    for _, rows in in_chunks(decided, PAGE):
        findings = findings_of_decisions(engine, [row.decision_id for row in rows])
        for row in rows:
            scan = scans[row.scan_id]
            scored = row.verdict is not Verdict.NOT_SCORABLE
            sigmas = None
            if scored and threshold and row.threshold_id == threshold.id and threshold.sd > 0:
                sigmas = (row.score - threshold.mean) / threshold.sd
            yield {
                "result": row.verdict.value,
                "path": row.path,
                "kind": row.kind.value,
                "score": row.score if scored else None,
                "threshold": row.threshold if scored else None,
                "sigmas_above_healthy": sigmas,
                "p_value": row.p_value if scored else None,
                "scan_id": row.scan_id,
                "decision_id": row.decision_id,
                "scanner": scan.scanner,
                "study_uid": scan.study_uid,
                "series_uid": scan.series_uid,
                "heatmap": row.heatmap_path,
                "reason": row.reason and row.reason.value,
                "detail": reason_text(row.reason),
                "decided_at": row.decided_at,
                **(
                    finding_cells(findings.get(row.decision_id, ()), row.kind)
                    if scored and row.model_id in limited
                    else {}
                ),
            }


def finding_cells(findings: Sequence[Finding], kind: ScanKind) -> dict[str, Any]:
    """How many findings a scan has, and its largest; of a picture its place is a pixel."""
    if not findings:
        return {"findings": 0}
    largest, picture = max(findings, key=lambda each: each.size), kind in PICTURES
    return {
        "findings": len(findings),
        "largest_finding_ml": None if picture else largest.size,
        "largest_finding_percent_of_head": 100 * largest.size if picture else None,
        "largest_finding_side": side_in_words(largest.side, kind),
        "largest_finding_x": largest.x,
        "largest_finding_y": largest.y,
        "largest_finding_z": None if picture else largest.z,
    }


def rejection_cells(items: Sequence[RejectedItem]) -> Iterator[dict[str, Any]]:
    """A line of the table for each file that is no scan, and each scan that is not scored.

    A series without a frame of reference is scored; what it lacks are its DICOM outputs.
    """
    split = split_rejections(items)
    for each in split.rejected:
        yield _rejection_cells("rejected", each)
    for each in split.not_scorable:
        cells = _rejection_cells(Verdict.NOT_SCORABLE.value, each)
        if each.reason is RejectionReason.UNREGISTERED:
            cells["reason"] = DecisionReason.REGISTRATION_FAILED.value
        yield cells
    for each in split.limited:
        scored = each.reason == RejectionReason.NO_FRAME_OF_REFERENCE
        yield _rejection_cells("no_dicom_outputs" if scored else "incompatible", each)


def pending_cells(pending: PendingFolders) -> Iterator[dict[str, Any]]:
    """A line of the table for each folder that is not scored yet."""
    if pending.missing is not None:
        yield {
            "result": "not_scored",
            "path": pending.missing,
            "reason": "watched_folder_missing",
            "detail": "not there, or cannot be read",
        }
    for each in pending.folders:
        since = f"; {each.moment} {each.since}" if each.since else ""
        files = f"{each.n_files} file{'' if each.n_files == 1 else 's'}"
        yield {
            "result": "not_scored",
            "path": f"{each.path}/",
            "reason": each.why.value,
            "detail": f"{each.text} ({files}{since})",
        }


def _rejection_cells(result: str, item: RejectedItem) -> dict[str, Any]:
    return {
        "result": result,
        "path": item.path,
        "scan_id": item.scan_id,
        "reason": item.reason.value,
        "detail": item.detail,
    }
