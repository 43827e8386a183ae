"""Decisions on DICOM series as DICOM files of the same study, where highdicom is installed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from db import history, record
from db.heads import head
from mriad_model.dicom_outputs import OutputJob, available, dicom_outputs
from mriad_model.errors import RejectedFile
from mriad_model.files import sha256_of, write_once
from mriad_model.nouns import HeatmapKind, Rejection, ScanKind, Verdict
from mriad_model.recipes import Recipe
from mriad_model.volumes.score import pixel_threshold
from mriad_model.volumes.series import Series
from mriad_model.volumes.stored import StoredVolume
from tasks.judging import Judged, map_path
from tasks.locating import volume_sources
from tasks.preprocessing import PreparedScan
from tasks.rejections import rejection_at
from tasks.resources import opened_record, readers
from tasks.selection import InForce
from tasks.workspace import Workspace

SUFFIXES = {
    HeatmapKind.SECONDARY_CAPTURE: "capture",
    HeatmapKind.SEGMENTATION: "segmentation",
    HeatmapKind.STRUCTURED_REPORT: "report",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What is decided of a scan."""

    verdict: Verdict
    p_value: float
    threshold: float
    moment: str  # ISO-8601


@dataclass(frozen=True, slots=True)
class Exported:
    """The files of one decision, or why there are none."""

    files: tuple[record.HeatmapFile, ...] = ()
    rejection: Rejection | None = None


def export(
    home: str,
    run_id: int,
    model: InForce,
    scan: PreparedScan,
    judged: Judged,
    said: Said,
    workspace: Workspace,
) -> Exported:
    """Write a decision as DICOM files; nothing where the scan is no series, or highdicom missing.

    The source's headers are read again, in a child, which makes the objects too.
    """
    stored = scan.scan
    if not isinstance(stored, StoredVolume) or stored.origin.kind is not ScanKind.DICOM:
        return Exported()
    if not available() or judged.anomaly is None:
        return Exported()
    series = _series(home, scan.scan_id, stored)
    if series is None:
        return Exported()
    anomaly = workspace.voxels(scan.scan_id, "map")
    np.save(anomaly, judged.anomaly, allow_pickle=False)
    newest = head(opened_record(home))
    job = OutputJob(
        series=series,
        anomaly=anomaly,
        map_threshold=pixel_threshold(Recipe.from_json(model.recipe), said.threshold),
        montage=judged.files[0].data,
        score=judged.score,
        threshold=said.threshold,
        p_value=said.p_value,
        verdict=said.verdict,
        model_id=model.model_id,
        model_sha256=history.model_by_id(opened_record(home), model.model_id).sha256,
        software_version=version("mriad"),
        decided_at=datetime.fromisoformat(said.moment),
        record_head=None if newest is None else str(newest),
    )
    (made,) = readers().map(dicom_outputs, [job])
    anomaly.unlink()
    if isinstance(made, RejectedFile):
        return Exported(rejection=rejection_at(scan.source, Path(home), made, run_id, said.moment))
    return Exported(tuple(_written(Path(home), model, scan.sha256, made)))


def _written(
    home: Path, model: InForce, sha256: str, made: dict[HeatmapKind, bytes]
) -> Iterator[record.HeatmapFile]:
    """Write the objects. They bear the time: those of a run that was cut off stay as they are."""
    for kind, data in made.items():
        suffix = f"-threshold-{model.threshold_id}-{SUFFIXES[kind]}.dcm"
        name = map_path(model.model_id, sha256, suffix)
        write_once(home / name, data)
        yield record.HeatmapFile(kind, 0, name, sha256_of(home / name))


def _series(home: str, scan_id: int, stored: StoredVolume) -> Series | None:
    """The series that a volume was read from, as its headers tell it now."""
    (sighted,) = history.sighted_scans(opened_record(home), [scan_id])
    shape = stored.load().voxels.shape
    for source in volume_sources(sighted, Path(home)):
        series = source.series
        if series is None or series.shape != shape:
            continue
        if np.allclose(series.affine_values, stored.affine_values):
            return series
    return None
