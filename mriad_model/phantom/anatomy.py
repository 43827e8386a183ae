"""A head on one plane: from the numbers of a Head to tissues, painted back to front.

Everything is a signed distance evaluated at the plane's points, so that any plane of a head, in
any pose, agrees with any other.
"""

from dataclasses import dataclass

import numpy as np

from mriad_model.phantom.cortex import paint_cerebrum
from mriad_model.phantom.deep_structures import paint_deep
from mriad_model.phantom.head import Head
from mriad_model.phantom.scanner import Canvas, Tissue
from mriad_model.phantom.shapes import (
    Array,
    PlaneGrid,
    Points,
    Section,
    ellipsoid,
    inside,
    smooth_max,
    smooth_min,
    tube,
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Distances of a section's points to the surfaces that hold all else, (H, W) mm."""

    vault: Array  # to the cerebrum's smooth hull, were it a whole ellipsoid
    cerebrum: Array
    cerebellum: Array
    brainstem: Array


def section_of(head: Head, grid: PlaneGrid) -> Section:
    """The grid's points, moved by the head's smooth warp: no head is quite symmetric."""
    size, meander = np.float32(head.warp_size), np.float32(head.cortex.meander_size)
    bx, by, bz = (meander * m.on(grid) for m in head.cortex.meander)
    x, y, z = (p + size * w.on(grid) for p, w in zip(grid.points(), head.warp, strict=True))
    return Section(grid, (x, y, z), (bx, by, bz))


def paint_head(
    canvas: Canvas, head: Head, section: Section, source: Section, loss: Array | None
) -> Envelope:
    """Paint all healthy tissue.

    `source` is where the brain's tissue lay before anything pushed it: the skull stays. `loss`
    is by how many mm the brain has shrunk, (H, W).
    """
    hull = envelope(head, section)
    _paint_wrappings(canvas, head, section, hull)
    if float(section.points[2].min()) < 14:
        _paint_hindbrain(canvas, head, section, hull)
    paint_cerebrum(canvas, head, source, hull.cerebrum, loss)
    paint_deep(canvas, head.deep, source.bent(0.35))
    return hull


def vault_distance(head: Head, points: Points) -> Array:
    """Distance to the hull of the cerebrum: an ellipsoid, squarer, and narrower in front."""
    skull = head.skull
    x, y, z = points[0], points[1] + 17, points[2] - 9
    ax, ay, az = skull.half_width, skull.half_length, skull.half_height
    y = y * np.float32(1 / ay)
    x = x / (np.float32(ax) * (1 - np.float32(skull.taper) * y))
    z = z * np.float32(1 / az)
    xx, yy, zz = x * x, y * y, z * z
    corner = np.float32(skull.squareness) * xx * yy * np.exp(np.float32(-0.5) * (xx + yy))
    radius = np.sqrt(np.maximum(xx + yy + zz - corner, 1e-6))
    slope = np.sqrt(xx / ax**2 + yy / ay**2 + zz / az**2) + np.float32(1e-5)
    distance: Array = (radius - 1) * radius / slope
    return distance


def envelope(head: Head, section: Section) -> Envelope:
    """The large surfaces at a section's points."""
    points = section.points
    vault = vault_distance(head, points) + np.float32(0.9) * head.skull.lumps.on(section.grid)
    if float(points[2].min()) > 30:  # well above the cerebrum's underside
        far = np.full_like(vault, 99)
        return Envelope(vault, vault, far, far)
    x, y, z = section.bent(0.8)
    under = (_floor(x, y) - z) * np.float32(0.8)
    cerebellum = ellipsoid(points, (0, -58, -27), (54, 35, 32))
    return Envelope(
        vault=vault,
        cerebrum=smooth_max(vault, under, 8.0),
        cerebellum=smooth_max(cerebellum, np.float32(0.9) - under, 2.0),
        brainstem=tube(points, [(0, -20, -4), (0, -27, -28), (0, -36, -70)], [13, 14, 8]),
    )


def _floor(x: Array, y: Array) -> Array:
    """Height of the cerebrum's underside, mm: temporal lobes hang low, the tent rises behind."""
    temporal = np.exp(-(((np.abs(x) - 42) / 19) ** 2) - ((y + 8) / 26) ** 2)
    tent = 1 / (1 + np.exp((y + 38) / 6))
    stem = np.exp(-((x / 17) ** 2) - ((y + 22) / 22) ** 2)
    apex = np.exp(-((x / 20) ** 2) - ((y + 48) / 26) ** 2)
    floor: Array = -22 - 22 * temporal + tent * (8 + 15 * apex) + 18 * (1 - tent) * stem
    return floor


def _paint_wrappings(canvas: Canvas, head: Head, section: Section, hull: Envelope) -> None:
    """Skin, fat, muscle, the two tables of bone with marrow between, dura, CSF."""
    z = section.points[2]
    skull = head.skull
    thick: Array = np.tanh(skull.thickness.on(section.grid))  # so that no bump outgrows its bone
    bone = np.float32(skull.bone) * (1 + np.float32(0.16) * thick)
    uneven = np.float32(0.03) * section.bend[0] - np.float32(0.13) * thick
    scalp = np.float32(skull.scalp) * (uneven + np.float32(1))
    csf = np.float32(skull.csf)
    above = np.minimum(smooth_max(hull.vault, -26 - z, 4.0), hull.cerebrum)
    below = np.minimum(hull.cerebellum, hull.brainstem - 5)
    cavity = smooth_min(above, below, 6.0) - csf
    outer = hull.vault - csf - bone - scalp
    low = float(z.min()) < 25
    if low:
        face = ellipsoid(section.points, (0, 6, -62), (66, 84, 62))
        neck = ellipsoid(section.points, (0, -34, -100), (60, 62, 70))
        outer = smooth_min(outer, smooth_min(face, neck, 30.0), 20.0)
        outer = np.minimum(outer, cavity - bone - scalp)
    canvas.paint(Tissue.SKIN, inside(outer))
    canvas.paint(Tissue.FAT, inside(outer + np.float32(1.6)))
    if low:
        _paint_muscle(canvas, section, cavity, outer)
    canvas.paint(Tissue.BONE, inside(cavity - bone))
    marrow = np.float32(0.2) + np.float32(0.1) * thick
    marrow = np.abs(cavity - bone * np.float32(0.5)) - bone * marrow
    base = np.clip((-14 - z) * np.float32(0.04), 0, 1)  # 0 over the vault, 1 at the base
    canvas.paint(Tissue.MARROW, inside(marrow, 1.6) * (1 - base))
    if float(z.min()) < -16:
        _paint_face(canvas, section.points, outer)
    canvas.paint(Tissue.DURA, inside(cavity))
    canvas.paint(Tissue.CSF, inside(cavity + np.float32(0.9)))


def _paint_muscle(canvas: Canvas, section: Section, cavity: Array, outer: Array) -> None:
    """The temporal muscles beside the skull, and the neck's and jaw's below it."""
    points = section.points
    temporal = ellipsoid(points, (0, 18, -18), (82, 30, 36))
    temporal = np.maximum(np.maximum(temporal, 4 - cavity), outer + 4)
    temporal = np.maximum(temporal, 40 - np.abs(points[0]))
    canvas.paint(Tissue.MUSCLE, inside(temporal, 2.0))
    below = inside(np.maximum(outer + 9, points[2] + 34), 4.0)
    canvas.paint(Tissue.MUSCLE, below)
    seams = np.clip(1.2 - np.abs(section.bend[0]) - 0.3 * np.abs(section.bend[1]), 0, 0.8)
    canvas.paint(Tissue.FAT, (below * seams).astype(np.float32))


def _paint_face(canvas: Canvas, points: Points, outer: Array) -> None:
    """Orbits with their eyes and muscles, sinuses, petrous bone."""
    for side in (-1, 1):
        orbit = ellipsoid(points, (31 * side, 48, -34), (17, 28, 16))
        muscle = tube(points, [(30 * side, 52, -34), (12 * side, 28, -32)], [2, 2])
        canvas.paint(Tissue.FAT, inside(np.maximum(orbit, outer + 2), 2))
        eye = ellipsoid(points, (32 * side, 56, -34), (12, 12, 12))
        canvas.paint(Tissue.EYE, inside(np.maximum(eye, outer + 2)))
        canvas.paint(Tissue.MUSCLE, inside(muscle))
        sinus = ellipsoid(points, (11 * side, 62, -44), (9, 22, 16))
        canvas.paint(Tissue.AIR, inside(sinus, 2))
        petrous = ellipsoid(points, (52 * side, -28, -40), (22, 10, 10))
        canvas.paint(Tissue.BONE, inside(petrous, 3))
    canvas.paint(Tissue.AIR, inside(ellipsoid(points, (0, 10, -72), (11, 8, 24)), 2))


def _paint_hindbrain(canvas: Canvas, head: Head, section: Section, hull: Envelope) -> None:
    """Cerebellum with its leaves, brainstem, fourth ventricle."""
    cerebellum = hull.cerebellum
    points = section.points
    canvas.paint(Tissue.GREY, inside(cerebellum))
    ripple = head.fine_texture.on(section.grid)
    leaves = np.sin(np.float32(1.7) * cerebellum + np.float32(0.5) * ripple)
    shallow = inside(cerebellum) * inside(-(cerebellum + 13), 4)
    canvas.paint(Tissue.CSF, shallow * np.clip(leaves - np.float32(0.55), 0, 0.5))
    canvas.paint(
        Tissue.WHITE,
        inside(cerebellum + 8 + leaves + ripple + section.bend[2] * np.float32(0.8), 2.5),
    )
    canvas.paint(Tissue.BRAINSTEM, inside(hull.brainstem))
    canvas.paint(Tissue.CSF, inside(ellipsoid(points, (0, -43, -32), (8, 5, 12))))
