"""From a native slice to a square one in [0, 1], and maps back onto the native grid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.errors import NoScans, SettingsError
from mriad_model.preprocessing.foreground import Box, bounding_box, head_mask
from mriad_model.preprocessing.percentiles import percentiles
from mriad_model.recipes.recipe import Framing, Intensity, Preprocessing

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
WORKING_SCALE = 3  # longest side at which the head is looked for, in prepared sides
MARGIN = 0.03  # air left around the head, as a share of its longer side


@dataclass(frozen=True, slots=True)
class Placement:
    """Which rectangle of the native slice the prepared square shows. It may reach outside."""

    height: int  # of the native slice, pixels
    width: int
    box_top: float  # of the rectangle, native pixels
    box_left: float
    box_height: float
    box_width: float


@dataclass(frozen=True, slots=True)
class PreparedSlice:
    """A slice as the detectors see it."""

    image: NDArray[np.float32]  # (S, S) in [0, 1]
    mask: NDArray[np.bool_]  # (S, S), the foreground
    placement: Placement


@dataclass(frozen=True, slots=True)
class SliceBatch:
    """Prepared slices side by side."""

    images: NDArray[np.float32]  # (N, S, S) in [0, 1]
    masks: NDArray[np.bool_]  # (N, S, S)
    levels: NDArray[np.float32] | None = None  # (N,) mm below their volumes' tops; None: pictures
    # (N, 15), see `mriad_model.normative.registration.poses`; None where heads are not registered
    poses: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, items: Sequence[int] | NDArray[np.integer]) -> "SliceBatch":
        """The slices at these positions."""
        chosen = np.asarray(items, np.intp)
        levels = None if self.levels is None else self.levels[chosen]
        poses = None if self.poses is None else self.poses[chosen]
        return SliceBatch(self.images[chosen], self.masks[chosen], levels, poses)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedScan:
    """The slices of a scan that are judged; of a picture, the one that it is."""

    batch: SliceBatch  # N slices
    placements: list[Placement]  # of each
    positions: tuple[int, ...]  # of each in the scan, along the axis that is cut across, from 0
    n_slices: int  # in the scan, judged or not
    spacing: float = 1.0  # between slices, mm, as scores take it
    places: tuple[float, ...] = ()  # of a volume's slices, RAS mm along that axis
    window: tuple[float, float] = (0.0, 1.0)  # between these, of 0 to 1, lies a volume's head
    grey: tuple[float, float] = (0.0, 1.0)  # a volume's intensities that become 0 and 1
    pixel: float | None = None  # mm a side of a volume's native slices, with square pixels

    def __len__(self) -> int:
        return len(self.positions)


def prepare(pixels: Pixels, preprocessing: Preprocessing) -> PreparedSlice:
    """Turn a native slice (H, W), 8 or 16 bit, into a square one in [0, 1]."""
    if preprocessing.framing is Framing.WHOLE:
        return _whole(pixels, preprocessing)
    return _head(pixels, preprocessing)


def stack(slices: Sequence[PreparedSlice]) -> SliceBatch:
    """Prepared slices of one size as a batch. Raises NoScans where there is none."""
    if not slices:
        raise NoScans("no slices to stack")
    return SliceBatch(np.stack([s.image for s in slices]), np.stack([s.mask for s in slices]))


def joined(batches: Sequence[SliceBatch]) -> SliceBatch:
    """Batches of slices of one size as one, in their order. Raises NoScans where there is none."""
    if not batches:
        raise NoScans("no slices to join")
    levels = [batch.levels for batch in batches if batch.levels is not None]
    poses = [batch.poses for batch in batches if batch.poses is not None]
    return SliceBatch(
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([batch.masks for batch in batches]),
        np.concatenate(levels) if len(levels) == len(batches) else None,
        np.concatenate(poses) if len(poses) == len(batches) else None,
    )


def shrunk(batch: SliceBatch, size: int) -> SliceBatch:
    """Slices (N, S, S) at `size` pixels a side, a whole part of S: means of blocks.

    A block is of the head where its first pixel is. Raises SettingsError for another size.
    """
    own = batch.images.shape[-1]
    if own == size:
        return batch
    step, rest = divmod(own, size)
    if rest or step < 1:
        raise SettingsError(f"slices of {own} pixels cannot be shrunk to {size}")
    blocks = batch.images.reshape(len(batch), size, step, size, step)
    return SliceBatch(
        blocks.mean(axis=(2, 4), dtype=np.float32), batch.masks[:, ::step, ::step], batch.levels
    )


def restore(anomaly_map: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Lay a map (S, S) back onto its native slice, (H, W) float32; 0 outside the rectangle."""
    size = anomaly_map.shape[0]
    scale_y, scale_x = placement.box_height / size, placement.box_width / size
    to_native = np.array(
        [
            [scale_x, 0, placement.box_left + 0.5 * scale_x - 0.5],
            [0, scale_y, placement.box_top + 0.5 * scale_y - 0.5],
        ]
    )
    restored = cv2.warpAffine(
        np.ascontiguousarray(anomaly_map, np.float32),
        to_native,
        (placement.width, placement.height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.asarray(restored, np.float32)


def onto_square(mask: NDArray[np.bool_], placement: Placement, size: int) -> NDArray[np.float32]:
    """The share of each pixel of a prepared square, (S, S), that a native mask (H, W) covers."""
    scale_y, scale_x = placement.box_height / size, placement.box_width / size
    # Finer than the native grid's, then averaged: what is small keeps its area.
    times = max(1, math.ceil(max(1.0, 2 * scale_y, 2 * scale_x)))
    to_native = np.array(
        [
            [scale_x / times, 0, placement.box_left + 0.5 * scale_x / times - 0.5],
            [0, scale_y / times, placement.box_top + 0.5 * scale_y / times - 0.5],
        ]
    )
    fine = cv2.warpAffine(
        mask.astype(np.float32),
        to_native,
        (size * times, size * times),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    blocks = fine.reshape(size, times, size, times)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _head(pixels: Pixels, preprocessing: Preprocessing) -> PreparedSlice:
    """The head's bounding box, padded square with air; what is not head becomes 0."""
    working = working_size(pixels, preprocessing)
    head = head_mask(working)
    placement = square_around(bounding_box(head), head.shape, pixels.shape)
    return framed(working, head, placement, preprocessing)


def _whole(pixels: Pixels, preprocessing: Preprocessing) -> PreparedSlice:
    """The notebook's way: resize the stored integers, then scale them."""
    height, width = pixels.shape
    size = preprocessing.size
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    mask = np.ones((size, size), np.bool_)
    image = _scaled(resized, mask, preprocessing, np.iinfo(pixels.dtype).max)
    return PreparedSlice(image, mask, Placement(height, width, 0, 0, height, width))


def working_size(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """A native slice (H, W), made smaller where it is larger than the head's looking-for needs."""
    height, width = pixels.shape
    shrink = max(1.0, max(height, width) / (WORKING_SCALE * preprocessing.size))
    shape = max(1, round(width / shrink)), max(1, round(height / shrink))
    return cast("Pixels", cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA))


def framed(
    working: Pixels, head: NDArray[np.bool_], placement: Placement, preprocessing: Preprocessing
) -> PreparedSlice:
    """The placement's square of a slice and its head, (h, w) each, at any scale; else is 0."""
    size = preprocessing.size
    mask = _cut(head.astype(np.uint8), placement, size, cv2.INTER_NEAREST).astype(np.bool_)
    if not mask.any():
        mask = np.ones((size, size), np.bool_)
    square = _cut(working, placement, size, cv2.INTER_AREA)
    image = _scaled(square, mask, preprocessing, np.iinfo(working.dtype).max)
    image[~mask] = 0.0
    return PreparedSlice(image, mask, placement)


def square_around(box: Box, working: tuple[int, ...], native: tuple[int, ...]) -> Placement:
    """The square with a margin around `box`, which was found on a smaller grid."""
    top, left, height, width = box
    scale_y, scale_x = native[0] / working[0], native[1] / working[1]
    side = max(height * scale_y, width * scale_x) * (1 + 2 * MARGIN)
    return Placement(
        height=native[0],
        width=native[1],
        box_top=(top + height / 2) * scale_y - side / 2,
        box_left=(left + width / 2) * scale_x - side / 2,
        box_height=side,
        box_width=side,
    )


def _cut(
    pixels: NDArray[np.generic], placement: Placement, size: int, interpolation: int
) -> NDArray[np.generic]:
    """Cut the placement's rectangle out of `pixels` (its slice at any scale), (size, size)."""
    scale_y, scale_x = pixels.shape[0] / placement.height, pixels.shape[1] / placement.width
    top, left = round(placement.box_top * scale_y), round(placement.box_left * scale_x)
    height = max(1, round(placement.box_height * scale_y))
    width = max(1, round(placement.box_width * scale_x))
    inside = pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    cut = np.zeros((height, width), pixels.dtype)
    y, x = max(-top, 0), max(-left, 0)
    cut[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    if height < size and interpolation == cv2.INTER_AREA:
        interpolation = cv2.INTER_LINEAR
    return cv2.resize(cut, (size, size), interpolation=interpolation)


def _scaled(
    values: NDArray[np.generic],
    mask: NDArray[np.bool_],
    preprocessing: Preprocessing,
    full_range: int,
) -> NDArray[np.float32]:
    """Grey values (S, S) in [0, 1]; a constant foreground becomes 0 everywhere."""
    image = values.astype(np.float32)
    if preprocessing.intensity is Intensity.FULL_RANGE:
        return image / np.float32(full_range)
    bounds = (preprocessing.low_percentile, preprocessing.high_percentile)
    low, high = percentiles(image[mask], bounds)
    if high <= low:
        return np.zeros_like(image)
    scaled = (image - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.clip(scaled, 0, 1), np.float32)
