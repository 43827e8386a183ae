"""Cerebral cortex and white matter.

The sulci are the zero set of a band-limited field that varies along the brain's surface but hardly
across it, cut off at a varying depth: thin sheets that run inwards and meander. Pia is the nearer
of brain surface and sheets; cortex is what lies within its thickness of pia, white matter what
lies deeper.
"""

from dataclasses import dataclass

import numpy as np

from mriad_model.phantom.head import Cortex, Head
from mriad_model.phantom.scanner import Canvas, Tissue
from mriad_model.phantom.shapes import Array, Points, Section, inside, smooth_min, value_and_slope

DEEPEST_SULCUS = 26.0  # mm


@dataclass(frozen=True, slots=True)
class _Surface:
    """Where points lie to the brain's surface: all (N,) float32."""

    points: Points
    bend: Points  # how far the folds' field meanders, mm
    out: Array  # depth below the lateral hull, mm
    wall: Array  # depth behind the interhemispheric fissure, mm

    @property
    def medial(self) -> Array:
        """1 where the fissure is the nearer surface, 0 where the lateral hull is."""
        share: Array = 1 / (1 + np.exp((self.wall - self.out) * np.float32(0.25)))
        return share


def paint_cerebrum(
    canvas: Canvas, head: Head, section: Section, hull: Array, loss: Array | None
) -> None:
    """White matter, cortex, sulci and the fissure with its falx. `hull` is the smooth surface."""
    texture = head.texture.on(section.grid)
    width = np.float32(head.cortex.sulcal_width) * (1 + np.float32(0.35) * texture)
    width = np.clip(width, 0.15, 2.5)
    thickness = np.float32(head.cortex.thickness) * (1 + np.float32(0.08) * texture)
    if loss is not None:  # a shrunken brain: its surface sinks, its sulci gape
        hull = hull + loss
        width += np.float32(0.35) * loss
    pia = _pia(head, section, hull)
    brain = inside(hull)
    canvas.paint(Tissue.WHITE, brain)
    canvas.paint(Tissue.GREY, brain * inside(pia - width - thickness, 1.4))
    canvas.paint(Tissue.CSF, brain * inside(pia - width))
    falx = inside(np.abs(section.points[0]) - np.float32(0.35), 1.6)
    canvas.paint(Tissue.DURA, falx * inside(-_commissures(section.points), 3) * inside(hull - 2))


def _commissures(points: Points) -> Array:
    """Distance to where the hemispheres are joined: corpus callosum and all it spans, mm."""
    length, height = np.float32(44.0), np.float32(24.0)
    y, z = (points[1] + 3) / length, (points[2] - 4) / height
    radius = np.sqrt(y * y + z * z)
    slope = np.sqrt((y / length) ** 2 + (z / height) ** 2) + np.float32(1e-5)
    distance: Array = (radius - 1) * radius / slope
    return distance


def _pia(head: Head, section: Section, hull: Array) -> Array:
    """Distance to the nearest pial surface, positive in tissue, (H, W) mm."""
    cortex = head.cortex
    x, y, z = section.points
    bend = section.bend
    joined = np.maximum(-_commissures(section.points), 0)
    wall = np.hypot(x, joined) - np.float32(cortex.fissure)
    depth = smooth_min(-hull, wall, 6.0)
    index = np.flatnonzero((hull < 0) & (depth < DEEPEST_SULCUS + 4))

    def at(field: Array) -> Array:
        picked: Array = field.ravel()[index]
        return picked

    surface = _Surface(
        (at(x), at(y), at(z)), (at(bend[0]), at(bend[1]), at(bend[2])), at(-hull), at(wall)
    )
    sheet = _sheet_distance(head, surface)
    bottom = np.float32(0.78) + np.float32(0.3) * at(cortex.depth_field.on(section.grid))
    bottom *= np.float32(cortex.sulcal_depth) * (1 - np.float32(0.4) * surface.medial)
    bottom = np.clip(bottom, 4, DEEPEST_SULCUS)
    below = np.maximum(at(depth) - bottom, 0)
    pia = depth.copy()
    pia.ravel()[index] = smooth_min(at(depth), np.hypot(sheet, below), 3.0)
    lateral = _sylvian(cortex, (x + bend[0] * 0.6, y + bend[1] * 1.5, z + bend[2]))
    return smooth_min(pia, lateral, 2.0)


def _sheet_distance(head: Head, surface: _Surface) -> Array:
    """Distance to the sheets of the sulci, (N,) mm: the field's value over its slope.

    The field is read near the foot of each point's perpendicular on the nearer surface.
    """
    x, y, z = surface.points
    side = np.clip(x * np.float32(0.2), -1, 1)  # no seam where the hemispheres are joined
    nx, ny, nz = _normal(head, surface.points)
    medial = surface.medial
    reach = np.float32(0.8) * surface.out * (1 - medial)
    foot = (
        np.abs(x + reach * nx) * (1 - np.float32(0.8) * medial) + surface.bend[0],
        y + reach * ny + surface.bend[1],
        z + reach * nz + surface.bend[2],
    )
    cortex = head.cortex
    value, (gx, gy, gz) = value_and_slope(cortex.folds, cortex.side_offsets, foot, side)
    across = gx * nx * side + gy * ny + gz * nz  # the part that `reach` takes away
    slope = gx * gx + gy * gy + gz * gz - np.float32(0.9) * (1 - medial) * across * across
    distance: Array = np.abs(value) / np.maximum(np.sqrt(np.maximum(slope, 0)), np.float32(0.1))
    return distance


def _normal(head: Head, points: Points) -> Points:
    """Outward normal of the hull's ellipsoid through each point."""
    skull = head.skull
    nx = points[0] * np.float32(1 / skull.half_width**2)
    ny = (points[1] + 17) * np.float32(1 / skull.half_length**2)
    nz = (points[2] - 9) * np.float32(1 / skull.half_height**2)
    length = np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-6)
    return nx / length, ny / length, nz / length


def _sylvian(cortex: Cortex, points: Points) -> Array:
    """Distance to the lateral sulcus: the insula's sheet and the cleft that leads to it, mm."""
    x, y, z = points
    left, right = (np.float32(place) for place in cortex.insula)
    beyond = np.abs(x) - np.where(x < 0, left, right) + np.float32(0.008) * (y - 4) ** 2
    past_ends = np.maximum(np.abs(y - 3) - 21, 0)
    past_top = np.maximum(np.abs(z - 2) - 12, 0)
    insula = np.sqrt(beyond * beyond + past_ends * past_ends + past_top * past_top)
    tilt = np.float32(cortex.sylvian_tilt)
    cleft = (y - (18 - tilt * (z + 8)) + np.float32(0.15) * beyond) / np.sqrt(1 + tilt * tilt)
    past_ends = np.maximum(np.abs(z - 4) - 14, 0)
    short = np.maximum(-beyond, 0)
    cleft = np.sqrt(cleft * cleft + short * short + past_ends * past_ends)
    return smooth_min(insula, cleft, 2.0)
