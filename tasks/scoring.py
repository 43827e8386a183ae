"""Scoring: from prepared slices to scores, decisions and heatmaps in the record."""

from concurrent.futures import ThreadPoolExecutor
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
from mriad_model.fitted import FittedModel
from mriad_model.heatmaps import SUFFIX
from mriad_model.nouns import HeatmapKind
from mriad_model.scoring import Scored
from mriad_model.thresholds import p_value, verdict
from tasks.models import loaded_model
from tasks.painting import painted
from tasks.preprocessing import PreparedChunk, load_chunk
from tasks.resources import opened_record, release_memory
from tasks.selection import Undecided

PAINTERS = 2


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

    decided: int  # decisions that are new
    unreadable: int  # scans whose file went away meanwhile: no row, tried again next time


@task(name="score", cache_policy=NO_CACHE)
def score_chunk(
    home: str,
    run_id: int,
    model_id: int,
    threshold_id: int,
    device: str,
    prepared: str,
    wanted: Undecided,
) -> ScoredChunk:
    """Score prepared slices, decide, paint, and append it all in one transaction.

    `wanted` are the scans that the chunk began with; those lost on the way are counted.
    """
    if not Path(prepared).exists():  # no scan of the chunk could be read
        return ScoredChunk(0, len(wanted.scan_ids))
    chunk = load_chunk(Path(prepared))
    fitted = loaded_model(home, model_id, device)
    judge = Judge.of(home, threshold_id)
    scored = fitted.score(chunk.batch)
    verdicts = [verdict(float(score), judge.value) for score in scored.scores]
    pictures = paint_chunk(Path(home), model_id, fitted, chunk, scored)
    rows = [
        record.ScoredScan(
            scan_id=scan_id,
            value=float(score),
            slice_values=(float(score),),
            heatmaps=(picture,),
            verdict=said,
            p_value=float(chance),
        )
        for scan_id, score, chance, said, picture in zip(
            chunk.scan_ids,
            scored.scores,
            p_value(scored.scores, judge.calibration),
            verdicts,
            pictures,
            strict=True,
        )
        if picture is not None
    ]
    added = record.append_scored(
        opened_record(home), model_id, threshold_id, rows, run_id=run_id, now=now()
    )
    Path(prepared).unlink(missing_ok=True)
    release_memory()
    return ScoredChunk(
        decided=added.decisions,
        unreadable=len(wanted.scan_ids) - len(rows),
    )


def paint_chunk(
    home: Path, model_id: int, fitted: FittedModel, chunk: PreparedChunk, scored: Scored
) -> list[record.HeatmapFile | None]:
    """Draw and write the heatmap of each scan; None where its file went away meanwhile."""

    def draw(i: int) -> tuple[str, bytes] | None:
        pixels = chunk.native(i)
        if pixels is None:
            return None
        score, sha = float(scored.scores[i]), chunk.hashes[i]
        name = f"heatmaps/model-{model_id}/{sha[:2]}/{sha}{SUFFIX}"
        return name, painted(pixels, scored.maps[i], chunk.placements[i], fitted, score, model_id)

    with ThreadPoolExecutor(PAINTERS) as pool:
        drawn = list(pool.map(draw, range(len(chunk.sources))))
    write_all_atomically({home / name: data for name, data in filter(None, drawn)})
    return [
        found and record.HeatmapFile(HeatmapKind.SLICE, 0, found[0], sha256(found[1]).hexdigest())
        for found in drawn
    ]
