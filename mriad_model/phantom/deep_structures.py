"""Ventricles and deep grey matter. One hemisphere is drawn; |x| mirrors it."""

import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.head import Deep
from mriad_model.phantom.scanner import Canvas, Tissue, Window
from mriad_model.phantom.shapes import (
    Array,
    Points,
    ellipsoid,
    inside,
    smooth_max,
    smooth_min,
    tube,
)


def paint_deep(canvas: Canvas, deep: Deep, points: Points) -> None:
    """Nuclei first, then the ventricles over them."""
    window = _window(points)
    if window is None:
        return
    x, y, z = (p[window] for p in points)
    x = x - np.float32(deep.septum)
    half = (np.abs(x), y, z)
    caudate = _paint_nuclei(canvas, window, deep, half)
    horns = smooth_max(_lateral(deep, half, x < 0), -(caudate + np.float32(0.6)), 1.5)
    canvas.paint(Tissue.CSF, inside(horns), window)
    septum = inside(half[0] - np.float32(0.5))
    septum = septum * inside(np.abs(z - 12) - 11) * inside(np.abs(y - 10) - 26)
    canvas.paint(Tissue.WHITE, septum, window)
    third = ellipsoid(half, (0, -13, -1), (deep.third * 1.25, 15, 9.5))
    canvas.paint(Tissue.CSF, inside(third), window)


def _window(points: Points) -> Window | None:
    """The rows and columns where deep structures can lie, None where the plane misses them."""
    x, y, z = points
    near = (np.abs(x) < 48) & (y > -86) & (y < 44) & (z > -30) & (z < 36)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _paint_nuclei(canvas: Canvas, window: Window, deep: Deep, half: Points) -> Array:
    """Caudate, putamen, pallidum and thalamus; the caudate's distance, which shapes the horn."""
    s = deep.nuclei
    head = ellipsoid(half, (12.5, 14, 6), (5.2 * s, 10.5 * s, 10 * s), turn=0.25)
    body = tube(half, [(14, 12, 12), (17, -8, 22), (21, -26, 22)], [4 * s, 2.8 * s, 1.8 * s])
    caudate: Array = np.minimum(head, body)
    thalamus = ellipsoid(half, (10.5, -17, 7), (8.8 * s, 14 * s, 9 * s), turn=0.35)
    putamen = ellipsoid(half, (25.5, 3, 1), (5.4 * s, 17 * s, 10.5 * s), turn=-0.22)
    pallidum = ellipsoid(half, (18.5, -3, -0.5), (4.4 * s, 10 * s, 6.5 * s), turn=-0.5)
    canvas.paint(Tissue.THALAMUS, inside(thalamus, 2.4), window)
    canvas.paint(Tissue.STRIATUM, inside(caudate, 1.6), window)
    canvas.paint(Tissue.STRIATUM, inside(putamen, 1.8), window)
    canvas.paint(Tissue.PALLIDUM, inside(pallidum, 2.0), window)
    return caudate


def _lateral(deep: Deep, half: Points, left: NDArray[np.bool_]) -> Array:
    """Distance to the lateral ventricles: each of another size."""
    sizes = zip(deep.ventricles, deep.occipital_reach, strict=True)
    on_left, on_right = (
        _one_lateral(half, size, reach, deep.frontal_spread) for size, reach in sizes
    )
    distance: Array = np.where(left, on_left, on_right)
    return distance


def _one_lateral(half: Points, size: float, reach: float, spread: float) -> Array:
    """Frontal horn, body, atrium, occipital horn; and the temporal horn. Radii grow with size."""
    spread *= 0.8 + 0.2 * size
    horn = tube(
        half,
        [(16 * spread, 35, 10), (10.5 * spread, 26, 11), (6, 12, 13), (4.5, 1, 15)],
        [r * size for r in (1.4, 3.4, 4.2, 3.2)],
        stretch=1.8,
    )
    main = tube(
        half,
        [
            (4.5, 2, 17),
            (6.5, -8, 21),
            (11, -23, 23),
            (18.5, -34, 19),
            (25, -44, 11),
            (26, -58 - reach * 0.5, 9),
            (22, -71 - reach * 0.5, 8),
        ],
        [r * size for r in (3.2, 4.2, 4.4, 4.8, 5.2, 3.4, 1.2)],
        stretch=1.4,
    )
    temporal = tube(
        half,
        [(26, -42, 8), (33, -34, -4), (33, -18, -14), (28, -8, -18)],
        [r * size for r in (4.5, 2.6, 2.2, 1.6)],
    )
    nearest: Array = np.minimum(smooth_min(main, horn, 2.0), temporal)
    return nearest
