"""Where lesions come to lie, and how they vary: drawn by seed, into a plane of a healthy head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.fields import Points, wave_field
from mriad_model.phantom.lesions import Infarct, Lesion, LesionShape, Mass, Spots, Vector


@dataclass(frozen=True, slots=True)
class Territory:
    """The places of a plane that each kind of lesion can take, all (H, W)."""

    points: Points
    cortex: NDArray[np.bool_]  # beneath the skull, away from the midline
    white: NDArray[np.bool_]  # white matter, a little inside its edge
    deep_white: NDArray[np.bool_]  # and well below the skull


def place(lesion: Lesion, rng: np.random.Generator, territory: Territory) -> LesionShape:
    """A lesion of that kind, its middle in the plane."""
    if lesion is Lesion.INFARCT:
        return _infarct(rng, _pick(rng, territory.points, territory.cortex))
    if lesion is Lesion.MASS:
        return _mass(rng, _pick(rng, territory.points, territory.deep_white))
    return _spots(rng, territory)


def _pick(rng: np.random.Generator, points: Points, where: NDArray[np.bool_]) -> Vector:
    """One of the points where the condition holds."""
    index = rng.choice(np.flatnonzero(where))
    return np.array([float(p.ravel()[index]) for p in points])


def _infarct(rng: np.random.Generator, base: Vector) -> Infarct:
    inwards = np.array([np.sign(base[0]) * 16.0, np.clip(base[1], -45, 20), base[2]]) - base
    inwards += rng.normal(0, 4, size=3)
    length = np.linalg.norm(inwards)
    depth = min(rng.uniform(34, 58), 0.9 * length)
    tip = base + inwards / length * depth
    return Infarct(
        tip=tip,
        axis=-inwards / length,
        half_angle=rng.uniform(0.34, 0.78),
        strength=rng.uniform(0.6, 1.0),
        loss=rng.uniform(0.5, 4.0),
        edge=wave_field(rng, 16, 24, spread=0.5),
    )


def _mass(rng: np.random.Generator, centre: Vector) -> Mass:
    size = rng.uniform(9.0, 23.0)
    return Mass(
        centre=centre,
        axes=size * rng.uniform(0.8, 1.2, size=3),
        ring=max(1.8, size * rng.uniform(0.14, 0.42)),
        core=rng.uniform(0.24, 0.48),
        enhancement=rng.uniform(1.0, 1.55),
        oedema=rng.uniform(4.0, 18.0),
        strength=rng.uniform(0.5, 1.0),
        push=rng.uniform(0.5, 4.5),
        edge=wave_field(rng, 18, 24, spread=0.5),
    )


def _spots(rng: np.random.Generator, territory: Territory) -> Spots:
    n_spots = rng.integers(5, 16)
    picks = [_pick(rng, territory.points, territory.white) for _ in range(n_spots)]
    centres = np.array(picks)
    centres[1:, 2] += rng.normal(0, 4, size=len(centres) - 1)  # the first stays in the plane
    return Spots(
        centres=centres,
        radii=rng.uniform(2.5, 7.5, size=len(centres)),
        strength=rng.uniform(0.55, 1.0),
        edge=wave_field(rng, 9, 24, spread=0.5),
    )
