"""Prepared slices in numbers, looked at more closely: as `descriptions`, and the head's outline.

Where the prepared head holds dim ground beside the head (grey frames, noise, letters), what is
bright is cut out and looked at alone. Texture is taken on a pyramid, each octave at half the size.
Two blocks are new: the outline, how straight it runs and how like an ellipse it is, for pictures
that are cut off are straight; and the ring, how bright and closed the skull is, for in CT it is.
"""

from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.decisions.descriptions import (
    DEPTHS,
    QUANTILES,
    SMALLEST,
    WIDTHS,
    Floats,
    blocks_of,
    grid_of,
    shape_of,
)
from mriad_model.preprocessing.percentiles import quantiles
from mriad_model.preprocessing.slices import SliceBatch

Image = NDArray[np.float32]
Head = NDArray[np.bool_]

OUTLINE: Final = "outline"  # (4,)
RING: Final = "ring"  # (11,)
CLOSE_WIDTHS: Final = WIDTHS | {OUTLINE: 4, RING: 11}
DIM: Final = 0.2  # of the grey values' range; ground is darker
SPECK: Final = 100 / 128**2  # of the slice: what covers no more is noise or a letter
LARGELY: Final = 0.9  # of the prepared head: where so much is bright, it is as it should be
LEAST: Final = 0.05  # of it: less is no head
MARGIN: Final = 0.03  # air left around, as in preparation
FIRST_SIGMA: Final = 0.7  # of the finest Gaussian, pixels of 128
OCTAVE_SIGMA: Final = 0.7 * 3**0.5  # from one octave to the next, in its own pixels
OCTAVES: Final = 4
UNEVEN_AFTER: Final = 2  # octaves, a Gaussian of 2.8: what differs from side to side in it
TOLERANCE: Final = 1.0  # pixels of 128 by which an outline may miss a straight line
LONG: Final = 0.1  # of the outline: a straight piece so long is rare in a head
ANGLES: Final = 72  # rays, on which the skull is looked for
RADII: Final = 64  # places on a ray
REACH: Final = 0.75  # of a ray, in sides of the slice
OUTER: Final = 0.6  # of a ray, from where on the skull is looked for
BRIGHT: Final = 0.7  # of the grey values' range
WHITE: Final = 0.95
RAYS: Final = (7, 18, 36)  # of the rays in order: tenth, quarter, half
DEEP: Final = 0.4  # of the deepest
DEEP_SHARES: Final = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


def described_closely(slices: SliceBatch) -> dict[str, Floats]:
    """The blocks of prepared slices (N, S, S), (N, width) each; each slice for itself."""
    rows = [_described(*each) for each in zip(slices.images, slices.masks, strict=True)]
    return blocks_of(rows, CLOSE_WIDTHS)


def tightened(image: Image, head: Head) -> tuple[Image, Head]:
    """A prepared slice and its head (S, S), framed anew around what is bright in it.

    As they are where all of the head is bright, as it is in nearly all scans.
    """
    size = image.shape[0]
    bright = (image > DIM).view(np.uint8)
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hulls = [np.asarray(cv2.convexHull(each), np.int32) for each in outlines]
    large = [each for each in hulls if cv2.contourArea(each) > SPECK * size * size]
    if not large:
        return image, head
    hull = np.asarray(cv2.convexHull(np.concatenate(large)), np.int32)
    if not LEAST < cv2.contourArea(hull) / max(1, int(np.count_nonzero(head))) < LARGELY:
        return image, head
    left, top, width, height = cv2.boundingRect(hull)
    side = max(width, height) * (1 + 2 * MARGIN)
    across, down = left + (width - side) / 2, top + (height - side) / 2
    onto = np.array([[side / size, 0, across], [0, side / size, down]])
    inside = cv2.fillConvexPoly(np.zeros((size, size), np.uint8), hull, 1)
    kept = np.where(inside > 0, image, np.float32(0))
    cut = [
        cv2.warpAffine(each, onto, (size, size), flags=how | cv2.WARP_INVERSE_MAP)
        for each, how in ((kept, cv2.INTER_LINEAR), (inside, cv2.INTER_NEAREST))
    ]
    return np.asarray(cut[0], np.float32), cut[1] > 0


def _described(image: Image, head: Head) -> tuple[Floats, ...]:
    image, head = tightened(image, head)
    there = head if head.any() else np.ones_like(head)
    values = image[there]
    inwards = cv2.distanceTransform(there.view(np.uint8), cv2.DIST_L2, 3)[there]
    depth = inwards / max(float(inwards.max()), SMALLEST)
    texture, uneven = _texture(image, there)
    rings = [
        float(values[ring].mean()) if (ring := (depth > low) & (depth <= high)).any() else 0.0
        for low, high in pairwise(DEPTHS)
    ]
    return (
        grid_of(image),
        quantiles(values.astype(np.float64), QUANTILES),
        shape_of(there),
        texture,
        np.array([np.log(uneven / (values.std() + 0.02) + 0.02), *rings], np.float64),
        _outline(there),
        _ring(image, there, values, values[depth > DEEP]),
    )


def _texture(image: Image, head: Head) -> tuple[Floats, float]:
    """How much there is at four scales, (4,), and how much left and right differ."""
    scale, texture, uneven = image.shape[-1] / 128, [], 0.0
    fine = cv2.GaussianBlur(image, (0, 0), FIRST_SIGMA * scale)
    for octave in range(1, OCTAVES + 1):
        there = head if head.any() else np.ones_like(head)
        coarse = cv2.GaussianBlur(fine, (0, 0), OCTAVE_SIGMA * scale)
        texture.append(np.log(np.abs(fine - coarse)[there].mean() + 1e-3))
        if octave == UNEVEN_AFTER:
            uneven = float(np.abs(coarse - coarse[:, ::-1])[there].mean())
        fine, head = np.ascontiguousarray(coarse[::2, ::2]), head[::2, ::2]
    return np.array(texture, np.float64), uneven


def _outline(head: Head) -> Floats:
    """How straight it runs, in three ways, and how much it shares with its ellipse, (4,)."""
    size = head.shape[0]
    outlines, _ = cv2.findContours(head.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(max(outlines, key=len))
    corners = cv2.approxPolyDP(hull, TOLERANCE * size / 128, True)[:, 0].astype(np.float64)
    pieces = np.sqrt(((corners - np.roll(corners, -1, axis=0)) ** 2).sum(axis=1))
    whole = max(float(pieces.sum()), SMALLEST)
    ellipse = _ellipse(head)
    return np.array(
        [
            np.sqrt((pieces**2).sum()) / whole,
            pieces[pieces > LONG * whole].sum() / whole,
            pieces.max() / whole,
            (ellipse & head).sum() / (ellipse | head).sum(),
        ]
    )


def _ellipse(head: Head) -> Head:
    """The ellipse with the moments of a head, (S, S)."""
    about = cv2.moments(head.view(np.uint8), binaryImage=True)
    area = about["m00"]
    spread = np.array([[about["mu20"], about["mu11"]], [about["mu11"], about["mu02"]]]) / area
    turns = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    axes = np.linalg.cholesky(spread + 0.1 * np.eye(2))
    middle = np.array([[about["m10"]], [about["m01"]]]) / area
    points = middle + 2 * axes @ np.stack([np.cos(turns), np.sin(turns)])
    drawn = np.zeros(head.shape, np.uint8)
    return cv2.fillConvexPoly(drawn, points.T.round().astype(np.int32), 1).view(np.bool_)


def _ring(image: Image, head: Head, values: Image, deep: Image) -> Floats:
    """How bright and thick it is all round, how much is white, and how flat the brain is, (11,)."""
    size = image.shape[0]
    about = cv2.moments(head.view(np.uint8), binaryImage=True)
    middle = about["m10"] / about["m00"], about["m01"] / about["m00"]
    flags = cv2.WARP_POLAR_LINEAR | cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    rays, inside = (
        cv2.warpPolar(each, (RADII, ANGLES), middle, REACH * size, flags)
        for each in (image, head.astype(np.float32))
    )
    places = np.arange(RADII)
    ends = (places * (inside > 0.5)).max(axis=1, keepdims=True)
    outer = np.where((places > OUTER * ends) & (places <= ends), rays, np.float32(0))
    thick = np.maximum(outer - BRIGHT, 0).sum(axis=1) / (1 - BRIGHT) * (REACH * 128 / RADII)
    q10, q25, median, q75, q90 = quantiles(deep if deep.size else values, DEEP_SHARES)
    of_rays = [np.sort(each)[list(RAYS)] for each in (outer.max(axis=1), thick)]
    flat = q90 - q10, q75 - q25, median, q90
    return np.array([*of_rays[0], *of_rays[1], (values > WHITE).mean(), *flat], np.float64)
