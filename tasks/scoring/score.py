"""Scoring: from prepared slices to scores, decisions and heatmaps in the record."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from db.repository.decisions import HeatmapFile, ScoredScan, append_scored
from db.repository.models import threshold_by_id
from db.repository.rejections import append_rejections
from db.timestamps import now
from mriad_model.detection.thresholds import p_value, verdict
from mriad_model.files import write_all_atomically
from tasks.runtime.connections import database, release_memory
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import timed
from tasks.runtime.workspace import Workspace
from tasks.scoring.calibration import Calibration, calibration_of
from tasks.scoring.export_dicom import DecisionValues, DicomExport, export
from tasks.scoring.model_scores import ModelScore, score_and_draw
from tasks.scoring.preprocess import load_prepared
from tasks.scoring.selection import ActiveModel, PendingScans


@dataclass(frozen=True, slots=True)
class ActiveThreshold:
    """An active threshold with the calibration scores behind it."""

    value: float
    calibration: Calibration

    @classmethod
    def of(cls, home: str, threshold_id: int) -> "ActiveThreshold":
        """What a stored threshold draws."""
        engine = database(home)
        row = threshold_by_id(engine, threshold_id)
        return cls(row.value, calibration_of(engine, row.model_id, row.dataset_id))

    def p_values(self, judged: Sequence[ModelScore]) -> list[float]:
        """The chance of such a score among healthy scans, for each."""
        scores = np.array([each.found.score for each in judged])
        healthy = self.calibration
        chances = p_value(scores, healthy.values, healthy.groups)
        return [float(chance) for chance in chances]


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """What a chunk added to the record."""

    wanted: int  # scans that it began with
    decided: int  # decisions that are new
    unreadable: int  # scans that could not be read again or judged: no row, tried again next time


@task(name="score", cache_policy=NO_CACHE)
@timed("score, paint and record")
def score_chunk(
    home: str,
    run_id: int,
    model: ActiveModel,
    device: str,
    folder: str,
    wanted: PendingScans,
) -> ScoredChunk:
    """Score prepared slices, decide, paint, and append it all in one transaction.

    `folder` is the workspace that they lie in; it is removed. `wanted` are the scans that the
    chunk began with; those lost on the way are counted.
    """
    workspace = Workspace(Path(folder))
    n_scored, n_decided = 0, 0
    if workspace.prepared.exists():  # a scan of the chunk could be prepared
        n_scored, n_decided = _score_prepared(home, run_id, model, device, workspace)
    workspace.discard()
    release_memory()
    return ScoredChunk(len(wanted.scan_ids), n_decided, len(wanted.scan_ids) - n_scored)


def _score_prepared(
    home: str, run_id: int, model: ActiveModel, device: str, workspace: Workspace
) -> tuple[int, int]:
    """How many scans were scored, and how many decisions are new."""
    fitted = loaded_model(home, model.model_id, device)
    prepared = {each.scan_id: each for each in load_prepared(workspace)}
    judged = score_and_draw(fitted, [*prepared.values()], model.model_id)
    write_all_atomically(
        {
            Path(home) / each.path(file.suffix): file.data
            for each in judged
            for file in each.maps.files
        }
    )
    moment, line = now(), ActiveThreshold.of(home, model.threshold_id)
    rows, rejections = [], []
    for each, chance in zip(judged, line.p_values(judged), strict=True):
        said = DecisionValues(verdict(each.found.score, line.value), chance, line.value, moment)
        exported = export(home, run_id, model, prepared[each.scan_id], each, said, workspace)
        rows.append(_row(each, said, exported))
        rejections += [exported.rejection] if exported.rejection else []
    engine = database(home)
    added = append_scored(
        engine, model.model_id, model.threshold_id, rows, run_id=run_id, now=moment
    )
    append_rejections(engine, rejections)
    return len(rows), added.decisions


def _row(judged: ModelScore, said: DecisionValues, exported: DicomExport) -> ScoredScan:
    maps = [
        HeatmapFile(file.kind, 0, judged.path(file.suffix), sha256(file.data).hexdigest())
        for file in judged.maps.files
    ]
    return ScoredScan(
        scan_id=judged.scan_id,
        value=judged.found.score,
        slice_values=judged.slice_values,
        positions=judged.found.positions,
        heatmaps=[*maps, *exported.files],
        verdict=said.verdict,
        p_value=said.p_value,
    )
