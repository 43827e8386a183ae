"""Heads that are drawn in patient space and scanned onto any grid, and a model that knows them."""

from functools import cache

import numpy as np

from mriad_model.detection.model import fit
from mriad_model.enums import ScanKind
from mriad_model.preprocessing.scan_slices import prepare_scan, training_slices
from mriad_model.preprocessing.slices import joined
from mriad_model.readers.volume.volumes import Origin, volume_of
from mriad_model.recipes.built_in_recipes import VOLUME_AUTOENCODER

RECIPE = VOLUME_AUTOENCODER.with_training(max_epochs=1)
CUBE = (38.0, -24.0, 22.0)  # RAS mm: right, behind, above
HALF_SIDE = 7.0  # of the cube, mm


def grid_affine(
    order=(0, 1, 2), flips=(1, 1, 1), degrees=0.0, spacing=(2.5, 2.5, 4.0), n=(80, 96, 44)
):
    """A grid about the origin: its axes run along R, A, S in some order and direction, turned."""
    turn = np.radians(degrees)
    c, s = np.cos(turn), np.sin(turn)
    turned = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    directions = turned * np.array(flips) * np.array(spacing)  # columns: along R, A, S
    affine = np.eye(4)
    affine[:3, :3] = directions[:, list(order)]
    shape = np.array(n)[list(order)]
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2) + (3.0, -5.0, 2.0)
    return affine, tuple(int(side) for side in shape)


def scanned(affine, shape, cube=False, seed=0, scalp=True):
    """A nearly symmetric head at those places, (Z, Y, X), with a bright cube if asked for."""
    index = np.meshgrid(*(np.arange(side) for side in shape), indexing="ij")
    r, a, s = (
        sum(affine[row, k] * index[k] for k in range(3)) + affine[row, 3] for row in range(3)
    )
    rng = np.random.default_rng(seed)
    size = 1 + 0.03 * rng.standard_normal()
    brain = (r / 64) ** 2 + (a / 80) ** 2 + (s / 68) ** 2 < size
    head = (r / 74) ** 2 + (a / 90) ** 2 + (s / 78) ** 2 < size
    values = 600.0 * brain + 25 * np.cos(r / 9) * np.cos(a / 11) * brain
    values -= 350 * ((np.abs(r) / 9) ** 2 + (a / 30) ** 2 + (s / 16) ** 2 < 1)  # ventricles
    if scalp:
        values += 900.0 * (head & ~brain)
    if cube:
        inside = [np.abs(p - c) < HALF_SIDE for p, c in zip((r, a, s), CUBE, strict=True)]
        values[np.all(inside, axis=0)] = 1000.0
    values = values + 8 * rng.standard_normal(values.shape)
    voxels = np.ascontiguousarray(values.transpose(2, 1, 0)).clip(0).astype(np.int16)
    return volume_of(voxels, affine, Origin(ScanKind.NIFTI, contrast="T1w"))


@cache
def fitted_on_heads(recipe=RECIPE, scalp=True):
    """A model of a few healthy heads, fitted once."""
    slices = [
        training_slices(prepare_scan(scanned(*grid_affine(), seed=n, scalp=scalp), recipe), recipe)
        for n in range(1, 5)
    ]
    return fit(joined(slices[:2]), joined(slices[2:]), recipe, "cpu")
