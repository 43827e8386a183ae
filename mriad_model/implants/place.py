"""Where an implant goes: place, size and outline in a healthy slice, and the grey values there."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIDE = 128  # pixels a side of the slices that implants are drawn into
ROWS, COLUMNS = (axis.astype(np.float32) for axis in np.mgrid[0:SIDE, 0:SIDE])
MIDDLE = (SIDE - 1) / 2
BRAIN = 0.25  # of the greatest depth: deeper pixels give the brain's grey values
DEPTHS = (0.08, 0.2, 0.35)  # of it, at which implants have their middle at least
RAMPS = (1.2, 8.0)  # pixels over which an edge fades
RIM = (0.02, 0.12)  # of the greatest depth: nearer to the head's edge nothing is changed
UNEVEN = (0.0, 0.12, 0.25, 0.4)  # of the radius, by which outlines depart from an ellipse


@dataclass(frozen=True, slots=True)
class Grey:
    """Grey values of the brain in one slice."""

    dark: float  # 5th percentile
    middle: float
    bright: float  # 95th percentile

    @property
    def reach(self) -> float:
        """From dark to bright, never quite 0."""
        return max(self.bright - self.dark, 0.1)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a head. Fields are (S, S) float32, lengths in pixels."""

    image: Floats
    donor: Floats  # another healthy slice
    grey: Grey
    centre: tuple[float, float]  # row, column
    radius: float
    ramp: float
    within: Floats  # 0..1, how far a pixel may be changed: 0 at the head's edge and beyond
    distance: Floats  # from the centre, in radii, unevenly: the outline is where it is 1

    @property
    def alpha(self) -> Floats:
        """How far each pixel belongs to the implant, 0..1, soft at the outline."""
        return edge(self.distance, self.radius, self.ramp) * self.within


def draw_place(
    rng: np.random.Generator,
    image: Floats,
    donor: Floats,
    depth: Floats,
    radii: tuple[float, float],
    midline: float,
) -> Place:
    """A place and an outline, drawn at random.

    Args:
        rng: draws.
        image: the slice (S, S), turned upright.
        donor: another one.
        depth: from the head's edge, (S, S), 1 at the deepest pixel.
        radii: smallest and largest, pixels; uniform in their logarithm.
        midline: the chance of a place near the slice's middle column.
    """
    brain = image[depth > BRAIN]
    grey = (
        Grey(*np.percentile(brain, (5, 50, 95)).tolist()) if brain.size > 50 else Grey(0, 0.4, 0.9)
    )
    radius = log_uniform(rng, *radii)
    deep = np.flatnonzero(depth >= rng.choice(DEPTHS))
    row, column = divmod(int(deep[rng.integers(len(deep))]), SIDE)
    if rng.random() < midline:
        column = round(MIDDLE + rng.normal(0, 3))
    ramp = log_uniform(rng, *RAMPS)
    within = np.clip((depth - np.float32(rng.uniform(*RIM))) / np.float32(0.06), 0, 1)
    distance = uneven_distance(rng, (row, column), radius)
    return Place(image, donor, grey, (row, column), radius, ramp, within, distance)


def uneven_distance(rng: np.random.Generator, centre: tuple[float, float], radius: float) -> Floats:
    """Distance of each pixel from a centre, in radii of a turned, uneven ellipse, (S, S)."""
    flatness, turn = rng.uniform(0.55, 1.0), rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    y, x = ROWS - np.float32(centre[0]), COLUMNS - np.float32(centre[1])
    along = (cos * x + sin * y) / np.float32(radius)
    across = (cos * y - sin * x) / np.float32(radius * flatness)
    distance = np.sqrt(along * along + across * across)  # the same bits at any address
    unevenness = rng.choice(UNEVEN)
    if unevenness:
        distance += np.float32(unevenness) * smooth_noise(rng, int(rng.integers(6, 20)))
    return np.asarray(distance, np.float32)


def edge(distance: Floats, radius: float, ramp: float, at: float = 1.0) -> Floats:
    """1 inside `at` radii, 0 outside, over a ramp of so many pixels, (S, S)."""
    steepness = np.float32(radius / ramp)
    return np.asarray(np.clip(np.float32(0.5) - (distance - np.float32(at)) * steepness, 0, 1))


def smooth_noise(rng: np.random.Generator, cells: int) -> Floats:
    """Noise of about unit spread that varies over 1/cells of the side, (S, S)."""
    coarse = rng.standard_normal((cells, cells), np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def blurred(image: Floats, sigma: float) -> Floats:
    """An image (S, S) under a Gaussian of so many pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def moved(image: Floats, rows: Floats, columns: Floats) -> Floats:
    """An image (S, S) resampled: each pixel is taken from its place in `rows` and `columns`."""
    return np.asarray(
        cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT),
        np.float32,
    )


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def sign(rng: np.random.Generator, positive: float) -> int:
    """1 with this chance, else -1."""
    return 1 if rng.random() < positive else -1
