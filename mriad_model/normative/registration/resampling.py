"""Values of a stack at points of the frame, and of the frame at a stack's pixels; trilinear.

Outside a grid everything is 0. Sums are made in one fixed order, so that the same head gives the
same bits whatever the number of threads.
"""

import numpy as np
from scipy.ndimage import affine_transform

from mriad_model.normative.registration.frame import (
    FIRST,
    SHAPE,
    SPACING,
    Floats,
    Matrix,
    SliceStack,
)

FINER = 2  # the frame's pixels are each the mean of so many places a side: slices are finer


def to_voxels(stack: SliceStack) -> Matrix:
    """From mm of an even stack to its voxels, (3, 4)."""
    middle = (stack.images.shape[-1] - 1) / 2
    scale = np.diag([1 / stack.pixel, 1 / stack.pixel, 1 / stack.step])
    return np.hstack([scale, np.array([[middle], [middle], [0.0]])])


def from_voxels(finer: int = 1) -> Matrix:
    """From voxels of the frame, with its pixels cut so many times, to its mm, (3, 4)."""
    z, y, x = SPACING
    scale = np.diag([x / finer, y / finer, z])
    corner = (1 / finer - 1) / 2  # from the middle of a pixel to that of its first part
    first = np.array([[FIRST[2] + corner * x], [FIRST[1] + corner * y], [FIRST[0]]])
    return np.hstack([scale, first])


def chained(second: Matrix, first: Matrix) -> Matrix:
    """The matrix that does `first`, then `second`, (3, 4)."""
    turn: Matrix = np.einsum("ij,jk->ik", second[:, :3], first)
    turn[:, 3] += second[:, 3]
    return turn


def inverse(matrix: Matrix) -> Matrix:
    """The matrix that undoes another, (3, 4)."""
    turn = np.linalg.inv(matrix[:, :3])
    return np.hstack([turn, -np.einsum("ij,jk->ik", turn, matrix[:, 3:])])


def onto_frame(stack: SliceStack, matrix: Matrix) -> Floats:
    """An even stack in the frame, (52, 64, 64). `matrix` takes the frame's mm to the stack's."""
    planes, rows, columns = SHAPE
    fine = (planes, FINER * rows, FINER * columns)
    places = chained(to_voxels(stack), chained(matrix, from_voxels(FINER)))
    found = _transformed(stack.images, places, fine)
    parts = found.reshape(planes, rows, FINER, columns, FINER)
    return np.asarray(parts.mean((2, 4)), np.float32)


def off_frame(values: Floats, stack: SliceStack, matrix: Matrix) -> Floats:
    """Values (52, 64, 64) of the frame at a stack's pixels, (N, S, S); 0 outside the frame.

    The stack's slices may lie unevenly.
    """
    size = stack.images.shape[-1]
    back = chained(inverse(from_voxels()), inverse(matrix))
    middle = (size - 1) / 2
    found = np.empty(stack.images.shape, np.float32)
    for place, height in enumerate(stack.heights):
        shift = np.array([[-middle * stack.pixel], [-middle * stack.pixel], [float(height)]])
        to_mm = np.hstack([np.diag([stack.pixel, stack.pixel, 1.0]), shift])
        found[place] = _transformed(values, chained(back, to_mm), (1, size, size))[0]
    return found


def _transformed(values: Floats, matrix: Matrix, shape: tuple[int, int, int]) -> Floats:
    """Values (Z, Y, X) at the places that `matrix` takes voxels (x, y, z) of `shape` to."""
    turn, shift = matrix[::-1, 2::-1], matrix[::-1, 3]  # from (x, y, z) to the arrays' (z, y, x)
    return np.asarray(
        affine_transform(values, turn, shift, shape, order=1, mode="grid-constant"), np.float32
    )


class Sampler:
    """Values of several channels, (Z, Y, X, C), at any places."""

    def __init__(self, values: Floats) -> None:
        padded = np.pad(values, ((1, 1), (1, 1), (1, 1), (0, 0)))  # what lies outside is 0
        self._shape = padded.shape[:3]
        self._rows = np.ascontiguousarray(padded.reshape(-1, values.shape[-1]), np.float32)

    def at(self, points: Floats, matrix: Matrix) -> Floats:
        """The values at points (n, 3), (x, y, z), once `matrix` takes them to voxels: (n, C)."""
        depth, height, width = self._shape
        whole, part = [], []
        for row, n in zip(matrix, (width, height, depth), strict=True):
            place = points[:, 0] * row[0] + points[:, 1] * row[1] + points[:, 2] * row[2]
            place = np.clip(place + (row[3] + 1), 0, n - 1.0001).astype(np.float32)
            low = place.astype(np.int32)
            whole.append(low)
            part.append((place - low)[:, None])
        x, y, z = whole
        corner = (z * height + y) * width + x
        right, down, up = part
        step_y, step_z = width, width * height

        def across(start: int) -> Floats:
            first = self._rows[corner + start]
            return np.asarray(first + right * (self._rows[corner + (start + 1)] - first))

        def plane(start: int) -> Floats:
            first = across(start)
            return np.asarray(first + down * (across(start + step_y) - first))

        below = plane(0)
        return np.asarray(below + up * (plane(step_z) - below), np.float32)
