"""Signed distances to simple solids, in mm, negative inside. After I. Quilez, "Distance functions".

The distances are first-order (value / gradient) where no closed form is quick: exact at the
surface, good near it, which is where they are used.
"""

from collections.abc import Sequence

import numpy as np

from mriad_model.phantom.fields import Array, Points

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
