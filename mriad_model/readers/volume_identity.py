"""What tells a volume: its voxels, and how far apart they lie.

Where the grid lies in the room is not part of it, nor how it is turned: the voxels are taken
along the patient's closest axes, so a mirrored head is another scan. A DICOM series and the
NIfTI file made of it are the same scan, though they store a spacing to other digits. So the
spacing is rounded, and a volume whose spacing lies near the edge of rounding answers to the
names on both sides of it: no two spacings within TOLERANCE of each other are ever parted.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import Any

import numpy as np

from mriad_model.readers.geometry import Affine, voxel_spacing
from mriad_model.readers.voxel_grid import Voxels, canonical, canonical_affine

STEP = 0.01  # mm; spacings of the same voxels that are further apart than this are two scans
TOLERANCE = 0.003  # mm; spacings within this of each other are one scan's


@dataclass(frozen=True, slots=True)
class Identity:
    """The name of a volume, and the other names that a record may hold it under."""

    sha256: str  # of shape, voxels and rounded spacing
    near: tuple[str, ...]  # with the spacing rounded to the other side, where it lies near an edge
    voxels_sha256: str  # of shape and voxels alone: the name in records of before
    spacing: tuple[float, float, float]  # mm, along R, A, S

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the likeliest first."""
        return (self.sha256, *self.near, self.voxels_sha256)

    def is_scan(self, sha256: str, grid: Mapping[str, Any]) -> bool:
        """Whether a scan of the record, by its name and its grid, is this volume.

        A record of before spacing was part of the name is taken at its geometry's word.
        """
        if sha256 == self.voxels_sha256:
            there = recorded_spacing(grid)
            return there is not None and same_spacing(there, self.spacing)
        return sha256 == self.sha256 or sha256 in self.near

    def recorded_as(self, sha256: str) -> "Identity":
        """The same volume under the name that the record has for it."""
        return replace(
            self,
            sha256=sha256,
            near=tuple(each for each in (self.sha256, *self.near) if each != sha256),
        )


def identity_of(voxels: Voxels, affine: Affine) -> Identity:
    """The identity of voxels (Z, Y, X): SHA-256 of shape, voxels as float32 in RAS order, spacing.

    The spacing comes last, so that all names are made in one pass over the voxels.
    """
    across = canonical(voxels, affine)  # (R, A, S)
    digest = hashlib.sha256(f"volume {across.shape}\n".encode())
    for plane in across.transpose(2, 1, 0):
        digest.update(np.ascontiguousarray(plane, "<f4").tobytes())
    spacing = _spacing(voxels.shape, affine)
    names = []
    for steps in itertools.product(*(_rounded(each) for each in spacing)):
        named = digest.copy()
        named.update("spacing {} {} {}\n".format(*steps).encode())
        names.append(named.hexdigest())
    return Identity(names[0], tuple(names[1:]), digest.hexdigest(), spacing)


def recorded_spacing(grid: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The spacing along R, A, S, mm, of a volume as the record describes its grid."""
    shape, affine = grid.get("shape"), grid.get("affine")
    if shape is None or affine is None:
        return None
    return _spacing(tuple(shape), np.array(affine, np.float64).reshape(4, 4))


def same_spacing(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two spacings, mm, can be one scan's."""
    return all(abs(a - b) <= STEP for a, b in zip(one, other, strict=True))


def _spacing(shape: tuple[int, ...], affine: Affine) -> tuple[float, float, float]:
    z, y, x = shape
    return voxel_spacing(canonical_affine((z, y, x), affine))


def _rounded(spacing: float) -> tuple[int, ...]:
    """In steps of STEP, rounded; and the other side's where an edge is near."""
    exact = spacing / STEP
    nearest = floor(exact + 0.5)
    off = exact - nearest  # -0.5 to 0.5: the edges lie at its ends
    if 0.5 - abs(off) > TOLERANCE / STEP:
        return (nearest,)
    return (nearest, nearest + (1 if off > 0 else -1))
