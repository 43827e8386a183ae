"""Prepared slices drawn by hand."""

import numpy as np

from mriad_model.preprocessing.slices import SliceBatch


def drawn_slices(n, recipe, seed=0):
    """Ellipses of smooth noise, of the size that the recipe asks for, with their masks."""
    return ellipses(n, recipe.preprocessing.size, seed)


def ellipses(n, size, seed=0):
    """Ellipses of smooth noise, `size` pixels a side, with their masks."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    masks = np.stack([np.hypot(y / rng.uniform(0.7, 0.95), x / 0.7) < 1 for _ in range(n)])
    waves = rng.uniform(1, 6, (n, 2, 1, 1))
    images = 0.5 + 0.4 * np.sin(waves[:, 0] * y + 1) * np.cos(waves[:, 1] * x)
    return SliceBatch((images * masks).astype(np.float32), masks)
