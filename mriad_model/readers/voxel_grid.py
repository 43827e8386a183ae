"""Voxels on a grid, looked at along the patient's axes."""

from typing import Any, TypeAlias, cast

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from mriad_model.readers.geometry import Affine

Voxels: TypeAlias = NDArray[Any]  # (Z, Y, X), one of volume.KEPT_TYPES


def canonical(voxels: Voxels, affine: Affine) -> Voxels:
    """A view of the voxels (Z, Y, X) along the patient's closest axes, (R, A, S)."""
    to_ras = cast("NDArray[np.float64]", orientations.io_orientation(affine))
    return cast("Voxels", orientations.apply_orientation(voxels.transpose(2, 1, 0), to_ras))


def canonical_affine(shape: tuple[int, int, int], affine: Affine) -> Affine:
    """The affine of `canonical` voxels, for a grid of `shape` (Z, Y, X)."""
    to_ras = orientations.io_orientation(affine)
    return np.asarray(affine @ orientations.inv_ornt_aff(to_ras, shape[::-1]), np.float64)
