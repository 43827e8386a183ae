"""Smooth random fields in three dimensions, and the plane grids they are sampled on.

A field is a sum of plane waves with random directions and phases (Shinozuka & Deodatis 1991,
"Simulation of stochastic processes by spectral representation"), so it can be evaluated at any
point without a lattice: a plane of a head and the same plane of its volume agree exactly. On a
plane grid a wave separates into a row and a column factor, which makes a field one small matrix
product. Lengths are in mm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Points = tuple[Array, Array, Array]
_SMALL_PRODUCT = 2**17  # multiplications; OpenBLAS starts threads above 2**18


@dataclass(frozen=True, slots=True)
class PlaneGrid:
    """Sample points of one plane in head coordinates: origin + row * down + column * across."""

    origin: NDArray[np.float64]  # (3,) mm
    down: NDArray[np.float64]  # (3,) mm a row
    across: NDArray[np.float64]  # (3,) mm a column
    shape: tuple[int, int]

    def points(self) -> Points:
        """x, y, z of every sample, each (H, W) float32."""
        rows = np.arange(self.shape[0])[:, None]
        columns = np.arange(self.shape[1])[None, :]
        x, y, z = (
            (self.origin[axis] + rows * self.down[axis] + columns * self.across[axis]).astype(
                np.float32
            )
            for axis in range(3)
        )
        return x, y, z


@dataclass(frozen=True, slots=True)
class Section:
    """A plane through a head: its grid, and where its points lie once the head is warped, mm.

    `bend` is a smaller and quicker displacement, for structures that meander. Each is (H, W).
    """

    grid: PlaneGrid
    points: Points
    bend: Points

    def bent(self, share: float) -> Points:
        """The points, moved by a share of the bend."""
        x, y, z = (p + np.float32(share) * b for p, b in zip(self.points, self.bend, strict=True))
        return x, y, z


@dataclass(frozen=True, slots=True)
class WaveField:
    """A zero-mean, unit-variance Gaussian-like field: sum of amplitude * cos(k . p + phase)."""

    wavevectors: NDArray[np.float64]  # (M, 3) radians a mm
    phases: NDArray[np.float64]  # (M,)

    @property
    def amplitude(self) -> float:
        """Of every wave, so that the variance is one."""
        return float(np.sqrt(2.0 / len(self.phases)))

    def on(self, grid: PlaneGrid) -> Array:
        """The field on a plane, (H, W) float32.

        In strips too small for the linear algebra library to share among threads: they would cost
        more than they give, and sums must not hang on their number.
        """
        height, width = grid.shape
        start = self.wavevectors @ grid.origin + self.phases  # (M,)
        row_phase = start + np.arange(height)[:, None] * (self.wavevectors @ grid.down)  # (H, M)
        column_phase = np.arange(width)[:, None] * (self.wavevectors @ grid.across)  # (W, M)
        # cos(r + c) = cos r cos c - sin r sin c
        rows = np.hstack([np.cos(row_phase), -np.sin(row_phase)]).astype(np.float32)
        columns = np.hstack([np.cos(column_phase), np.sin(column_phase)]).T * self.amplitude
        columns = columns.astype(np.float32)
        field = np.empty(grid.shape, np.float32)
        strip = max(1, _SMALL_PRODUCT // columns.size)
        for top in range(0, height, strip):
            np.matmul(rows[top : top + strip], columns, out=field[top : top + strip])
        return field


def wave_field(
    rng: np.random.Generator, wavelength: float, n_waves: int = 24, spread: float = 0.25
) -> WaveField:
    """An isotropic field whose waves are `wavelength` mm long, give or take the spread."""
    directions = rng.normal(size=(n_waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    numbers = 2 * np.pi / (wavelength * rng.uniform(1 - spread, 1 + spread, size=(n_waves, 1)))
    return WaveField(directions * numbers, rng.uniform(0, 2 * np.pi, size=n_waves))


def value_and_slope(
    field: WaveField, offsets: NDArray[np.float64], points: Points, side: Array
) -> tuple[Array, Points]:
    """The field at scattered points and its gradient, each (N,) float32.

    `side` is +1 or -1 by hemisphere: phases move by offset * side, for alike but unequal halves.
    """
    x, y, z = points
    value = np.zeros_like(x)
    gradient = (np.zeros_like(x), np.zeros_like(x), np.zeros_like(x))
    for k, phase, offset in zip(
        field.wavevectors.astype(np.float32), field.phases, offsets, strict=True
    ):
        angle = k[0] * x + k[1] * y
        angle += k[2] * z
        angle += np.float32(phase)
        angle += np.float32(offset) * side
        value += np.cos(angle)
        slope = np.sin(angle)
        for axis in range(3):
            gradient[axis][:] -= k[axis] * slope
    scale = np.float32(field.amplitude)
    value *= scale
    gx, gy, gz = (slope * scale for slope in gradient)
    return value, (gx, gy, gz)


Point = tuple[float, float, float]


def ellipsoid(points: Points, centre: Point, axes: Point, turn: float = 0.0) -> Array:
    """Distance to an ellipsoid, turned by `turn` radians about the z axis."""
    x, y, z = (p - np.float32(c) for p, c in zip(points, centre, strict=True))
    if turn:
        cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        x, y = cosine * x + sine * y, cosine * y - sine * x
    a, b, c = (np.float32(1 / axis) for axis in axes)
    x, y, z = x * a, y * b, z * c
    radius = np.sqrt(x * x + y * y + z * z)
    slope = np.sqrt((x * a) ** 2 + (y * b) ** 2 + (z * c) ** 2)
    distance: Array = (radius - 1) * (radius + np.float32(1e-3)) / (slope + np.float32(1e-6))
    return distance


def tube(
    points: Points,
    path: Sequence[Point],
    radii: Sequence[float],
    stretch: float = 1.0,
) -> Array:
    """Distance to a chain of balls of changing radius; `stretch` > 1 makes it tall."""
    x, y, z = points
    nearest: Array | None = None
    for start, end, radius, next_radius in zip(path, path[1:], radii, radii[1:], strict=False):
        span = np.subtract(end, start)
        unit = span / float(span @ span)
        dx, dy, dz = x - np.float32(start[0]), y - np.float32(start[1]), z - np.float32(start[2])
        along = np.clip(
            dx * np.float32(unit[0]) + dy * np.float32(unit[1]) + dz * np.float32(unit[2]), 0, 1
        )
        dx -= along * np.float32(span[0])
        dy -= along * np.float32(span[1])
        dz -= along * np.float32(span[2])
        dz *= np.float32(1 / stretch)
        distance = np.sqrt(dx * dx + dy * dy + dz * dz)
        distance -= np.float32(radius) + along * np.float32(next_radius - radius)
        nearest = distance if nearest is None else smooth_min(nearest, distance, 2.0)
    assert nearest is not None  # a path has two points at least
    return nearest


def smooth_min(a: Array, b: Array, width: float) -> Array:
    """The smaller of two distances, rounded over `width` mm where they meet (polynomial)."""
    overlap = np.maximum(np.float32(width) - np.abs(a - b), 0)
    rounded: Array = np.minimum(a, b) - overlap * overlap * np.float32(0.25 / width)
    return rounded


def smooth_max(a: Array, b: Array, width: float) -> Array:
    """The larger of two distances, rounded."""
    return -smooth_min(-a, -b, width)


def inside(distance: Array, ramp: float = 1.2) -> Array:
    """How much of a voxel lies inside, 0..1: partial volume over `ramp` mm."""
    share: Array = np.clip(np.float32(0.5) - distance * np.float32(1 / ramp), 0, 1)
    return share
