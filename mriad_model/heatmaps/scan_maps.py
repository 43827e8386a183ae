"""The map files of a scan: one of a picture, two of a volume."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.model import FittedModel
from mriad_model.detection.scan_scores import ScanScores
from mriad_model.enums import HeatmapKind
from mriad_model.heatmaps.captions import NOT_SCORABLE, SCORE
from mriad_model.heatmaps.montage import montage_picture
from mriad_model.heatmaps.overlay import SUFFIX, ColourScale, encode, overlay
from mriad_model.heatmaps.volume_map import anomaly_volume, nifti_map
from mriad_model.preprocessing.slices import PreparedScan, restore
from mriad_model.preprocessing.slicing import native_slices
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.scan_types import ReadScan

NIFTI_SUFFIX = ".nii.gz"


@dataclass(frozen=True, slots=True)
class MapFile:
    """One file, not yet written."""

    kind: HeatmapKind
    suffix: str  # of its name
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class ScanMaps:
    """All files of one scan."""

    files: tuple[MapFile, ...]  # the picture first
    anomaly: NDArray[np.float32] | None = None  # (Z, Y, X) on a volume's own grid


def draw_maps(
    scan: ReadScan, prepared: PreparedScan, scored: ScanScores, fitted: FittedModel, model_id: int
) -> ScanMaps:
    """Draw a scan's maps on the model's colour scale, without a verdict: a score has none.

    Of a scan that is not like what was learned, the maps are empty, without a colour bar, and the
    caption says so.
    """
    if scored.not_scorable:
        scored = replace(scored, maps=np.zeros_like(scored.maps))
    scale = ColourScale(fitted.colour_low, fitted.colour_high)
    if isinstance(scan, ImageScan):
        laid = restore(scored.maps[0], prepared.placements[0])
        barred = not scored.not_scorable
        caption = f"{NOT_SCORABLE}, model {model_id}"
        if barred:
            caption = SCORE.format(score=scored.score, model=model_id)
        data = encode(overlay(scan.pixels, laid, scale, caption, barred=barred))
        return ScanMaps((MapFile(HeatmapKind.SLICE, SUFFIX, data),))
    plane = fitted.recipe.scans.plane
    anomaly = anomaly_volume(scored, prepared, scan, plane)
    native = native_slices(scan, plane, prepared.grey)
    sheet = montage_picture(scored, prepared, native, fitted, model_id)
    what = NOT_SCORABLE if scored.not_scorable else f"score {scored.score:.4g}"
    about = f"mriad anomaly map, {what}, model {model_id}"
    files = (
        MapFile(HeatmapKind.MONTAGE, SUFFIX, sheet),
        MapFile(HeatmapKind.VOLUME, NIFTI_SUFFIX, nifti_map(anomaly, scan, scale, about)),
    )
    return ScanMaps(files, anomaly)
