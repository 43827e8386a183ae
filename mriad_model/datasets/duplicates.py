"""Near-duplicates: copies of one picture, resized, mirrored, brightened, equalised, sharpened.

Two scans are twins where any of these holds, and groups are what twins of twins make:

1. their 16x16 difference hashes differ in at most 12 of 256 bits
   (N. Krawetz, "Kind of like that", hackerfactor.com, 2013);
2. the whole pictures, at 64x64, correlate above 0.985;
3. the heads alone, cropped to the foreground, percentile-scaled and blurred at 64x64,
   correlate above 0.98: as they are, histogram-equalised, or one mirrored left to right.

The third finds the copies with another crop or contrast that web collections are full of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mriad_model.readers.images.decoding import Gray, levels_at

SIDE = 64
HASH_SIDE = 16
MAX_HASH_DISTANCE = 12  # bits of HASH_SIDE ** 2
MIN_CORRELATION = 0.985
MIN_HEAD_CORRELATION = 0.98
BLUR_SIGMA = 1.5  # pixels of 64
MIN_PIECE = 0.01  # of the largest piece; a letter is smaller, a skull cap larger
BLOCK = 512  # scans compared at once: bounds the memory to some 150 MB

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What a scan is compared by; 12 KB."""

    dhash: Bytes  # (256,) 0 or 1
    thumbnail: Bytes  # (64, 64) the whole picture
    head: Bytes  # (64, 64) foreground, percentile-scaled, blurred
    equalised: Bytes  # (64, 64) the head, histogram-equalised


def fingerprint(pixels: Gray) -> Fingerprint:
    """The fingerprint of a slice, (H, W) uint8 or uint16."""
    gray = _eight_bits(pixels)
    small = cv2.resize(gray, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA)
    head = _head(gray)
    return Fingerprint(
        dhash=(small[:, 1:] > small[:, :-1]).ravel().astype(np.uint8),
        thumbnail=_resized(gray),
        head=head,
        equalised=np.asarray(cv2.equalizeHist(head), np.uint8),
    )


def twin_groups(fingerprints: Sequence[Fingerprint]) -> list[int]:
    """The group number of each scan, twins sharing one; numbered by first appearance."""
    n = len(fingerprints)
    pairs = np.fromiter(twin_pairs(fingerprints), np.dtype((np.intp, 2)))  # 16 bytes each
    if len(pairs) == 0:
        return list(range(n))
    _, joined = connected_components(coo_array((np.ones(len(pairs), np.bool_), pairs.T), (n, n)))
    number: dict[int, int] = {}
    return [number.setdefault(each, len(number)) for each in joined.tolist()]


def twin_pairs(fingerprints: Sequence[Fingerprint]) -> Iterator[tuple[int, int]]:
    """All pairs (i, j), i < j, that are twins by the rule, found a block of scans at a time."""
    starts = range(0, len(fingerprints), BLOCK)
    for i in starts:
        rows = _Block(fingerprints[i : i + BLOCK])
        for j in starts[i // BLOCK :]:
            columns = rows if i == j else _Block(fingerprints[j : j + BLOCK])
            for one, other in np.argwhere(rows.are_twins_of(columns)).tolist():
                if i + one < j + other:
                    yield i + one, j + other


class _Block:
    """Fingerprints as matrices, a scan a row, so that comparing is multiplying."""

    def __init__(self, fingerprints: Sequence[Fingerprint]) -> None:
        heads = np.stack([item.head for item in fingerprints])
        bits = np.stack([item.dhash for item in fingerprints])
        self.signs: Floats = bits.astype(np.float32) * 2 - 1
        self.thumbnails = _standardised(np.stack([item.thumbnail for item in fingerprints]))
        self.heads = _standardised(heads)
        self.mirrored = _standardised(heads[:, :, ::-1])
        self.equalised = _standardised(np.stack([item.equalised for item in fingerprints]))

    def are_twins_of(self, other: "_Block") -> npt.NDArray[np.bool_]:
        """(n, m) bool: which of ours and theirs are twins."""
        agreement = HASH_SIDE**2 - 2 * MAX_HASH_DISTANCE  # of signs: bits equal minus unequal
        twins = self.signs @ other.signs.T >= agreement
        twins |= self.thumbnails @ other.thumbnails.T > MIN_CORRELATION
        twins |= self.heads @ other.heads.T > MIN_HEAD_CORRELATION
        twins |= self.equalised @ other.equalised.T > MIN_HEAD_CORRELATION
        twins |= self.mirrored @ other.heads.T > MIN_HEAD_CORRELATION
        return twins


def _standardised(pictures: Bytes) -> Floats:
    """(n, 64, 64) -> (n, 4096) of mean 0, length 1: products are correlations, 0 of constants."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    unit: Floats = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return unit


def _eight_bits(pixels: Gray) -> Bytes:
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    low, high = int(pixels.min()), levels_at(pixels, (99.9,))[0]
    scaled = (pixels.astype(np.float32) - low) * (255 / max(high - low, 1))
    return scaled.clip(0, 255).astype(np.uint8)


def _head(gray: Bytes) -> Bytes:
    """The foreground alone, 1st to 99th percentile stretched over 0..255, blurred."""
    gray = _cropped(gray)
    low, high = levels_at(gray, (1, 99))
    stretch = (np.arange(256) - low) * (255 / max(high - low, 1))
    small = _resized(np.asarray(cv2.LUT(gray, stretch.clip(0, 255).astype(np.uint8)), np.uint8))
    return np.asarray(cv2.GaussianBlur(small, (0, 0), BLUR_SIGMA), np.uint8)


def _cropped(gray: Bytes) -> Bytes:
    """The box round all bright pieces but the smallest: letters burned in are none of the head."""
    # Half of Otsu's threshold: all of it would cut dark brain away with the background.
    otsu, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_OTSU)
    bright = (gray > 0.5 * otsu).astype(np.uint8)
    _, _, pieces, _ = cv2.connectedComponentsWithStats(bright)
    pieces = pieces[1:]  # 0 is the background
    if not len(pieces):
        return gray
    area = pieces[:, cv2.CC_STAT_AREA]
    left, top, width, height, _ = pieces[area >= MIN_PIECE * area.max()].T
    return gray[top.min() : (top + height).max(), left.min() : (left + width).max()]


def _resized(gray: Bytes) -> Bytes:
    return np.asarray(cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
