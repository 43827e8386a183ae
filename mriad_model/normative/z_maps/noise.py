"""Smooth noise on a box of the frame, and softening within its planes."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from mriad_model.normative.registration.frame import SPACING, Floats


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], millimetres: float) -> Floats:
    """Noise of unit spread at nodes so far apart, linear between them; of `shape` (z, y, x)."""
    nodes = [
        max(2, round(n * spacing / millimetres)) for n, spacing in zip(shape, SPACING, strict=True)
    ]
    return between_nodes(rng.standard_normal(nodes).astype(np.float32), shape)


def between_nodes(nodes: Floats, shape: Sequence[int]) -> Floats:
    """Values at nodes that are spread from edge to edge of a box, linear between them."""
    found = nodes
    for axis, n in enumerate(shape):
        place = np.linspace(0, found.shape[axis] - 1, n)
        low = np.minimum(place.astype(np.intp), found.shape[axis] - 2)
        share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        below, above = np.take(found, low, axis), np.take(found, low + 1, axis)
        found = below + share * (above - below)
    return np.asarray(found, np.float32)


def softened(values: Floats, sigma: float) -> Floats:
    """Values (z, y, x) under a Gaussian of so many voxels within each plane."""
    return np.asarray(gaussian_filter(values, (0.0, sigma, sigma)), np.float32)
