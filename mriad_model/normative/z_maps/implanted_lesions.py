"""Lesions implanted in heads in the frame: what a network learns to find. No patient's shapes.

A lesion is a union of up to three uneven ellipsoids, some cut by a plane (a wedge), filled in one
of seven ways. Each is drawn by the generator alone and changes a box of the head.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from mriad_model.normative.registration.frame import SPACING, Floats
from mriad_model.normative.z_maps.noise import smooth_noise, softened

Box = tuple[slice, slice, slice]
Rng = np.random.Generator
SIZES = (5.0, 38.0)  # mm, radii, drawn log-uniformly
RAMPS = (1.5, 9.0)  # mm over which an edge fades
REACH = 2.2  # radii of the box around a lesion
MIDDLES = (0.1, 0.2, 0.35)  # depth (see `depth_in_head`) that middles lie below, one of these
SKULL = (0.06, 0.16)  # depth that lesions stay below
SHELL = 0.06  # of depth, over which they fade there


class LesionKind(StrEnum):
    """What fills a lesion."""

    CAVITY = "cavity"  # fluid, as an old infarct, often with a margin of scar
    SOLID = "solid"  # tissue of another grey value
    SHIFT = "shift"  # brighter or darker, all structure kept
    RING = "ring"  # a rim, another core, oedema around
    FOREIGN = "foreign"  # tissue of another head
    SPOTS = "spots"  # several small ones
    SCALE = "scale"  # as shift, in proportion


SHARES: Final = {
    LesionKind.CAVITY: 5.0,
    LesionKind.SOLID: 3.0,
    LesionKind.SHIFT: 1.5,
    LesionKind.RING: 1.5,
    LesionKind.FOREIGN: 1.5,
    LesionKind.SPOTS: 0.8,
    LesionKind.SCALE: 0.7,
}


@dataclass(frozen=True, slots=True)
class Greys:
    """Grey values of a head's brain."""

    fluid: float
    middle: float
    bright: float

    @property
    def reach(self) -> float:
        """From the darkest to the brightest."""
        return max(self.bright - self.fluid, 0.15)


@dataclass(frozen=True, slots=True, eq=False)
class LesionSite:
    """A lesion's place, and the head there. Arrays are of its box, (z, y, x)."""

    box: Box
    values: Floats  # the head's
    radius: Floats  # 1 on the lesion's surface, less inside
    size: float  # mm, that radius
    ramp: float  # mm
    within: Floats  # 0 near the head's surface, 1 in the brain
    greys: Greys

    def share(self, at: float = 1.0, ramp: float | None = None) -> Floats:
        """How much of a place lies within so many radii, 0 to 1."""
        fade = (self.radius - np.float32(at)) * np.float32(self.size / (ramp or self.ramp))
        return np.asarray(np.clip(np.float32(0.5) - fade, 0, 1) * self.within, np.float32)

    def noise(self, rng: Rng, millimetres: float) -> Floats:
        """Smooth noise on the box."""
        return smooth_noise(rng, self.values.shape, millimetres)

    def texture(self, rng: Rng) -> Floats:
        """Some of the head's own fine structure."""
        return np.float32(rng.uniform(0, 1)) * (
            self.values - softened(self.values, rng.uniform(0.7, 2.0))
        )


Filled = tuple[Floats, Floats]  # the box's new values; the share of each place that is lesion
Other = Callable[[], Floats]  # draws another head, (52, 64, 64)


def greys_of(head: Floats, depth: Floats) -> Greys:
    """Percentiles of what lies deep in a head."""
    deep = head[::2, ::2, ::2][depth[::2, ::2, ::2] > 0.4]
    if deep.size < 100:
        return Greys(0.1, 0.5, 0.8)
    fluid, middle, bright = np.percentile(deep, (1.5, 50, 95))
    return Greys(float(fluid), float(middle), float(bright))


def implant(
    rng: Rng, head: Floats, depth: Floats, other: Other, greys: Greys
) -> tuple[LesionKind, Box, Floats]:
    """Put a lesion into `head` (52, 64, 64), in place; its kind, box and share of each place."""
    kinds = list(SHARES)
    odds = np.array([SHARES[kind] for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=odds / odds.sum()))]
    site = _site(rng, head, depth, greys)
    values, share = _fill(kind, rng, site, other)
    head[site.box] = values
    return kind, site.box, share


def _fill(kind: LesionKind, rng: Rng, site: LesionSite, other: Other) -> Filled:
    if kind is LesionKind.FOREIGN:
        return foreign(rng, site, other())
    painters: dict[LesionKind, Callable[[Rng, LesionSite], Filled]] = {
        LesionKind.CAVITY: cavity,
        LesionKind.SOLID: solid,
        LesionKind.SHIFT: shift,
        LesionKind.RING: ring,
        LesionKind.SPOTS: spots,
        LesionKind.SCALE: scale,
    }
    return painters[kind](rng, site)


def cavity(rng: Rng, site: LesionSite) -> Filled:
    """Fluid; in most a margin of scar, darker than white matter."""
    greys, values = site.greys, site.values.copy()
    core = np.float32(greys.fluid + rng.uniform(-0.08, 0.3) * greys.reach)
    if rng.random() < 0.6:
        margin = np.clip(1 - (site.radius - 1) * np.float32(site.size / rng.uniform(3, 10)), 0, 1)
        grey = greys.fluid + rng.uniform(0.3, 0.7) * greys.reach
        tissue = values > greys.fluid + 0.3 * greys.reach
        strength = margin * site.within * np.float32(rng.uniform(0.2, 0.7)) * tissue
        values += strength * (np.float32(grey) - values)
    share = site.share()
    part = share
    if rng.random() < 0.5:
        uneven = 1 + np.float32(rng.uniform(0.2, 0.9)) * site.noise(rng, rng.uniform(5, 15))
        part = np.clip(share * uneven, 0, 1)
    texture = np.float32(0.3) * site.texture(rng)
    texture = texture + np.float32(rng.uniform(0, 0.06)) * site.noise(rng, 6)
    filling = np.minimum(core + texture, np.maximum(values, core))
    values += part * np.float32(rng.uniform(0.65, 1)) * (filling - values)
    return values, share


def solid(rng: Rng, site: LesionSite) -> Filled:
    """Tissue of one grey value, with some of the head's texture or its own."""
    share = site.share()
    usual = float((site.values * share).sum() / max(float(share.sum()), 1e-3))
    grey = usual + _sign(rng, 0.45) * rng.uniform(0.15, 0.7) * max(site.greys.reach, 0.3)
    texture = site.texture(rng)
    if rng.random() < 0.5:
        texture = texture + np.float32(rng.uniform(0.02, 0.12)) * site.noise(rng, _size(rng, 4, 12))
    change = np.float32(grey) + texture - site.values
    return site.values + share * np.float32(rng.uniform(0.5, 1)) * change, share


def shift(rng: Rng, site: LesionSite) -> Filled:
    """Brighter or darker by an even or uneven step."""
    share = site.share()
    step = np.float32(_sign(rng, 0.45) * rng.uniform(0.1, 0.45))
    if rng.random() < 0.5:
        uneven = np.clip(1 + np.float32(0.5) * site.noise(rng, rng.uniform(6, 20)), 0, 2)
        return site.values + share * step * uneven, share
    return site.values + share * step, share


def scale(rng: Rng, site: LesionSite) -> Filled:
    """Brighter or darker in proportion."""
    share = site.share()
    factor = np.float32(_sign(rng, 0.4) * rng.uniform(0.25, 0.8))
    return site.values * (1 + share * factor), share


def ring(rng: Rng, site: LesionSite) -> Filled:
    """A bright rim around a darker core, oedema around both."""
    greys = site.greys
    halo = site.share(rng.uniform(1.2, 2.0), 1.5 * site.ramp)
    values = site.values + halo * np.float32(_sign(rng, 0.3) * rng.uniform(0.05, 0.25))
    rim = np.float32(greys.middle + rng.uniform(0.2, 0.9) * greys.reach)
    share = site.share()
    values = values + share * np.float32(rng.uniform(0.5, 1)) * (rim + site.texture(rng) - values)
    core = np.float32(greys.fluid + rng.uniform(-0.05, 0.6) * greys.reach)
    inner = site.share(rng.uniform(0.5, 0.85))
    values = values + inner * np.float32(rng.uniform(0.6, 1)) * (core - values)
    return values, np.maximum(share, halo)


def foreign(rng: Rng, site: LesionSite, other: Floats) -> Filled:
    """Tissue of another head, from another place, perhaps turned."""
    moves = [int(rng.integers(-8, 9)), int(rng.integers(-7, 8)), int(rng.integers(-7, 8))]
    patch = np.roll(other, moves, (0, 1, 2))[site.box]
    if rng.random() < 0.5:
        patch = patch[:, :, ::-1]
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    share = site.share()
    return site.values + share * np.float32(rng.uniform(0.6, 1)) * (patch - site.values), share


def spots(rng: Rng, site: LesionSite) -> Filled:
    """Two to seven small ones anywhere in the box, brighter or darker."""
    shape = site.values.shape
    places = [np.arange(n, dtype=np.float32) * s for n, s in zip(shape, SPACING, strict=True)]
    share = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(2, 8))):
        size, fade = rng.uniform(3, 7), rng.uniform(2, 4)
        z, y, x = (
            (place - np.float32(rng.uniform(0, n) * s)) ** 2
            for place, n, s in zip(places, shape, SPACING, strict=True)
        )
        away = np.sqrt(z[:, None, None] + y[:, None] + x)
        share = np.maximum(share, np.clip(0.5 - (away - np.float32(size)) / np.float32(fade), 0, 1))
    share = np.asarray(share * site.within, np.float32)
    return site.values + share * np.float32(_sign(rng, 0.3) * rng.uniform(0.15, 0.55)), share


def _site(rng: Rng, head: Floats, depth: Floats, greys: Greys) -> LesionSite:
    """A place for a lesion, its shape and size."""
    deep = np.flatnonzero(depth.ravel() > rng.choice(MIDDLES))
    if len(deep) == 0:
        deep = np.arange(depth.size)
    middle = np.array(np.unravel_index(deep[rng.integers(len(deep))], depth.shape), np.float64)
    size = _size(rng, *SIZES)
    n_parts = int(rng.choice((1, 2, 3), p=(0.6, 0.25, 0.15)))
    box = _box(middle, size * (1 if n_parts == 1 else 1.4), head.shape)
    radius = _radius(rng, box, middle, size)
    for _ in range(n_parts - 1):
        away = rng.standard_normal(3)
        away *= size * rng.uniform(0.5, 1.0) / np.linalg.norm(away)
        part = _radius(rng, box, middle + away / SPACING, size * rng.uniform(0.4, 0.9))
        radius = np.minimum(radius, part)
    fade = (depth[box] - np.float32(rng.uniform(*SKULL))) / np.float32(SHELL)
    within = np.asarray(np.clip(fade, 0, 1), np.float32)
    return LesionSite(box, head[box].copy(), radius, size, _size(rng, *RAMPS), within, greys)


def _box(middle: np.ndarray, size: float, shape: tuple[int, ...]) -> Box:
    spread = REACH * size / np.array(SPACING)
    low = np.maximum(np.floor(middle - spread), 0).astype(int)
    high = np.minimum(np.ceil(middle + spread) + 1, shape).astype(int)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def _radius(rng: Rng, box: Box, middle: np.ndarray, size: float) -> Floats:
    """Distance from the middle in radii of an uneven ellipsoid, (z, y, x)."""
    axes = [
        (np.arange(each.start, each.stop) - c) * spacing
        for each, c, spacing in zip(box, middle, SPACING, strict=True)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    radii = size * np.exp(rng.uniform(-0.5, 0.25, 3))
    turned = np.einsum("ij,jzyx->izyx", (turn / radii).astype(np.float32), places)
    radius = np.sqrt((turned * turned).sum(0))
    uneven = float(rng.choice((0, 0.15, 0.3, 0.5)))
    if uneven:
        radius = radius + np.float32(uneven) * smooth_noise(rng, radius.shape, rng.uniform(8, 25))
    if rng.random() < 0.3:  # a plane cuts it
        normal = rng.standard_normal(3)
        normal /= np.linalg.norm(normal) * size
        above = np.einsum("i,izyx->zyx", normal.astype(np.float32), places)
        radius = np.maximum(radius, 1 + 2 * (above - np.float32(rng.uniform(-0.2, 0.6))))
    return np.asarray(radius, np.float32)


def _size(rng: Rng, low: float, high: float) -> float:
    """Between two lengths, log-uniformly."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _sign(rng: Rng, brighter: float) -> float:
    return 1.0 if rng.random() < brighter else -1.0
