"""Decisions on DICOM series as DICOM files of the same study, where highdicom is installed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from db.engine.chain_head import head
from db.entities import Rejection
from db.repository.intake.sightings import scan_files
from db.repository.scoring.decisions import HeatmapFile
from db.repository.training.models import model_by_id
from mriad_model.dicom_outputs import available, dicom_outputs
from mriad_model.dicom_outputs.job import OutputJob, ReportedFinding
from mriad_model.enums import DecisionReason, HeatmapKind, ScanKind, Verdict
from mriad_model.errors import RejectedFile
from mriad_model.files import sha256_of, write_once
from mriad_model.readers.dicom.series import Series
from mriad_model.readers.volume_files import StoredVolume
from tasks.intake.rejections import rejection_at
from tasks.runtime.connections import database, reader_pool
from tasks.runtime.source_files import volume_sources
from tasks.runtime.workspace import Workspace
from tasks.scoring.model_scores import ModelScore
from tasks.scoring.preprocess import PreparedItem
from tasks.scoring.selection import ActiveModel

SUFFIXES = {
    HeatmapKind.SECONDARY_CAPTURE: "capture",
    HeatmapKind.SEGMENTATION: "segmentation",
    HeatmapKind.STRUCTURED_REPORT: "report",
}


@dataclass(frozen=True, slots=True)
class DecisionValues:
    """The decision on a scan."""

    verdict: Verdict
    reason: DecisionReason
    p_value: float
    threshold: float
    moment: str  # ISO-8601


@dataclass(frozen=True, slots=True)
class DicomExport:
    """The files of one decision, or why there are none."""

    files: tuple[HeatmapFile, ...] = ()
    rejection: Rejection | None = None


def export(
    home: str,
    run_id: int,
    model: ActiveModel,
    scan: PreparedItem,
    scored: ModelScore,
    decided: DecisionValues,
    workspace: Workspace,
) -> DicomExport:
    """Write a decision as DICOM files; nothing where the scan is no series, or highdicom missing.

    The source's headers are read again, in a child, which makes the objects too.
    """
    stored, map_of_scan = scan.stored, scored.maps.anomaly
    if not isinstance(stored, StoredVolume) or stored.origin.kind is not ScanKind.DICOM:
        return DicomExport()
    if not available() or map_of_scan is None:
        return DicomExport()
    series = _series(home, scan.scan_id, stored)
    if series is None:
        return DicomExport()
    anomaly = workspace.voxels(scan.scan_id, "map")
    np.save(anomaly, map_of_scan, allow_pickle=False)
    newest = head(database(home))
    job = OutputJob(
        series=series,
        anomaly=anomaly,
        map_threshold=decided.threshold,  # a scan score is a value of the map, on its scale
        montage=scored.maps.files[0].data,
        score=scored.found.score,
        threshold=decided.threshold,
        p_value=decided.p_value,
        verdict=decided.verdict,
        reason=decided.reason,
        model_id=model.model_id,
        model_sha256=model_by_id(database(home), model.model_id).sha256,
        software_version=version("mriad"),
        decided_at=datetime.fromisoformat(decided.moment),
        record_head=None if newest is None else str(newest),
        findings=tuple(
            ReportedFinding(each.size, each.peak, each.place, each.side) for each in scored.findings
        ),
    )
    (made,) = reader_pool().map(dicom_outputs, [job])
    anomaly.unlink()
    if isinstance(made, RejectedFile):
        return DicomExport(
            rejection=rejection_at(scan.source, Path(home), made, run_id, decided.moment)
        )
    return DicomExport(tuple(_written(Path(home), model, scored, made)))


def _written(
    home: Path, model: ActiveModel, scored: ModelScore, made: dict[HeatmapKind, bytes]
) -> Iterator[HeatmapFile]:
    """Write the objects. They bear the time: those of a run that was cut off stay as they are."""
    for kind, data in made.items():
        suffix = f"-threshold-{model.threshold_id}-{SUFFIXES[kind]}.dcm"
        name = scored.path(suffix)
        write_once(home / name, data)
        yield HeatmapFile(kind, 0, name, sha256_of(home / name))


def _series(home: str, scan_id: int, stored: StoredVolume) -> Series | None:
    """The series that a volume was read from, by its headers now."""
    (files,) = scan_files(database(home), [scan_id])
    shape = stored.load().voxels.shape
    for source in volume_sources(files, Path(home)):
        series = source.series
        if series is None or series.shape != shape:
            continue
        if np.allclose(series.affine_values, stored.affine_values):
            return series
    return None
