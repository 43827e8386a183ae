"""Anomaly maps against lesion masks, scan by scan, on the scan's own grid.

Findings are those that users see: by `detection.findings`, within limits drawn through the
calibration scans as a training draws them. A lesion is found where findings cover a tenth of it
or more (overlap, as van Hespen 2021); parts of the mask within about 10 mm (of a picture, 4 pixels)
are one, for an infarct often falls apart. A scan is found where findings cover a tenth of all its
lesions. A false finding touches no lesion.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mriad_model.detection.findings import FindingLimits, MapPart, map_parts
from mriad_model.detection.scan_findings import dense_map, voxel_size
from mriad_model.detection.scan_scores import ScanScores
from mriad_model.enums import ScanKind
from mriad_model.evaluation.dataset import EvaluationData, Grid
from mriad_model.preprocessing.slices import PreparedScan, restore
from mriad_model.preprocessing.slicing import areas_across, onto_volume
from mriad_model.readers.volume.geometry import voxel_spacing
from mriad_model.readers.volume.volume_identity import identity_of
from mriad_model.readers.volume.volumes import Origin, Volume
from mriad_model.recipes.recipe import Plane

LEAST_LESION_ML = 0.15  # smaller parts of a mask are specks
LEAST_LESION_SHARE = 0.001  # of a picture's head
COVERED = 0.1  # of a lesion
NEAR_MM = 5.0  # by which parts of a mask grow towards each other
NEAR_PIXELS = 2
HALF = 0.5  # of a voxel that a finding covers, at least, to be of it
CODES = 2**16

Mask = NDArray[np.bool_]
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LesionFinding:
    """One lesion, and whether it was found."""

    size: float  # ml; of a picture, percent of the head
    at_threshold: bool  # in a scan whose score is above the threshold
    at_one_false: bool  # in any scan


@dataclass(frozen=True, slots=True)
class ScanMeasures:
    """One scan's findings against its mask; of a healthy scan, its false findings alone.

    `at_threshold` are findings of scans whose score is above the threshold, `at_one_false` those of
    any: their limits leave a calibration scan one finding or fewer on average.
    """

    item: int
    group: int
    false_at_threshold: int
    false_at_one_false: int
    found_at_threshold: bool = False
    found_at_one_false: bool = False
    dice: float | None = None  # of all findings together
    lesions: tuple[LesionFinding, ...] = ()
    codes: bytes = b""  # (K,) uint16: map values that occur, see `codes_of`
    counts: bytes = b""  # (2, K) uint32: how many voxels outside and inside the mask have each


@dataclass(frozen=True, slots=True)
class FoldLesions:
    """What one fold's maps say of the scans that it decides."""

    unit: str  # of sizes
    threshold: float  # of the score
    limits: FindingLimits
    healthy: tuple[ScanMeasures, ...]
    abnormal: tuple[ScanMeasures, ...]  # those with a mask
    sizes: tuple[tuple[int, float], ...]  # (scan, all its lesions) of all tested scans with a mask


def measure_lesions(
    data: EvaluationData,
    scored: Mapping[int, ScanScores],
    plane: Plane,
    parts: tuple[Sequence[int], Sequence[int], Sequence[int]],
    threshold: float,
    limits: Callable[[], FindingLimits],
    not_scorable: AbstractSet[int] = frozenset(),
) -> FoldLesions | None:
    """Measure one fold, or None where no scan that it tests has a mask.

    Args:
        data: all scans.
        scored: position -> the model's results for the scan.
        plane: across which volumes are cut.
        parts: positions of healthy test scans, abnormal test scans, and those abnormal ones that
            the fold decides.
        threshold: of the score.
        limits: draws the limits of findings, of calibration scans.
        not_scorable: positions of scans that the fold does not judge.
    """
    test, abnormal, decided = parts
    masks = {i: mask for i in abnormal if (mask := data.lesion(i)) is not None and mask.any()}
    if not masks:
        return None
    within = limits()

    def found(item: int) -> tuple[MapPart, ...]:
        if item in not_scorable:
            return ()  # no output shows findings of it
        scan = data.scans[item]
        return map_parts(dense_map(scan, scored[item]), voxel_size(scan, scored[item]), within)

    healthy = []
    for i in test:
        n = len(found(i))
        flagged = scored[i].score > threshold
        healthy.append(ScanMeasures(i, data.groups[i], n if flagged else 0, n))
    measured = []
    for i in (each for each in decided if each in masks):
        laid = [native_part(part, data.scans[i], data.grids[i], plane) for part in found(i)]
        anomaly = native_map(scored[i], data.scans[i], data.grids[i], plane)
        flagged = scored[i].score > threshold
        measured.append(_measured(data, i, anomaly, masks[i], laid, flagged=flagged))
    sizes = tuple((i, float(mask.sum()) * _unit(data, i)) for i, mask in masks.items())
    first = data.grids[next(iter(masks))]
    unit = "ml" if first.voxel_ml is not None else "% of the head"
    return FoldLesions(unit, threshold, within, tuple(healthy), tuple(measured), sizes)


def lesion_slice(data: EvaluationData, item: int, plane: Plane) -> int | None:
    """The slice, of those that are judged, in which a scan's lesions are largest.

    Its place among them; None where no mask is given, or no lesion is in any.
    """
    mask, grid = data.lesion(item), data.grids[item]
    if mask is None:
        return None
    if grid.affine is None:
        return 0
    affine = np.array(grid.affine, np.float64).reshape(4, 4)
    areas = areas_across(mask, affine, plane)[list(data.scans[item].positions)]
    return int(areas.argmax()) if areas.any() else None


def native_part(part: MapPart, prepared: PreparedScan, grid: Grid, plane: Plane) -> Mask:
    """Where a finding is on the scan's own grid."""
    first, placed = (
        prepared.positions[0],
        dict(zip(prepared.positions, prepared.placements, strict=True)),
    )
    laid = {
        first + depth: restore(part.mask[depth].astype(np.float32), placed[first + depth])
        for depth in np.flatnonzero(part.mask.any(axis=(1, 2))).tolist()
    }
    return _on_grid(laid, grid, plane) >= HALF


def native_map(scored: ScanScores, prepared: PreparedScan, grid: Grid, plane: Plane) -> Map:
    """A scan's map on the scan's own grid; 0 where nothing was scored."""
    laid = [
        restore(each, placement)
        for each, placement in zip(scored.maps, prepared.placements, strict=True)
    ]
    return _on_grid(dict(zip(scored.positions, laid, strict=True)), grid, plane)


def _on_grid(laid: dict[int, Map], grid: Grid, plane: Plane) -> Map:
    """Slices by position on the scan's own grid; 0 elsewhere."""
    if grid.affine is None:
        return laid[0]
    blank = np.broadcast_to(np.uint8(0), grid.shape)
    affine = np.array(grid.affine, np.float64).reshape(4, 4)
    volume = Volume(blank, affine, Origin(ScanKind.NIFTI), identity_of(blank[:1, :1, :1], affine))
    return onto_volume(laid, volume, plane)


def codes_of(values: Map) -> NDArray[np.uint16]:
    """Map values as 16-bit numbers in the same order; values within 0.8 % may share one."""
    bits = np.ascontiguousarray(values + np.float32(0), np.float32).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
    return (ordered >> 16).astype(np.uint16)


def dice(found: Mask, truth: Mask) -> float:
    """Overlap of two masks of which one at least is not empty, 0 to 1 (Dice 1945)."""
    return float(2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()))


def least_voxels(data: EvaluationData, item: int) -> int:
    """How many voxels of a scan a lesion has at least."""
    ml = data.grids[item].voxel_ml
    if ml is not None:
        return max(1, math.ceil(LEAST_LESION_ML / ml))
    return max(1, math.ceil(LEAST_LESION_SHARE * _head_pixels(data, item)))


def lesions_of(mask: Mask, grid: Grid, least: int) -> tuple[NDArray[np.integer], list[int]]:
    """The lesions of a mask: labels on its grid, and those of `least` voxels or more.

    Specks alone are one lesion together.
    """
    grown = NEAR_PIXELS
    if grid.affine is not None:
        sides = voxel_spacing(np.array(grid.affine, np.float64).reshape(4, 4))
        grown = max(1, round(NEAR_MM / min(sides)))
    around = np.ones((3,) * mask.ndim, bool)
    near = ndimage.binary_dilation(mask, around, iterations=grown)
    labels, _ = ndimage.label(near, around)
    labels = np.where(mask, labels, 0).astype(np.int32)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = np.flatnonzero(sizes >= least).tolist()
    return (labels, kept) if kept else (mask.astype(np.int32), [1])


def _measured(
    data: EvaluationData,
    item: int,
    anomaly: Map,
    mask: Mask,
    found: Sequence[Mask],
    *,
    flagged: bool,
) -> ScanMeasures:
    """An abnormal scan, by its findings on its own grid."""
    least, unit = least_voxels(data, item), _unit(data, item)
    lesions, kept = lesions_of(mask, data.grids[item], least)
    sizes = np.bincount(lesions.ravel(), minlength=max(kept) + 1)
    together = np.logical_or.reduce(found) if found else np.zeros(mask.shape, np.bool_)
    covered = np.bincount(lesions[together], minlength=len(sizes))
    whole = bool((together & mask).sum() >= COVERED * mask.sum())
    hits = [bool(covered[each] >= COVERED * sizes[each]) for each in kept]
    false = sum(not (part & mask).any() for part in found)
    histogram = np.stack(
        [np.bincount(codes_of(anomaly[where]), minlength=CODES) for where in (~mask, mask)]
    )
    codes = np.flatnonzero(histogram.any(axis=0))
    return ScanMeasures(
        item,
        data.groups[item],
        false_at_threshold=false if flagged else 0,
        false_at_one_false=false,
        found_at_threshold=whole and flagged,
        found_at_one_false=whole,
        dice=dice(together, mask),
        lesions=tuple(
            LesionFinding(float(sizes[each]) * unit, hit and flagged, hit)
            for each, hit in zip(kept, hits, strict=True)
        ),
        codes=codes.astype("<u2").tobytes(),
        counts=histogram[:, codes].astype("<u4").tobytes(),
    )


def _unit(data: EvaluationData, item: int) -> float:
    """What a voxel counts: ml, or percent of a picture's head."""
    ml = data.grids[item].voxel_ml
    return ml if ml is not None else 100.0 / _head_pixels(data, item)


def _head_pixels(data: EvaluationData, item: int) -> float:
    """The pixels of a picture's head, on its own grid."""
    scan = data.scans[item]
    box = scan.placements[0]
    return float(scan.batch.masks[0].mean()) * box.box_height * box.box_width


def restored(
    fields: Mapping[str, Any] | None, decode: Callable[[str], bytes]
) -> FoldLesions | None:
    """From the fields of its JSON form."""
    if fields is None:
        return None
    scans = {
        name: tuple(
            ScanMeasures(
                **each
                | {
                    "lesions": tuple(LesionFinding(**lesion) for lesion in each["lesions"]),
                    "codes": decode(each["codes"]),
                    "counts": decode(each["counts"]),
                }
            )
            for each in fields[name]
        )
        for name in ("healthy", "abnormal")
    }
    sizes = tuple((int(item), float(size)) for item, size in fields["sizes"])
    limits = FindingLimits(**fields["limits"])
    return FoldLesions(**{**fields, **scans, "sizes": sizes, "limits": limits})
