"""The identity of a volume: its voxels, and the distances between them.

Position and rotation of the grid are no part of it: the voxels are taken along the patient's
closest axes, so a mirrored head is another scan. A DICOM series and the NIfTI file made of it are
the same scan, though they store a spacing to other digits. So the spacing is rounded, and one near
the edge of rounding has the names on both sides: spacings within TOLERANCE of each other are never
parted.
"""

import hashlib
import itertools
from dataclasses import dataclass
from math import floor

import numpy as np

from mriad_model.readers.volume.geometry import (
    Affine,
    Voxels,
    canonical,
    canonical_affine,
    voxel_spacing,
)

STEP = 0.01  # mm; spacings of the same voxels that are further apart than this are two scans
TOLERANCE = 0.003  # mm; spacings within this of each other are one scan's


@dataclass(frozen=True, slots=True)
class Identity:
    """The name of a volume, and the other names that a record may hold it under."""

    sha256: str  # of shape, voxels and rounded spacing
    near: tuple[str, ...]  # with the spacing rounded to the other side, where it lies near an edge

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the likeliest first."""
        return (self.sha256, *self.near)

    def recorded_as(self, sha256: str) -> "Identity":
        """The same volume under the name that the record has for it."""
        return Identity(sha256, tuple(each for each in self.names if each != sha256))


def identity_of(voxels: Voxels, affine: Affine) -> Identity:
    """SHA-256 of shape, voxels (Z, Y, X) as float32 in RAS order, and (last) rounded spacings."""
    across = canonical(voxels, affine)  # (R, A, S)
    digest = hashlib.sha256(f"volume {across.shape}\n".encode())
    for plane in across.transpose(2, 1, 0):
        digest.update(np.ascontiguousarray(plane, "<f4").tobytes())
    z, y, x = voxels.shape
    spacing = voxel_spacing(canonical_affine((z, y, x), affine))
    names = []
    for steps in itertools.product(*(_rounded(each) for each in spacing)):
        named = digest.copy()
        named.update("spacing {} {} {}\n".format(*steps).encode())
        names.append(named.hexdigest())
    return Identity(names[0], tuple(names[1:]))


def _rounded(spacing: float) -> tuple[int, ...]:
    """In steps of STEP, rounded; and the other side's where an edge is near."""
    exact = spacing / STEP
    nearest = floor(exact + 0.5)
    off = exact - nearest  # -0.5 to 0.5: the edges lie at its ends
    if 0.5 - abs(off) > TOLERANCE / STEP:
        return (nearest,)
    return (nearest, nearest + (1 if off > 0 else -1))
