"""Prepared slices in numbers, by which the gate compares them with those that were learned.

Five blocks: grey values on a 10 x 10 grid, halves averaged; their quantiles; the shape of the head;
how much texture there is at four scales; and how grey values change with depth.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.preprocessing.percentiles import quantiles
from mriad_model.preprocessing.slices import SliceBatch

Floats = NDArray[np.float64]

GRID: Final = 10  # cells a side
QUANTILES: Final = np.linspace(0.05, 0.95, 10)
SCALES: Final = (0.7, 1.4, 2.8, 5.6, 11.2)  # Gaussian sigmas, pixels of 128
DEPTHS: Final = (0.0, 0.08, 0.16, 0.3, 0.5, 0.75, 1.0)  # of the deepest; bounds of rings
WIDTHS: Final = {"grid": 50, "grey": 10, "shape": 6, "texture": 4, "depth": 7}
TOGETHER: Final = "together"  # all blocks as one
SMALLEST: Final = 1e-6


def described(slices: SliceBatch) -> dict[str, Floats]:
    """The blocks of prepared slices (N, S, S), (N, width) each; each slice for itself."""
    return blocks_of([_described(*each) for each in zip(slices.images, slices.masks, strict=True)])


def blocks_of(
    rows: Sequence[tuple[Floats, ...]], widths: Mapping[str, int] = WIDTHS
) -> dict[str, Floats]:
    """The rows of N slices, a block after another, by name, (N, width) each, and those `TOGETHER`.

    Together are the blocks of `WIDTHS` alone; `widths` may have more.
    """
    found = {
        name: np.array([row[place] for row in rows], np.float64).reshape(len(rows), width)
        for place, (name, width) in enumerate(widths.items())
    }
    return found | {TOGETHER: np.concatenate([found[name] for name in WIDTHS], axis=1)}


def _described(image: NDArray[np.float32], head: NDArray[np.bool_]) -> tuple[Floats, ...]:
    there = head if head.any() else np.ones_like(head)
    grey = quantiles(image[there].astype(np.float64), QUANTILES)
    return grid_of(image), grey, shape_of(there), *_texture_and_depth(image, there)


def grid_of(image: NDArray[np.float32]) -> Floats:
    """Grey values of a slice (S, S) on a grid, its halves averaged, (50,)."""
    grid = cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float64)
    halves = (grid + grid[:, ::-1])[:, : GRID // 2] / 2
    return np.asarray(halves.ravel())


def shape_of(head: NDArray[np.bool_]) -> Floats:
    """Aspect, fill of the bounding box, touch of its sides, outline, solidity, symmetry, (6,).

    Of a head (S, S) that is not empty.
    """
    rows, columns = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    box = head[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = box.shape
    sides = np.concatenate([box[0], box[-1], box[:, 0], box[:, -1]])
    outlines, _ = cv2.findContours(head.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    hull = max(float(cv2.contourArea(cv2.convexHull(outline))), 1.0)
    area, mirrored = float(head.sum()), head[:, ::-1]
    return np.array(
        [
            np.log(width / height),
            box.mean(),
            sides.mean(),
            len(outline) / np.sqrt(area) / 3,
            area / hull,
            (head & mirrored).sum() / (head | mirrored).sum(),
        ]
    )


def _texture_and_depth(
    image: NDArray[np.float32], head: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    scale = image.shape[-1] / 128
    smooth = [cv2.GaussianBlur(image, (0, 0), sigma * scale) for sigma in SCALES]
    texture = [
        np.log(np.abs(fine - coarse)[head].mean() + 1e-3) for fine, coarse in pairwise(smooth)
    ]
    inwards = np.asarray(cv2.distanceTransform(head.astype(np.uint8), cv2.DIST_L2, 3), np.float64)
    depth = inwards / max(float(inwards.max()), SMALLEST)
    middle = smooth[2]
    uneven = np.abs(middle - middle[:, ::-1])[head].mean() / (image[head].std() + 0.02)
    rings = [
        float(image[ring].mean()) if (ring := (depth > low) & (depth <= high)).any() else 0.0
        for low, high in pairwise(DEPTHS)
    ]
    return np.array(texture, np.float64), np.array([np.log(uneven + 0.02), *rings], np.float64)
