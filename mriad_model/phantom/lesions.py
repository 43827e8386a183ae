"""Lesions with exact masks: chronic infarct, ring-enhancing mass, white-matter lesions.

A lesion is a solid in head coordinates, so that it lies in the same place in every plane. Its mask
is where it covers at least half of a voxel of the brain, sulci and shrunken surface included; a
mass's oedema counts. Contrasts vary from plain to subtle: a detector that finds them all has not
been tested.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.scanner import BRAIN, Canvas, Contrast, Tissue
from mriad_model.phantom.shapes import Array, Points, Section, WaveField, inside, wave_field

Vector = NDArray[np.float64]
BRAIN_AND_CSF = BRAIN | {Tissue.CSF}


class Lesion(StrEnum):
    """What is wrong with a head."""

    INFARCT = "infarct"
    MASS = "mass"
    WHITE_MATTER = "white_matter"


@dataclass(frozen=True, slots=True)
class Infarct:
    """A wedge: its tip in the depth, its base on the cortex. An old one: softened and shrunken."""

    tip: Vector  # (3,) mm
    axis: Vector  # (3,) unit, from the tip outwards
    half_angle: float  # radians
    strength: float  # 0..1, of the change of signal
    loss: float  # mm by which the surface has sunk
    edge: WaveField

    def distance(self, section: Section) -> Array:
        """Distance to the wedge, (H, W) mm, negative inside."""
        offset = [p - np.float32(c) for p, c in zip(section.points, self.tip, strict=True)]
        along = sum(o * np.float32(a) for o, a in zip(offset, self.axis, strict=True))
        across = np.sqrt(np.maximum(sum(o * o for o in offset) - along * along, 0))
        sine, cosine = np.float32(np.sin(self.half_angle)), np.float32(np.cos(self.half_angle))
        uneven = np.float32(1.8) * self.edge.on(section.grid)
        distance: Array = across * cosine - along * sine + uneven
        return distance

    def sunken(self, section: Section) -> Array:
        """By how many mm the brain's surface lies deeper, (H, W)."""
        return np.float32(self.loss) * inside(self.distance(section), 8.0)

    def paint(
        self, canvas: Canvas, section: Section, contrast: Contrast, hull: Array
    ) -> NDArray[np.bool_]:
        """Change the signal; the mask of what was changed."""
        distance = self.distance(section)
        brain = canvas.is_one_of(BRAIN_AND_CSF) & (hull < 0)
        core = inside(distance + np.float32(3.6), 3.5) * brain
        whole = inside(distance, 2.0) * brain
        if contrast is Contrast.T1:
            canvas.blend(0.52, whole * np.float32(0.75 * self.strength))
            canvas.blend(0.28, core * np.float32(self.strength))
        else:
            canvas.blend(1.08, whole * np.float32(self.strength))
            canvas.blend(0.2, core * np.float32(min(1.0, 1.15 * self.strength)))
        return brain & (distance < 0)


@dataclass(frozen=True, slots=True)
class Mass:
    """A ring that takes up contrast agent around a dead core, oedema about it."""

    centre: Vector
    axes: Vector  # (3,) mm
    ring: float  # mm
    core: float  # signal of the dead core, T1
    enhancement: float  # signal of the ring, T1
    oedema: float  # mm it reaches
    strength: float
    push: float  # mm by which it displaces its surroundings
    edge: WaveField

    def distance(self, section: Section) -> Array:
        """Distance to the outer rim of the ring, (H, W) mm."""
        scaled = [
            (p - np.float32(c)) * np.float32(1 / a)
            for p, c, a in zip(section.points, self.centre, self.axes, strict=True)
        ]
        radius = np.sqrt(sum(s * s for s in scaled) + np.float32(1e-6))
        uneven = np.float32(1.6) * self.edge.on(section.grid)
        distance: Array = (radius - 1) * np.float32(self.axes.mean()) + uneven
        return distance

    def source_of(self, section: Section) -> Section:
        """Where tissue now at these points lay before the mass grew."""
        offset = [p - np.float32(c) for p, c in zip(section.points, self.centre, strict=True)]
        size = np.float32(self.axes.mean())
        radius = np.sqrt(sum(o * o for o in offset) + np.float32(1e-3))
        fall = np.float32(self.push) * np.exp(-(((radius - size) / np.float32(22)) ** 2)) / radius
        fall = np.minimum(fall, np.float32(0.6))
        x, y, z = (p - o * fall for p, o in zip(section.points, offset, strict=True))
        return Section(section.grid, (x, y, z), section.bend)

    def paint(
        self, canvas: Canvas, section: Section, contrast: Contrast, hull: Array
    ) -> NDArray[np.bool_]:
        """Change the signal; the mask holds ring, core and oedema."""
        distance = self.distance(section)
        brain = canvas.is_one_of(BRAIN)
        within = canvas.is_one_of(BRAIN_AND_CSF) & (hull < 0)
        white = canvas.is_one_of(frozenset({Tissue.WHITE, Tissue.BRAINSTEM}))
        uneven = np.float32(0.35) * self.edge.on(section.grid)
        swollen = np.clip(1.4 - distance / np.float32(self.oedema) + uneven, 0, 1)
        swollen = swollen * (white | ((distance < 0) & within))
        t1 = contrast is Contrast.T1
        canvas.blend(0.58 if t1 else 1.06, swollen * np.float32(0.85 * self.strength))
        canvas.blend(self.enhancement if t1 else 0.9, inside(distance, 1.6) * within)
        dead = inside(distance + np.float32(self.ring) * (1 + uneven), 2.2)
        canvas.blend(self.core if t1 else 0.42, dead * within)
        return ((swollen > 0.5) & brain) | ((distance < 0) & within)


@dataclass(frozen=True, slots=True)
class Spots:
    """Small lesions of the white matter."""

    centres: NDArray[np.float64]  # (K, 3) mm
    radii: NDArray[np.float64]  # (K,) mm
    strength: float
    edge: WaveField

    def paint(
        self, canvas: Canvas, section: Section, contrast: Contrast, hull: Array
    ) -> NDArray[np.bool_]:
        """Change the signal; the mask of the spots in brain tissue."""
        nearest = np.full(canvas.signal.shape, 99, np.float32)
        for centre, radius in zip(self.centres, self.radii, strict=True):
            square = sum(
                (p - np.float32(c)) ** 2 for p, c in zip(section.points, centre, strict=True)
            )
            np.minimum(nearest, np.sqrt(square) - np.float32(radius), out=nearest)
        nearest += np.float32(0.7) * self.edge.on(section.grid)
        brain = canvas.is_one_of(BRAIN) & (hull < 0)
        canvas.blend(
            0.5 if contrast is Contrast.T1 else 1.18,
            inside(nearest, 2.0) * np.float32(self.strength) * brain,
        )
        return brain & (nearest < 0)


LesionShape = Infarct | Mass | Spots


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
