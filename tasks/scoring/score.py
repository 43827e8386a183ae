"""Scoring: from prepared slices to scores, decisions and heatmaps in the record."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from db.repository.intake.rejections import append_rejections
from db.repository.intake.scans import scans_by_id
from db.repository.scoring.decisions import FoundPart, HeatmapFile, ScoredScan, append_scored
from db.repository.training.models import model_folds, threshold_by_id
from db.timestamps import now
from mriad_model.files import write_all_atomically
from tasks.runtime.connections import database, release_memory
from tasks.runtime.model_cache import loaded_model
from tasks.runtime.progress import timed
from tasks.runtime.workspace import Workspace
from tasks.scoring.calibration_scores import finding_limits_of
from tasks.scoring.export_dicom import DecisionValues, DicomExport, export
from tasks.scoring.judge import Judge
from tasks.scoring.model_scores import ModelScore, score_and_draw
from tasks.scoring.placement import placed
from tasks.scoring.preprocess import load_prepared
from tasks.scoring.selection import ActiveModel, PendingScans


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """What a chunk added to the record."""

    wanted: int  # scans that it began with
    decided: int  # decisions that are new
    unreadable: int  # scans that could not be read or prepared: no row, tried again next time


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

    `folder`, their workspace, is removed. `wanted` are the scans that the chunk began with.
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
    engine = database(home)
    comparable = placed(home, run_id, fitted, load_prepared(workspace), model.model_id)
    prepared = {each.scan_id: each for each in comparable}
    folds = model_folds(engine, model.model_id)
    limits = finding_limits_of(engine, model.model_id)
    scored = score_and_draw(fitted, [*prepared.values()], model.model_id, folds, limits)
    write_all_atomically(
        {
            Path(home) / each.path(file.suffix): file.data
            for each in scored
            for file in each.maps.files
        }
    )
    moment = now()
    threshold = threshold_by_id(engine, model.threshold_id)
    judge, scans = Judge.of(engine, threshold), scans_by_id(engine, prepared)
    found = [each.evidence(judge.contrast_known(scans[each.scan_id])) for each in scored]
    rows, rejections = [], []
    for each, chance, result in zip(
        scored, judge.p_values(found), judge.verdicts(found), strict=True
    ):
        decided = DecisionValues(result.verdict, result.reason, chance, threshold.value, moment)
        exported = export(home, run_id, model, prepared[each.scan_id], each, decided, workspace)
        rows.append(_row(each, decided, exported))
        rejections += [exported.rejection] if exported.rejection else []
    added = append_scored(
        engine, model.model_id, model.threshold_id, rows, run_id=run_id, now=moment
    )
    append_rejections(engine, rejections)
    return len(rows), added.decisions


def _row(scored: ModelScore, decided: DecisionValues, exported: DicomExport) -> ScoredScan:
    maps = [
        HeatmapFile(file.kind, 0, scored.path(file.suffix), sha256(file.data).hexdigest())
        for file in scored.maps.files
    ]
    return ScoredScan(
        scan_id=scored.scan_id,
        value=scored.found.score,
        slice_values=scored.slice_values,
        positions=scored.found.positions,
        findings=[
            FoundPart(each.size, each.peak, each.place, each.side) for each in scored.findings
        ],
        heatmaps=[*maps, *exported.files],
        verdict=decided.verdict,
        p_value=decided.p_value,
        reason=decided.reason,
        gate=scored.found.gate,
        spread=scored.found.spread,
    )
