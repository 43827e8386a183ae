"""Where the head is in a slice: the one bright thing that stands in the middle.

Web and scanner exports carry frames, margins and burned-in text. A head is told from them by
where it lies: the largest connected bright region, counted by its weight near the centre.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

BRIGHT = 0.12  # of the 99th percentile: air and noise lie below
OPENING = np.ones((3, 3), np.uint8)  # parts text and thin frames from the head
SMALLEST_SHARE = 0.02  # of the picture; less is no head


def head_mask(pixels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The head in `pixels` (H, W), holes filled; all True where none can be told, (H, W) bool."""
    values = np.asarray(pixels, np.float32)
    level = BRIGHT * float(np.percentile(values, 99))
    bright = cv2.morphologyEx((values > level).astype(np.uint8), cv2.MORPH_OPEN, OPENING)
    n_regions, regions, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
    if n_regions < 2:
        return np.ones(values.shape, np.bool_)
    central = np.bincount(regions.ravel(), _central_weights(values.shape).ravel(), n_regions)
    central[0] = 0.0  # the background
    head = int(np.argmax(central))
    if stats[head, cv2.CC_STAT_AREA] < SMALLEST_SHARE * values.size:
        return np.ones(values.shape, np.bool_)
    outlines, _ = cv2.findContours(
        (regions == head).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    filled = np.zeros(values.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled.astype(np.bool_)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the True part of `mask` (H, W), which must not be empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1


def _central_weights(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """1 at the centre, 0 at the border and beyond the inscribed ellipse, (H, W)."""
    y = np.linspace(-1, 1, shape[0])[:, None]
    x = np.linspace(-1, 1, shape[1])[None, :]
    return np.asarray(np.clip(1 - np.hypot(y, x), 0, None), np.float64)
