"""Other healthy heads made of one: bent smoothly, with larger or smaller ventricles and cisterns.

A network that sees them as healthy does not mark an old head's ventricles.
"""

from typing import Literal

import numpy as np
from scipy.ndimage import map_coordinates

from mriad_model.normative.registration.frame import (
    FIRST,
    SHAPE,
    SPACING,
    Floats,
    Matrix,
    frame_points,
)
from mriad_model.normative.z_maps.noise import between_nodes

BENDINGS = (((5, 6, 6), 4.0), ((9, 11, 11), 1.5))  # nodes; mm, the spread of their moves at most
VENTRICLES = (-0.4, 1.1)  # share by which ventricles grow
LIMITS = (0.9, 0.015, 1.6, 0.6)  # degrees, scale, mm across, mm to the front: of a misregistration


def displaced(rng: np.random.Generator, *, deformed: bool) -> Floats:
    """Places to take a head's values from, (n, 3) mm: slightly off, and bent if `deformed`."""
    points = np.array(frame_points())
    if deformed:
        points += _bent(rng)
        if rng.random() < 0.6:
            points += _ventricles(rng, points)
        if rng.random() < 0.2:
            points += _cistern(rng, points)
    return _misplaced(rng, points)


def taken(values: Floats, places: Floats, order: Literal[1, 3]) -> Floats:
    """Values (52, 64, 64) at places (n, 3) mm, on the frame's grid; 0 outside it.

    `order` is that of the spline between voxels: 1 softens a head, 3 hardly.
    """
    voxels = [
        (places[:, 2 - axis] - np.float32(FIRST[axis])) / np.float32(SPACING[axis])
        for axis in range(3)
    ]
    found = map_coordinates(values, voxels, order=order, mode="constant")
    return np.asarray(found.reshape(SHAPE), np.float32)


def _bent(rng: np.random.Generator) -> Floats:
    total = np.zeros((3, *SHAPE), np.float32)
    for nodes, most in BENDINGS:
        size = np.float32(rng.uniform(0, most))
        for axis in range(3):
            drawn = rng.standard_normal(nodes).astype(np.float32)
            total[axis] += size * between_nodes(drawn, SHAPE)
    return np.asarray(total.reshape(3, -1).T)


def _ventricles(rng: np.random.Generator, points: Floats) -> Floats:
    """Both lateral ventricles, one a little more than the other."""
    growth, more, spread = rng.uniform(*VENTRICLES), rng.uniform(-0.12, 0.12), rng.uniform(18, 30)
    moves = np.zeros_like(points)
    for side in (-1.0, 1.0):
        middle = (11.0 * side, -8.0 + rng.uniform(-4, 4), 20.0 + rng.uniform(-4, 4))
        away = points - np.array(middle, np.float32)
        near = ((away / np.array((0.7, 1.3, 0.8), np.float32)) ** 2).sum(1)
        near = np.exp(-near / np.float32(spread * spread / 2))
        near *= points[:, 0] * np.float32(side) > -14
        moves -= np.float32(growth + side * more) * near[:, None] * away
    return moves * np.array((1.0, 0.5, 0.8), np.float32)


def _cistern(rng: np.random.Generator, points: Floats) -> Floats:
    """The cisterna magna and the fourth ventricle."""
    middle = (0.0, rng.uniform(40, 75), rng.uniform(-45, -25))
    away = points - np.array(middle, np.float32)
    near = np.exp(-(away * away).sum(1) / np.float32(2 * 10.0**2))
    return np.asarray(-np.float32(rng.uniform(0, 0.6)) * near[:, None] * away, np.float32)


def _misplaced(rng: np.random.Generator, points: Floats) -> Floats:
    """Turned in the plane, scaled and shifted a little: no registration is exact."""
    degrees, scale, across, forward = (rng.uniform(-each, each) for each in LIMITS)
    turn = np.radians(degrees)
    cosine, sine = np.cos(turn) * np.exp(scale), np.sin(turn) * np.exp(scale)
    matrix: Matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    turned = np.einsum("ij,nj->ni", matrix.astype(np.float32), points)
    return np.asarray(turned + np.array((across, forward, 0.0), np.float32), np.float32)
