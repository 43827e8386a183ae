"""The findings in a scan: parts of its map, with their size, their side and where they lie.

They are computed on the map's own slices, so a series and a NIfTI file made of it have the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.findings import (
    FindingLimits,
    MapPart,
    counts_of,
    map_parts,
    rises_above,
)
from mriad_model.detection.scan_scores import ScanScores
from mriad_model.enums import Side
from mriad_model.normative.registration.poses import placed_heads
from mriad_model.normative.registration.resampling import inverse
from mriad_model.preprocessing.slices import PreparedScan, shrunk
from mriad_model.preprocessing.slicing import ras_of
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.scan_types import ReadScan
from mriad_model.recipes.recipe import Plane

MIDLINE_MM, MIDLINE_SHARE = 3.5, 0.02  # of it, and of a picture's square: neither left nor right


@dataclass(frozen=True, slots=True, eq=False)
class ScanFinding:
    """One finding."""

    size: float  # millilitres; of a picture, share of the head
    peak: float  # the map's largest value in it
    # Of that value: RAS mm of the source, so x < 0 is the patient's left; of a picture, column,
    # row and 0
    place: tuple[float, float, float]
    side: Side | None  # of the patient, of a picture as it is seen; None: in sagittal slices
    part: MapPart  # where it is on the map's slices


def findings_of(
    scan: ReadScan,
    prepared: PreparedScan,
    scored: ScanScores,
    plane: Plane,
    limits: FindingLimits,
) -> tuple[ScanFinding, ...]:
    """The findings in a scan, the highest peak first."""
    if not rises_above(scored.maps, limits.peak):
        return ()
    parts = map_parts(dense_map(prepared, scored), voxel_size(prepared, scored), limits)
    return tuple(
        ScanFinding(
            part.size,
            part.peak,
            _place(scan, prepared, scored, plane, part),
            _side(prepared, scored, plane, part),
            part,
        )
        for part in parts
    )


def finding_counts(
    prepared: PreparedScan, scored: ScanScores, least: float, peaks: NDArray[np.float64]
) -> NDArray[np.intp]:
    """How many findings a scan has under each of the higher limits, (n,)."""
    return counts_of(dense_map(prepared, scored), voxel_size(prepared, scored), least, peaks)


def dense_map(prepared: PreparedScan, scored: ScanScores) -> NDArray[np.float32]:
    """The scan's map with a plane for each slice from the first judged to the last, (Z, S, S)."""
    first, last = prepared.positions[0], prepared.positions[-1]
    if last - first + 1 == len(scored.maps):
        return scored.maps
    dense = np.zeros((last - first + 1, *scored.maps.shape[1:]), np.float32)
    dense[np.array(prepared.positions) - first] = scored.maps
    return dense


def voxel_size(prepared: PreparedScan, scored: ScanScores) -> float:
    """Millilitres of one pixel of the map and one slice; of a picture, its share of the head."""
    size = scored.maps.shape[-1]
    if prepared.pixel is None:
        return 1 / max(1, int(np.count_nonzero(shrunk(prepared.batch, size).masks)))
    side = prepared.placements[0].box_height * prepared.pixel / size
    return float(side * side * prepared.spacing / 1000)


def _place(
    scan: ReadScan, prepared: PreparedScan, scored: ScanScores, plane: Plane, part: MapPart
) -> tuple[float, float, float]:
    _, row, column = part.place
    box, size = prepared.placements[0], scored.maps.shape[-1]
    y = box.box_top + (row + 0.5) * box.box_height / size - 0.5
    x = box.box_left + (column + 0.5) * box.box_width / size - 0.5
    if isinstance(scan, ImageScan):
        return round(x, 1), round(y, 1), 0.0
    position = prepared.positions[0] + part.place[0]
    right, front, up = ras_of(scan, plane, (box.height, box.width), (position, y, x))
    return round(right, 1), round(front, 1), round(up, 1)


def _side(prepared: PreparedScan, scored: ScanScores, plane: Plane, part: MapPart) -> Side | None:
    """By the midline of the mean head where the head is registered, else by the head's middle."""
    if plane is Plane.SAGITTAL:
        return None
    depth, row, column = part.place
    size = scored.maps.shape[-1]
    across, down = ((each + 0.5) / size - 0.5 for each in (column, row))
    if prepared.pixel is None:
        return _side_of(-across, MIDLINE_SHARE)
    side = prepared.placements[0].box_width * prepared.pixel
    if prepared.batch.poses is None:
        return _side_of(across * side, MIDLINE_MM)
    head = next(iter(placed_heads(prepared.batch.images, prepared.batch.poses)))
    there = np.array([across * side, down * side, depth * prepared.spacing, 1.0])
    left = inverse(head.registration.matrix)[0] @ there
    return _side_of(float(left), MIDLINE_MM)


def _side_of(left: float, midline: float) -> Side:
    """Columns run to the patient's left, as slices hang; a picture's run to its right."""
    if abs(left) <= midline:
        return Side.MIDLINE
    return Side.LEFT if left > 0 else Side.RIGHT
