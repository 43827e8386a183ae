"""Where voxels lie in the patient. Millimetres; affines are 4x4 float64, RAS+ as in NIfTI.

DICOM (PS3.3, C.7.6.2.1.1) counts towards the patient's Left, Posterior and Head; NIfTI-1 towards
Right, Anterior and Superior. An affine takes (column, row, slice, 1) of a grid to RAS.
"""

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from mriad_model.enums import RejectionReason
from mriad_model.readers.volume.checks import require

Affine: TypeAlias = NDArray[np.float64]
Vector: TypeAlias = NDArray[np.float64]
Voxels: TypeAlias = NDArray[Any]  # (Z, Y, X), one of volumes.KEPT_TYPES

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
UNIT_TOLERANCE = 1e-2  # of direction cosines: length, and cosine of the angle between them
SHEAR_TOLERANCE = 1e-2  # in-plane drift of the slices, as a share of the way along the normal
GAP_TOLERANCE = 0.05  # of the slice spacing
ROUNDED = 0.1  # mm; coarser than that no maker rounds positions
LARGEST_SPACING = 100.0  # mm
FIELD = (10.0, 4000.0)  # mm, of a grid's longest side; beyond lie spacings in another unit
SMALLEST_SPACING = 1e-3  # mm


def require_orientation(orientation: Sequence[float]) -> None:
    """Reject direction cosines (row x, y, z, column x, y, z) that span no right-angled plane."""
    row, column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    sound = np.abs(lengths - 1).max() <= UNIT_TOLERANCE and abs(row @ column) <= UNIT_TOLERANCE
    require(bool(sound), RejectionReason.BAD_GEOMETRY, "image orientation is no right angle")


def require_spacing(spacing: Sequence[float]) -> None:
    """Reject distances between voxels that no scanner makes."""
    sound = all(SMALLEST_SPACING <= each <= LARGEST_SPACING for each in spacing)
    require(sound, RejectionReason.BAD_GEOMETRY, "voxel spacing out of range")


def require_field(shape: Sequence[int], affine: Affine) -> None:
    """Reject a grid (Z, Y, X) that is too small or too large for any scanner's field of view."""
    sides = [n * each for n, each in zip(reversed(shape), voxel_spacing(affine), strict=True)]
    detail = f"a field of view of {max(sides):.3g} mm; see to its spacing and units"
    require(FIELD[0] <= max(sides) <= FIELD[1], RejectionReason.BAD_GEOMETRY, detail)


def slice_normal(orientation: Sequence[float]) -> Vector:
    """The unit normal (3,) of a slice, LPS."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(normal / np.linalg.norm(normal), np.float64)


def mean_step(positions: NDArray[np.float64]) -> float:
    """From slice to slice, mm, of positions in order, (N, 3); 0 of a single one."""
    return float(np.linalg.norm(positions[-1] - positions[0])) / max(1, len(positions) - 1)


def require_even_stack(positions: NDArray[np.float64], normal: Vector) -> None:
    """Reject slices that are no stack: shared positions, gaps, or a drift along the slices.

    `positions`, (N, 3), are those of first voxels, sorted along the unit `normal` (3,).
    """
    heights = positions @ normal
    steps = np.diff(heights)
    step = float(np.median(steps))
    shared = int(np.count_nonzero(steps <= max(GAP_TOLERANCE * step, SMALLEST_SPACING)))
    detail = f"{shared + 1} or more of {len(positions)} slices share a position"
    require(shared == 0, RejectionReason.SHARED_POSITIONS, detail)
    off = np.abs(steps - step)
    slack = _rounding(positions, normal)
    if slack > 0:
        mean = float(heights[-1] - heights[0]) / (len(positions) - 1)
        off = np.minimum(off, np.maximum(np.abs(steps - mean) - slack, 0))
    worst = int(off.argmax())
    detail = (
        f"slices {worst + 1} and {worst + 2} of {len(positions)} are {steps[worst]:.3g} mm apart, "
        f"most others {step:.3g} mm"
    )
    require(bool(off[worst] <= GAP_TOLERANCE * step), RejectionReason.GAP, detail)
    drift = positions - positions[0] - np.outer(heights - heights[0], normal)  # (N, 3), in plane
    allowed = SHEAR_TOLERANCE * (heights - heights[0]) + GAP_TOLERANCE * step + slack
    upright = bool((np.linalg.norm(drift, axis=1) <= allowed).all())
    detail = "slices are sheared: each is shifted within its plane"
    require(upright, RejectionReason.BAD_GEOMETRY, detail)


def _rounding(positions: NDArray[np.float64], normal: Vector) -> float:
    """How far two positions may be off along the normal, mm, where all are whole tenths of one."""
    tenths = positions / ROUNDED
    rounded = bool((np.abs(tenths - np.rint(tenths)) <= SMALLEST_SPACING).all())
    return ROUNDED * float(np.abs(normal).sum()) if rounded else 0.0


def stack_affine(
    positions: NDArray[np.float64], orientation: Sequence[float], spacing: Sequence[float]
) -> Affine:
    """The affine of slices in order, N >= 2, from where their first voxels lie, (N, 3) LPS.

    `orientation` is ImageOrientationPatient, `spacing` PixelSpacing (between rows, columns).
    """
    between_rows, between_columns = spacing
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(orientation[:3]) * between_columns
    affine[:3, 1] = np.asarray(orientation[3:]) * between_rows
    affine[:3, 2] = (positions[-1] - positions[0]) / (len(positions) - 1)
    affine[:3, 3] = positions[0]
    return LPS_TO_RAS @ affine


def voxel_spacing(affine: Affine) -> tuple[float, float, float]:
    """Distances between columns, rows and slices, mm."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def require_affine(affine: Affine) -> None:
    """Reject an affine that is not finite, is singular, sheared or of impossible spacing."""
    reason = RejectionReason.BAD_GEOMETRY
    require(bool(np.isfinite(affine).all()), reason, "affine is not finite")
    spacing = np.asarray(voxel_spacing(affine))
    require(bool((spacing > 0).all()), reason, "affine is singular")
    axes = affine[:3, :3] / spacing
    cosines = [abs(float(axes[:, a] @ axes[:, b])) for a, b in itertools.combinations(range(3), 2)]
    volume = abs(float(np.linalg.det(axes)))
    require(volume > UNIT_TOLERANCE, reason, "affine is singular")
    require(max(cosines) <= UNIT_TOLERANCE, reason, "affine is sheared")
    require_spacing(spacing.tolist())


def canonical(voxels: Voxels, affine: Affine) -> Voxels:
    """A view of the voxels (Z, Y, X) along the patient's closest axes, (R, A, S)."""
    to_ras = cast("NDArray[np.float64]", orientations.io_orientation(affine))
    return cast("Voxels", orientations.apply_orientation(voxels.transpose(2, 1, 0), to_ras))


def canonical_affine(shape: tuple[int, int, int], affine: Affine) -> Affine:
    """The affine of `canonical` voxels, for a grid of `shape` (Z, Y, X)."""
    to_ras = orientations.io_orientation(affine)
    return np.asarray(affine @ orientations.inv_ornt_aff(to_ras, shape[::-1]), np.float64)
