"""The frame that every head is brought into, and a head's slices as a stack in millimetres.

Both have axes as axial slices hang: planes from foot to head, rows from front to back, columns
from the patient's right to the left. Points are (x, y, z) along columns, rows and planes.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]  # (3, 4): takes (x, y, z, 1), mm, to another grid's (x, y, z), mm

SHAPE: Final = (52, 64, 64)  # planes, rows, columns
SPACING: Final = (3.0, 3.5, 3.5)  # mm
# mm, of the first voxel's middle. The origin is near the anterior commissure, x = 0 the midline.
FIRST: Final = (-66.5, 4.0 - 3.5 * 31.5, -3.5 * 31.5)
VOXEL_ML: Final = 3.0 * 3.5 * 3.5 / 1000

FINEST = 1.6  # mm between slices; where they lie closer, several make one
THINNED = 2.0  # mm between those


@dataclass(frozen=True, slots=True, eq=False)
class SliceStack:
    """The axial slices of one head. The stack's middle pixel and lowest slice are at 0 mm."""

    images: Floats  # (N, S, S) in [0, 1], the lowest first
    pixel: float  # mm a side
    heights: Matrix  # (N,) mm above the lowest slice, rising

    @property
    def step(self) -> float:
        """Distance between slices, mm; where they lie unevenly, the usual one."""
        return float(np.median(np.diff(self.heights))) if len(self.heights) > 1 else SPACING[0]


@lru_cache(maxsize=8)
def frame_points(step: tuple[int, int, int] = (1, 1, 1)) -> Floats:
    """Where the frame's voxels lie, every so many planes, rows and columns: (n, 3) mm."""
    z, y, x = (
        np.arange(0, n, every) * spacing + first
        for n, every, spacing, first in zip(SHAPE, step, SPACING, FIRST, strict=True)
    )
    grid = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], -1)
    points = grid.reshape(-1, 3).astype(np.float32)
    points.flags.writeable = False  # shared by all who ask
    return points


def evened(stack: SliceStack) -> SliceStack:
    """The stack with its slices evenly apart, those closer than `FINEST` averaged.

    Slices that lie evenly, and no closer, stay as they are.
    """
    step = stack.step if stack.step >= FINEST else THINNED
    gaps = np.diff(stack.heights)
    if step == stack.step and (len(gaps) == 0 or np.ptp(gaps) < 0.01 * step):
        return stack
    heights = np.arange(0.0, float(stack.heights[-1]) + 0.5 * step, step)
    reach = max(step, float(gaps.max()))
    weights = np.maximum(1 - np.abs(heights[:, None] - stack.heights[None]) / reach, 0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    images = np.zeros((len(heights), *stack.images.shape[1:]), np.float32)
    for place, row in enumerate(weights):
        for near in np.flatnonzero(row):
            images[place] += row[near] * stack.images[near]
    return SliceStack(images, stack.pixel, heights)
