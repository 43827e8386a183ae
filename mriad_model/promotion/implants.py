"""Lesions implanted in healthy scans: known to be there, in anatomy that is real.

A hospital that has healthy scans seldom has labelled lesions, so models are compared on implanted
ones. They are drawn by seed into pixels or voxels as stored, before any preprocessing, inside the
head and away from its edge; texture shows through, edges are soft and uneven, and contrast runs
from plain to subtle. They are no anatomy: what they measure is whether one model finds what
another finds, not how well either does on patients (cf. FPI, Tan et al. 2021, and CutPaste,
Li et al. 2021, which train on such implants).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.phantom.lesions import Lesion
from mriad_model.preprocessing.foreground import bounding_box, head_mask
from mriad_model.preprocessing.slices import Pixels
from mriad_model.preprocessing.slicing import cut
from mriad_model.promotion.power import ImplantKind
from mriad_model.readers.images.reading import ImageScan
from mriad_model.readers.scan_types import ReadScan
from mriad_model.readers.volume.geometry import canonical, canonical_affine, voxel_spacing
from mriad_model.readers.volume.volumes import Volume

HEAD_LENGTH = 190.0  # mm, the longer side of a head; pictures say nothing of their scale
DEPTH = 0.3  # of the way from the head's edge to its middle: where lesions' middles lie
SKULL = (0.12, 0.2)  # of that way: no lesion reaches beyond the first; it is whole from the second
RAMP = 2.5  # mm over which a lesion's edge fades
LEVELS = (0.4, 0.85)  # of a volume's slices with head, from the lowest: where lesions are placed
SPOTS = 3.0  # of spots' radius: that of the place they lie in
Floats = NDArray[np.float32]
Implanted = Lesion | ImplantKind


@dataclass(frozen=True, slots=True)
class _Blob:
    """Part of a lesion: an uneven ellipsoid whose grey value is drawn towards another."""

    centre: NDArray[np.float64]  # (D,) mm
    axes: NDArray[np.float64]  # (D,) mm
    level: float  # 0 is the darkest of the brain, 1 the brightest; beyond is possible
    strength: float  # 0..1


def implanted_scan(scan: ReadScan, kind: Lesion, seed: str) -> ReadScan:
    """A scan with a lesion in it. Raises RejectedFile as `implanted_volume` does."""
    if isinstance(scan, ImageScan):
        return replace(scan, pixels=implanted_slice(scan.pixels, kind, seed)[0])
    return implanted_volume(scan, kind, seed)[0]


def sized_implant(
    scan: ReadScan, kind: ImplantKind, seed: str, radii: tuple[float, float]
) -> tuple[ReadScan, float]:
    """A scan with a lesion of a radius between these (mm), and how large it came out.

    The size is the diameter (mm) of a disc, or of a volume a ball, as large as what was changed; of
    a picture it takes the head for `HEAD_LENGTH` long. Raises RejectedFile as `implanted_volume`.
    """
    if isinstance(scan, ImageScan):
        pixels, mask = implanted_slice(scan.pixels, kind, seed, radii)
        side = millimetres_a_pixel(scan.pixels)
        return replace(scan, pixels=pixels), 2 * side * float(np.sqrt(mask.sum() / np.pi))
    volume, mask = implanted_volume(scan, kind, seed, radii)
    z, y, x = mask.shape
    voxel = float(np.prod(voxel_spacing(canonical_affine((z, y, x), volume.affine))))
    return volume, 2 * float(np.cbrt(mask.sum() * voxel * 3 / (4 * np.pi)))


def millimetres_a_pixel(pixels: Pixels) -> float:
    """The side of a picture's pixel, were its head (H, W) `HEAD_LENGTH` long."""
    return _millimetres(_depth(head_mask(pixels)) >= DEPTH)


def _millimetres(inner: NDArray[np.bool_]) -> float:
    """The side of a picture's pixel, by the extent of what lies deep in the head."""
    _, _, height, width = bounding_box(inner)
    return (1 - DEPTH / 2) * HEAD_LENGTH / max(height, width)


def implanted_slice(
    pixels: Pixels, kind: Implanted, seed: str, radii: tuple[float, float] | None = None
) -> tuple[Pixels, NDArray[np.bool_]]:
    """A slice (H, W), 8 or 16 bit, with a lesion in it, and the lesion's mask (H, W)."""
    rng = _generator(kind, seed)
    depth = _depth(head_mask(pixels))
    inner = depth >= DEPTH
    millimetres = _millimetres(inner)
    values = pixels.astype(np.float32)
    place = _pick(rng, inner)
    mask = _paint(values, (millimetres, millimetres), depth, kind, place, rng, radii)
    whole = np.rint(np.clip(values, 0, np.iinfo(pixels.dtype).max))
    return cast("Pixels", whole.astype(pixels.dtype)), mask


def implanted_volume(
    volume: Volume, kind: Implanted, seed: str, radii: tuple[float, float] | None = None
) -> tuple[Volume, NDArray[np.bool_]]:
    """A volume with a lesion in it, and the lesion's mask (Z, Y, X) on the volume's grid.

    Raises:
        RejectedFile: `no_signal` where no head stands out of the air.
    """
    rng = _generator(kind, seed)
    voxels = np.array(volume.voxels)
    mask = np.zeros(voxels.shape, np.bool_)
    z, y, x = voxels.shape
    spacing = voxel_spacing(canonical_affine((z, y, x), volume.affine))
    head, view = canonical(voxels, volume.affine), canonical(mask, volume.affine)
    positions = cut(volume).positions
    low, high = (int(share * (len(positions) - 1)) for share in LEVELS)
    level = positions[int(rng.integers(low, high + 1))]
    plane = np.asarray(head[:, :, level], np.float32)
    reach = max(float(plane.max() - plane.min()), 1e-6)
    depth = _depth(head_mask(np.rint((plane - plane.min()) * (65535 / reach)).astype(np.uint16)))
    place = (*_pick(rng, depth >= DEPTH), level)
    values = np.asarray(head, np.float32).copy()
    view[:] = _paint(values, spacing, depth, kind, place, rng, radii, plane)
    if voxels.dtype != np.float32:
        limits = np.iinfo(voxels.dtype)
        values = np.rint(np.clip(values, limits.min, limits.max))
    head[:] = values.astype(voxels.dtype)
    return replace(volume, voxels=voxels), mask


def _generator(kind: Implanted, seed: str) -> np.random.Generator:
    digest = sha256(f"{seed}:{kind.value}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8]))


def _depth(head: NDArray[np.bool_]) -> Floats:
    """How deep in a head (H, W) each place lies: 0 at its edge and beyond, 1 in the middle."""
    depth = cv2.distanceTransform(np.pad(head.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray(depth / depth.max(), np.float32)


def _pick(rng: np.random.Generator, inner: NDArray[np.bool_]) -> tuple[int, int]:
    row, column = np.unravel_index(rng.choice(np.flatnonzero(inner)), inner.shape)
    return int(row), int(column)


def _paint(
    values: Floats,
    spacing: Sequence[float],
    depth: Floats,
    kind: Implanted,
    place: Sequence[int],
    rng: np.random.Generator,
    radii: tuple[float, float] | None = None,
    plane: Floats | None = None,
) -> NDArray[np.bool_]:
    """Change `values` (D axes of these spacings, mm) about a place; where they were changed.

    `depth` (H, W) is of the head in `plane`, which shows what grey values the brain has. It is
    taken for the depth at all levels of a volume, which it is near to within a lesion's reach.
    """
    inner = depth >= DEPTH
    within = np.clip((depth - SKULL[0]) / (SKULL[1] - SKULL[0]), 0, 1)
    dark, middle, bright = np.percentile((values if plane is None else plane)[inner], (5, 50, 95))
    reach = max(float(bright - dark), 1e-3 * abs(float(middle)), 1e-6)
    centre = np.array(place, np.float64) * spacing
    mask = np.zeros(values.shape, np.bool_)
    for blob in _lesion(kind, centre, rng, radii):
        margin = 1.5 * blob.axes + 2 * RAMP
        box = tuple(
            slice(max(0, int((c - m) / s)), min(side, int((c + m) / s) + 2))
            for c, m, s, side in zip(blob.centre, margin, spacing, values.shape, strict=True)
        )
        share = _share(blob, box, spacing, rng) * np.float32(blob.strength)
        share *= within[box[:2]].reshape(*share.shape[:2], *[1] * (share.ndim - 2))
        target = np.float32(dark + blob.level * reach)
        smooth = _smoothed(values[box], spacing)
        values[box] += share * (target - smooth)  # texture stays: only what is coarse is replaced
        mask[box] |= share >= 0.5 * blob.strength
    return mask


def _lesion(
    kind: Implanted,
    centre: NDArray[np.float64],
    rng: np.random.Generator,
    radii: tuple[float, float] | None,
) -> list[_Blob]:
    """The parts of a lesion: subtle to plain, or of a radius between these (mm), and plain."""
    plain = radii is not None
    strength = float(rng.uniform(0.85 if plain else 0.5, 1.0))
    if kind in (ImplantKind.INFARCT, ImplantKind.OEDEMA):
        axes = rng.uniform(*radii or (13, 28)) * rng.uniform(0.7, 1.3, len(centre))
        dark = kind == ImplantKind.INFARCT
        level = rng.uniform(-0.15, 0.15) if dark else rng.uniform(1.3, 1.8)
        return [_Blob(centre, axes, float(level), strength)]
    if kind == ImplantKind.MASS:
        axes = rng.uniform(*radii or (10, 21)) * rng.uniform(0.8, 1.2, len(centre))
        rim, core = float(rng.uniform(1.0, 1.5)) + 0.3 * plain, float(rng.uniform(0.0, 0.4))
        return [
            _Blob(centre, axes, rim, strength),
            _Blob(centre, axes * rng.uniform(0.4, 0.75), core, strength),
        ]
    level = float(rng.choice([-0.1, 1.15]))  # dark on T1, bright on T2 and FLAIR
    spots, reach = (3.0, 7.5), 16.0
    if radii is not None:
        spots, reach = (radii[0] / SPOTS, radii[1] / SPOTS), sum(radii) / 2
        level = level + 0.4 if level > 0 else level - 0.2
    return [
        _Blob(
            centre + rng.normal(0, reach, len(centre)) * (number > 0),
            rng.uniform(*spots) * rng.uniform(0.8, 1.25, len(centre)),
            level,
            strength,
        )
        for number in range(int(rng.integers(5, 14)))
    ]


def _share(
    blob: _Blob, box: tuple[slice, ...], spacing: Sequence[float], rng: np.random.Generator
) -> Floats:
    """How much of each place in the box the blob takes, 0..1."""
    axes = [
        (np.arange(b.start, b.stop) * s - c) / a
        for b, s, c, a in zip(box, spacing, blob.centre, blob.axes, strict=True)
    ]
    grid: list[Any] = list(np.meshgrid(*axes, indexing="ij", sparse=True))
    radius = np.sqrt(sum(each * each for each in grid))
    for _ in range(4):  # waves make the edge uneven
        wave, phase = rng.normal(0, 2.2, len(grid)), rng.uniform(0, 2 * np.pi)
        along = sum(w * each for w, each in zip(wave, grid, strict=True))
        radius = radius + 0.07 * np.sin(along + phase)
    distance = (radius - 1) * float(blob.axes.mean())  # mm, negative inside
    return np.asarray(np.clip(0.5 - distance / RAMP, 0, 1), np.float32)


def _smoothed(values: NDArray[Any], spacing: Sequence[float]) -> Floats:
    """Under a Gaussian of 3 mm along the first two axes; a third is left as it is."""
    rows, columns = (max(0.3, 3.0 / s) for s in spacing[:2])
    contiguous = np.ascontiguousarray(values, np.float32)
    flat = contiguous.reshape(contiguous.shape[0], contiguous.shape[1], -1)
    planes = [
        cv2.GaussianBlur(flat[:, :, i].copy(), (0, 0), sigmaX=columns, sigmaY=rows)
        for i in range(flat.shape[2])
    ]
    return np.stack(planes, axis=-1).reshape(contiguous.shape).astype(np.float32)
