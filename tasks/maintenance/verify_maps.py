"""The maps of a replayed decision: as recorded, and as drawn now."""

import gzip
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np

from db.entities import Heatmap
from db.repository.reports.scan_details import Replay
from mriad_model.enums import HeatmapKind
from mriad_model.files import sha256_of
from mriad_model.heatmaps.captions import footer_height
from mriad_model.heatmaps.montage_layout import is_above_words
from mriad_model.heatmaps.volume_map import on_one_grid
from mriad_model.paths import source_path
from tasks.maintenance.verify_report import TOLERANCE, Alike, Missing, ReplayReport
from tasks.scoring.model_scores import ModelScore

JPEG_BLOCK = 16  # pixels a side, with halved colours
LEVELS_APART, MEAN_APART = 8, 0.05  # grey levels of 255
SCALE = ("cal_min", "cal_max")
DRAWN = (HeatmapKind.SLICE, HeatmapKind.MONTAGE, HeatmapKind.VOLUME)
OTHER_BITS = "the scores differ in their last bits, and so do the maps"
OTHER_WORDS = "another version of the software draws them otherwise"
LAST_BITS = "they differ in their last bits, the scores do not"
OTHER_GRID = "the scan was read from a file that lies on another grid"
HASHED = "only their hashes are compared"


class Drawing(StrEnum):
    """How a file compares with what is drawn now."""

    SAME = "same"
    NEARLY = "nearly"  # but for last bits
    OTHER_GRID = "other_grid"  # cannot be compared
    WORDS = "words"  # but for the words below
    OTHERWISE = "otherwise"


def wrong_maps(
    home: Path, replay: Replay, judged: ModelScore, how: Alike, report: ReplayReport
) -> list[str]:
    """What is wrong with a decision's maps; what is missing, or not drawn, goes to the report.

    `how` the scores compare: where their last bits differ, so may all of a map.
    """
    drawn = {file.kind: file.data for file in judged.maps.files}
    wrong = []
    for row in replay.scored.heatmaps:
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
        elif how is not Alike.IDENTICAL:
            report.leave("heatmaps", OTHER_BITS)
        else:
            wrong += _drawn_again(home, row, drawn, report)
    return wrong


def _drawn_again(
    home: Path,
    row: Heatmap,
    drawn: Mapping[HeatmapKind, bytes],
    report: ReplayReport,
) -> list[str]:
    if row.kind not in drawn:
        return [f"heatmap {row.path} is of a kind that is not drawn of such a scan"]
    how = _compared(home, row, drawn[row.kind])
    if how is Drawing.OTHER_GRID:
        report.leave("NIfTI maps", OTHER_GRID)
    elif how is Drawing.NEARLY:
        report.leave("heatmaps", LAST_BITS)
    elif how is Drawing.WORDS:
        report.leave("words below heatmaps", OTHER_WORDS)
    elif how is Drawing.OTHERWISE:
        return [f"heatmap {row.path} is drawn otherwise now"]
    return []


def _compared(home: Path, row: Heatmap, data: bytes) -> Drawing:
    """How a file that is as recorded compares with what is drawn now.

    A series and the NIfTI file made of it are one scan, but may lie on grids that differ in the
    order of rows or in last digits; the score is the same on both.
    """
    if sha256(data).hexdigest() == row.sha256:
        return Drawing.SAME
    there = source_path(row.path, home).read_bytes()
    if row.kind is HeatmapKind.VOLUME:
        return _volumes_compared(there, data)
    if _one_picture(there, data):
        return Drawing.NEARLY
    return (
        Drawing.WORDS if _one_picture(there, data, without_words_of=row.kind) else Drawing.OTHERWISE
    )


def _volumes_compared(there: bytes, data: bytes) -> Drawing:
    """The same of NIfTI maps, unpacked: another zlib packs the same otherwise."""
    try:
        content, now = gzip.decompress(there), gzip.decompress(data)
        if content == now:
            return Drawing.SAME
        if not on_one_grid((data, there)):
            return Drawing.OTHER_GRID
        return Drawing.NEARLY if _one_map(content, now) else Drawing.OTHERWISE
    except (OSError, EOFError, ValueError, ArithmeticError):
        return Drawing.OTHERWISE  # it is no map of ours


def _one_picture(
    there: bytes, drawn: bytes, *, without_words_of: HeatmapKind | None = None
) -> bool:
    """Whether two JPEGs differ by no more than last bits of a map can change.

    With a kind, in what lies above the colour bar and the words, which another version may draw
    otherwise: by whole blocks of a JPEG, for a change shows in all of a block.
    """
    one, two = (cv2.imdecode(np.frombuffer(each, np.uint8), -1) for each in (there, drawn))
    if one is None or two is None or one.shape != two.shape:
        return False
    if without_words_of is not None:
        rows = one.shape[0] - footer_height(one.shape[1])
        rows -= rows % JPEG_BLOCK
        montage = without_words_of is HeatmapKind.MONTAGE
        seen = is_above_words(rows) if montage else np.ones(rows, bool)
        whole = np.repeat(seen.reshape(-1, JPEG_BLOCK).all(axis=1), JPEG_BLOCK)
        one, two = (each[:rows][whole] for each in (one, two))
        if one.size == 0:
            return False
    apart = np.abs(one.astype(np.int16) - two.astype(np.int16))
    return bool(apart.max() <= LEVELS_APART and apart.mean() <= MEAN_APART)


def _one_map(there: bytes, drawn: bytes) -> bool:
    """The same of two NIfTI files: values, and the scale in their headers."""
    one, two = (nib.Nifti1Image.from_bytes(each) for each in (there, drawn))
    values, others = np.asarray(one.dataobj), np.asarray(two.dataobj)
    reach = TOLERANCE * max(float(np.abs(others).max(initial=0)), 1e-6)
    scale, now = ([float(each.header[name]) for name in SCALE] for each in (one, two))
    return np.allclose(values, others, TOLERANCE, reach) and np.allclose(scale, now, TOLERANCE, 0)
