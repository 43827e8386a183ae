"""Where the head is in a slice: the large bright thing in the middle, scalp included.

Exported pictures carry frames, margins and burned-in text. Plain edges are peeled off first; of
the bright regions left, the head is the one whose hull weighs most near the centre, together
with those around it of like extent (a scalp apart from its brain). A head is nearly convex, so
the hull itself is the mask: it does not depend on how dark skull and fluid are.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.preprocessing.percentiles import percentile

BRIGHT = 0.1  # of the way from air to the 99th percentile; noise lies below
WHITE = 0.6  # of the 99th percentile; a margin or frame lies above
WHITE_EDGE = 0.85  # share of white pixels that makes a row a margin
BLANK_EDGE = 0.01  # share of bright pixels below which a row is blank
FRAMED_AIR = 0.4  # of the 99th percentile; a border brighter than this is not air
SMALLEST_SHARE = 0.02  # of the picture; less is no head
SMALLEST_SIDE = 8  # pixels
SPARSE = 0.06  # share of its hull; a region with less in it is a line drawing or a frame
THICK = np.ones((5, 5), np.uint8)  # a drawn line is thinner than this, in pixels
ACROSS, DOWN = np.ones((1, 65), np.uint8), np.ones((65, 1), np.uint8)  # a scalp is not so straight
SAME_EXTENT = 0.5  # of the head's central weight; a region with more belongs to the head
Box = tuple[int, int, int, int]  # top, left, height, width
Pixel = tuple[int, int]


def head_mask(pixels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The head in `pixels` (H, W), holes filled; all True where none is found, (H, W) bool."""
    values = np.asarray(pixels, np.float32)
    top, left, height, width = _without_margins(values)
    rows, columns = slice(top, top + height), slice(left, left + width)
    head = _central_hull(_without_lines(_bright(values[rows, columns])))
    if head is None:
        return np.ones(values.shape, np.bool_)
    mask = np.zeros(values.shape, np.bool_)
    mask[rows, columns] = head
    return mask


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """The box around the True part of `mask` (H, W), which must not be empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1


def _without_margins(values: NDArray[np.float32]) -> Box:
    """What is left of `values` (H, W) when blank and white edges are peeled off."""
    top_value = _top_value(values)
    # Sums over all rectangles from the corner: any edge is then counted in four look-ups.
    white = cv2.integral((values > WHITE * top_value).astype(np.uint8)).data
    bright = cv2.integral((values > BRIGHT * top_value).astype(np.uint8)).data
    top, bottom, left, right = 0, values.shape[0], 0, values.shape[1]

    def plain(top: int, bottom: int, left: int, right: int) -> bool:
        size = (bottom - top) * (right - left)
        corners = (bottom, right), (top, right), (bottom, left), (top, left)
        return _sum(bright, *corners) < BLANK_EDGE * size or (
            _sum(white, *corners) > WHITE_EDGE * size
        )

    peeling = True
    while peeling and min(bottom - top, right - left) > SMALLEST_SIDE:
        edges = (
            plain(top, top + 1, left, right),
            plain(bottom - 1, bottom, left, right),
            plain(top, bottom, left, left + 1),
            plain(top, bottom, right - 1, right),
        )
        top, bottom = top + edges[0], bottom - edges[1]
        left, right = left + edges[2], right - edges[3]
        peeling = any(edges)
    if peeling:
        return 0, 0, *values.shape
    return top, left, bottom - top, right - left


def _sum(sums: memoryview, last: Pixel, above: Pixel, before: Pixel, first: Pixel) -> int:
    """What lies in a rectangle, by the sums of all rectangles from the corner."""
    found: int = sums[last] - sums[above] - sums[before] + sums[first]
    return found


def _bright(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """1 where `values` (H, W) are not air, be the air black, grey or white."""
    top_value = _top_value(values)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    air = percentile(border, 25)
    if air <= FRAMED_AIR * top_value:
        return (values > air + BRIGHT * top_value).astype(np.uint8)
    bright = (values > BRIGHT * top_value).astype(np.uint8)
    if air <= WHITE * top_value:
        return bright
    white = np.pad((values > WHITE * top_value).astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(white, None, (0, 0), 2)  # the white that hangs together with the border
    bright[white[1:-1, 1:-1] == 2] = 0
    return bright


def _top_value(values: NDArray[np.float32]) -> float:
    """The 99th percentile of `values` (H, W), from every second row and column."""
    return percentile(values[::2, ::2], 99)


def _without_lines(bright: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`bright` (H, W) without the long straight lines that frames and rulers are drawn with."""
    thin = cv2.subtract(bright, cv2.morphologyEx(bright, cv2.MORPH_OPEN, THICK))
    for line, axis in ((ACROSS, 1), (DOWN, 0)):
        # What lies outside counts as drawn: half a line at the edge is one. Few pictures have any.
        least = min(line.size // 2 + 1, thin.shape[axis])
        if cv2.reduce(thin, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).max() >= least:
            drawn = cv2.morphologyEx(thin, cv2.MORPH_OPEN, line)
            bright = np.asarray(cv2.subtract(bright, drawn), np.uint8)
    return bright


def _central_hull(bright: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The hull of the `bright` (H, W) region in the middle, and of what shares its extent."""
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    weights = _central_weights(bright.shape)
    found: list[tuple[float, NDArray[np.int32]]] = []
    smallest = SMALLEST_SHARE * bright.size
    for outline in outlines:
        _, _, width, height = cv2.boundingRect(outline)
        if (width - 1) * (height - 1) < smallest:  # its hull is no larger: specks, hundreds of them
            continue
        hull = np.asarray(cv2.convexHull(outline), np.int32)
        if cv2.contourArea(hull) < smallest:
            continue
        inside = _drawn(hull, bright.shape)
        if np.count_nonzero(bright[inside]) >= SPARSE * np.count_nonzero(inside):
            found.append((float(weights[inside].sum()), hull))
    most = max((weight for weight, _ in found), default=0.0)
    if most <= 0:
        return None
    together = [hull for weight, hull in found if weight > SAME_EXTENT * most]
    return _drawn(np.asarray(cv2.convexHull(np.concatenate(together)), np.int32), bright.shape)


def _drawn(hull: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The inside of a convex outline, `shape` bool."""
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), hull, 1).astype(np.bool_)


@lru_cache(maxsize=64)
def _central_weights(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """1 at the centre, 0 on the inscribed ellipse and beyond, (H, W)."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    weights = np.asarray(np.maximum(1 - np.sqrt(y * y + x * x), 0), np.float32)
    weights.flags.writeable = False  # shared by all who ask
    return weights


SMALLEST_INTERIOR = 0.2  # of the foreground; if less is left, the edge is not taken off


def interiors(masks: NDArray[np.bool_], erosion: int) -> NDArray[np.bool_]:
    """Foregrounds `masks` (N, S, S) less `erosion` pixels at the edge; never an empty one."""
    kept = np.empty_like(masks)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * erosion + 1, 2 * erosion + 1))
    for i, mask in enumerate(masks):
        inner = cv2.erode(mask.view(np.uint8), kernel, borderValue=0).view(np.bool_)
        if np.count_nonzero(inner) < SMALLEST_INTERIOR * np.count_nonzero(mask):
            inner = mask
        kept[i] = inner if inner.any() else True
    return kept
