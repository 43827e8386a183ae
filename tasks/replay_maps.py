"""The maps of a replayed decision: as recorded, and as drawn now."""

import gzip
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from db import history
from mriad_model.files import sha256_of
from mriad_model.nouns import Heatmap, HeatmapKind
from mriad_model.paths import source_path
from mriad_model.volumes.pictures import map_of_before, on_one_grid
from tasks.judging import Judged
from tasks.replay_report import Missing, ReplayReport

DRAWN = (HeatmapKind.SLICE, HeatmapKind.MONTAGE, HeatmapKind.VOLUME)
OTHER_BITS = "the scores differ in their last bits, and so do the maps"
OTHER_GRID = "the scan was read from a file that lies on another grid"
HASHED = "only their hashes are compared"


class Drawing(StrEnum):
    """How a file compares with what is drawn now."""

    SAME = "same"
    OLDER = "older"  # as an older version drew it
    OTHER_GRID = "other_grid"  # cannot be compared
    OTHERWISE = "otherwise"


def wrong_maps(
    home: Path, replay: history.Replay, judged: Judged, report: ReplayReport
) -> list[str]:
    """What is wrong with a decision's maps; what is missing, or not drawn, goes to the report."""
    same_score = judged.score == replay.score.value
    drawn = {file.kind: file.data for file in judged.files}
    wrong = []
    for row in replay.heatmaps:
        try:
            found = sha256_of(source_path(row.path, home))
        except OSError:
            report.missing.append(
                Missing(replay.decision.id or 0, replay.decision.scan_id, row.path)
            )
            continue
        if found != row.sha256:
            wrong.append(f"heatmap {row.path} was changed")
        elif row.kind not in DRAWN:
            report.leave("DICOM outputs", HASHED)
        elif not same_score:
            report.leave("heatmaps", OTHER_BITS)
        else:
            wrong += _drawn_again(home, row, drawn, judged.anomaly, report)
    return wrong


def _drawn_again(
    home: Path,
    row: Heatmap,
    drawn: Mapping[HeatmapKind, bytes],
    anomaly: NDArray[np.float32] | None,
    report: ReplayReport,
) -> list[str]:
    if row.kind not in drawn:
        return [f"heatmap {row.path} is of a kind that is not drawn of such a scan"]
    how = _compared(home, row, drawn[row.kind], anomaly)
    if how is Drawing.OLDER:
        report.older_maps += 1
    elif how is Drawing.OTHER_GRID:
        report.leave("NIfTI maps", OTHER_GRID)
    elif how is Drawing.OTHERWISE:
        return [f"heatmap {row.path} is drawn otherwise now"]
    return []


def _compared(
    home: Path, row: Heatmap, data: bytes, anomaly: NDArray[np.float32] | None
) -> Drawing:
    """How a file that is as recorded compares with what is drawn now.

    A series and the NIfTI file made of it are one scan, but may lie on grids that differ in the
    order of rows or in last digits; the score is the same on both.
    """
    if sha256(data).hexdigest() == row.sha256:
        return Drawing.SAME
    if row.kind is not HeatmapKind.VOLUME or anomaly is None:
        return Drawing.OTHERWISE
    there = source_path(row.path, home).read_bytes()
    try:
        content = gzip.decompress(there)  # another zlib packs the same otherwise
        if content == gzip.decompress(data):
            return Drawing.SAME
        if content == map_of_before(data, anomaly):
            return Drawing.OLDER
        return Drawing.OTHERWISE if on_one_grid((data, there)) else Drawing.OTHER_GRID
    except (OSError, EOFError, ValueError, ArithmeticError):
        return Drawing.OTHERWISE  # it is no map of ours
