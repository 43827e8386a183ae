"""Scoring: from prepared slices to scores, decisions and heatmaps in the record."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from db import history, record
from db.times import now
from mriad_model.files import write_all_atomically
from mriad_model.thresholds import p_value, verdict
from tasks.judging import Judged, judge
from tasks.models import loaded_model
from tasks.preprocessing import load_prepared
from tasks.resources import opened_record, release_memory
from tasks.selection import InForce, Undecided
from tasks.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Judge:
    """A threshold in force with the calibration scores behind it."""

    value: float
    calibration: NDArray[np.float64]  # (n,)

    @classmethod
    def of(cls, home: str, threshold_id: int) -> "Judge":
        """The judge that a stored threshold makes."""
        engine = opened_record(home)
        row = history.threshold_by_id(engine, threshold_id)
        healthy = history.calibration_scores(engine, row.model_id, row.dataset_id)
        return cls(row.value, np.array([each.value for each in healthy]))


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """What a chunk added to the record."""

    wanted: int  # scans that it began with
    decided: int  # decisions that are new
    unreadable: int  # scans that could not be read again or judged: no row, tried again next time


@task(name="score", cache_policy=NO_CACHE)
def score_chunk(
    home: str, run_id: int, model: InForce, device: str, folder: str, wanted: Undecided
) -> ScoredChunk:
    """Score prepared slices, decide, paint, and append it all in one transaction.

    `folder` is the workspace that they lie in; it is removed. `wanted` are the scans that the
    chunk began with; those lost on the way are counted.
    """
    workspace = Workspace(Path(folder))
    if not workspace.prepared.exists():  # no scan of the chunk could be prepared
        workspace.discard()
        return ScoredChunk(len(wanted.scan_ids), 0, len(wanted.scan_ids))
    fitted = loaded_model(home, model.model_id, device)
    judged = [
        each for each in judge(fitted, load_prepared(workspace), model.model_id) if each is not None
    ]
    judge_ = Judge.of(home, model.threshold_id)
    rows = _decided(Path(home), judge_, judged)
    added = record.append_scored(
        opened_record(home), model.model_id, model.threshold_id, rows, run_id=run_id, now=now()
    )
    workspace.discard()
    release_memory()
    return ScoredChunk(
        wanted=len(wanted.scan_ids),
        decided=added.decisions,
        unreadable=len(wanted.scan_ids) - len(rows),
    )


def _decided(home: Path, judge: Judge, judged: list[Judged]) -> list[record.ScoredScan]:
    """Write the maps, and say what the threshold says of each scan."""
    write_all_atomically({home / file.path: file.data for each in judged for file in each.files})
    chances = p_value(np.array([each.score for each in judged]), judge.calibration)
    return [
        record.ScoredScan(
            scan_id=each.scan_id,
            value=each.score,
            slice_values=each.slice_scores,
            positions=each.positions,
            heatmaps=[
                record.HeatmapFile(file.kind, 0, file.path, sha256(file.data).hexdigest())
                for file in each.files
            ],
            verdict=verdict(each.score, judge.value),
            p_value=float(chance),
        )
        for each, chance in zip(judged, chances, strict=True)
    ]
