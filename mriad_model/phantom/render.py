"""Planes, slices and volumes of a seed's head."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.errors import SettingsError
from mriad_model.phantom.anatomy import envelope, paint_head, section_of
from mriad_model.phantom.head import Head, draw_head
from mriad_model.phantom.lesions import Infarct, Lesion, LesionShape, Mass, Territory, place
from mriad_model.phantom.scanner import (
    BRAIN,
    Canvas,
    Contrast,
    Tissue,
    acquire,
    axial_grid,
    draw_scanner,
    tissue_signals,
)
from mriad_model.phantom.shapes import Array, PlaneGrid

SMALLEST_SIZE = 32
_LESION_NUMBER = {lesion: number for number, lesion in enumerate(Lesion)}
_CONTRAST_NUMBER = {contrast: number for number, contrast in enumerate(Contrast)}


@dataclass(frozen=True, slots=True)
class PhantomPlane:
    """A plane before the scanner has touched it."""

    signal: Array  # (H, W) float32, white matter about 1
    lesion_mask: NDArray[np.bool_]  # (H, W)
    labels: NDArray[np.uint8]  # (H, W), Tissue values


@dataclass(frozen=True, slots=True)
class PhantomSlice:
    """An axial slice as a scanner would export it."""

    pixels: NDArray[np.uint8]  # (S, S)
    lesion_mask: NDArray[np.bool_]  # (S, S)


@dataclass(frozen=True, slots=True)
class PhantomVolume:
    """A head as a stack of axial planes, foot to head; rows run to the back, columns to x."""

    voxels: NDArray[np.uint16]  # (Z, Y, X), 16 times the scale of a slice's pixels
    lesion_mask: NDArray[np.bool_]  # (Z, Y, X)
    labels: NDArray[np.uint8]  # (Z, Y, X), Tissue values
    spacing: tuple[float, float, float]  # mm between voxels along Z, Y, X


def draw_plane(
    head: Head, contrast: Contrast, lesion: LesionShape | None, grid: PlaneGrid
) -> PhantomPlane:
    """Any plane of a head, without the scanner's share. The same point is the same tissue."""
    signals = tissue_signals(
        contrast, np.random.default_rng([head.seed, 2, _CONTRAST_NUMBER[contrast]])
    )
    canvas = Canvas(grid.shape, signals)
    section = section_of(head, grid)
    source = lesion.source_of(section) if isinstance(lesion, Mass) else section
    loss = lesion.sunken(section) if isinstance(lesion, Infarct) else None
    hull = paint_head(canvas, head, section, source, loss)
    mask = np.zeros(grid.shape, np.bool_)
    if lesion is not None:
        mask = lesion.paint(canvas, section, contrast, hull.cerebrum)
    _add_texture(canvas, head, grid)
    return PhantomPlane(canvas.signal, mask, canvas.labels)


def _add_texture(canvas: Canvas, head: Head, grid: PlaneGrid) -> None:
    """Tissue is never quite even: slow and fine changes of a few percent."""
    canvas.signal *= 1 + np.float32(0.015) * head.texture.on(grid)
    canvas.signal *= 1 + np.float32(0.018) * head.fine_texture.on(grid)


@lru_cache(maxsize=64)
def lesion_of(seed: int, lesion: Lesion) -> LesionShape:
    """The lesion that a seed's head gets, placed about the level that its slice shows."""
    head = draw_head(seed)
    rng = np.random.default_rng([seed, 3, _LESION_NUMBER[lesion]])
    grid = axial_grid(head.pose, head.pose.level, (96, 96))
    plane = draw_plane(head, Contrast.T1, None, grid)
    section = section_of(head, grid)
    hull = envelope(head, section).cerebrum
    white = (plane.labels == Tissue.WHITE) & (hull < -3)
    pixel = head.pose.field_of_view / 96
    depth = cv2.distanceTransform(white.astype(np.uint8), cv2.DIST_L2, 3) * np.float32(pixel)
    brain = np.isin(plane.labels, [int(t) for t in BRAIN])
    territory = Territory(
        points=section.points,
        cortex=brain & (np.abs(hull + 4) < 3) & (np.abs(section.points[0]) > 22),
        white=depth > 2.0,
        deep_white=(depth > 3.0) & (hull < -13),
    )
    return place(lesion, rng, territory)


def phantom_slice(
    seed: int, contrast: Contrast, lesion: Lesion | None = None, size: int = 256
) -> PhantomSlice:
    """The axial slice of a seed's head, with a lesion if given. SettingsError below size 32."""
    if size < SMALLEST_SIZE:
        raise SettingsError(f"a phantom of {size} pixels shows nothing; ask for 32 or more")
    head = draw_head(seed)
    return slice_at(
        head, contrast, None if lesion is None else lesion_of(seed, lesion), head.pose.level, size
    )


def slice_at(
    head: Head, contrast: Contrast, lesion: LesionShape | None, level: float, size: int
) -> PhantomSlice:
    """The axial slice at a level, mm, as its scanner exports it."""
    grid = axial_grid(head.pose, level, (size, size))
    plane = draw_plane(head, contrast, lesion, grid)
    scanner = draw_scanner(np.random.default_rng([head.seed, 4, _CONTRAST_NUMBER[contrast]]))
    noise = np.random.default_rng(
        [head.seed, 5, _CONTRAST_NUMBER[contrast], int(level * 1000) + 10**6]
    )
    image = acquire(plane.signal, scanner, grid, noise)
    return PhantomSlice(np.clip(image + 0.5, 0, 255).astype(np.uint8), plane.lesion_mask)


def phantom_volume(
    seed: int,
    contrast: Contrast,
    lesion: Lesion | None = None,
    shape: tuple[int, int, int] = (180, 256, 256),
) -> PhantomVolume:
    """The whole head of a seed, from the skull's base to above the vertex."""
    head = draw_head(seed)
    solid = None if lesion is None else lesion_of(seed, lesion)
    scanner = draw_scanner(np.random.default_rng([seed, 4, _CONTRAST_NUMBER[contrast]]))
    noise = np.random.default_rng([seed, 6, _CONTRAST_NUMBER[contrast]])
    voxels = np.empty(shape, np.uint16)
    mask, labels = np.empty(shape, np.bool_), np.empty(shape, np.uint8)
    for number, level in enumerate(volume_levels(shape[0])):
        grid = axial_grid(head.pose, level, (shape[1], shape[2]))
        plane = draw_plane(head, contrast, solid, grid)
        image = acquire(plane.signal, scanner, grid, noise)
        voxels[number] = np.clip(image * 16 + 0.5, 0, 65535).astype(np.uint16)
        mask[number], labels[number] = plane.lesion_mask, plane.labels
    pixel = head.pose.field_of_view / max(shape[1:])
    step = float(np.diff(volume_levels(shape[0])[:2])[0]) if shape[0] > 1 else 1.0
    return PhantomVolume(voxels, mask, labels, (step, pixel, pixel))


def volume_levels(n_planes: int) -> NDArray[np.float64]:
    """Heights of a volume's planes, mm: 180 mm from the skull's base to above the vertex."""
    middles = np.arange(n_planes, dtype=np.float64) + 0.5
    return -75.0 + middles * (180.0 / n_planes)
