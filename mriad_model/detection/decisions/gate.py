"""Whether a picture is like the healthy training pictures.

Another sequence, plane or source, a photograph or noise is not; a head with a lesion is.

A prepared slice is described by five blocks of numbers: its grey values on a 10 x 10 grid, halves
averaged; their quantiles; the shape of the head; how much texture there is at four scales; and how
grey values change with depth. The blocks, and all of them together, are whitened (shrunk
covariance, Ledoit and Wolf 2004). In each a slice is as far from the healthy ones as its mean
distance to the nearest three of other groups. The logarithm of that, standardised by what healthy
slices have among themselves, is how odd it is there; the gate's value is the largest of the six
over the limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mriad_model.preprocessing.percentiles import quantiles
from mriad_model.preprocessing.slices import SliceBatch

Floats = NDArray[np.float64]
Stored = NDArray[np.float32]  # what is kept in the model's file

GRID: Final = 10  # cells a side
QUANTILES: Final = np.linspace(0.05, 0.95, 10)
SCALES: Final = (0.7, 1.4, 2.8, 5.6, 11.2)  # Gaussian sigmas, pixels of 128
DEPTHS: Final = (0.0, 0.08, 0.16, 0.3, 0.5, 0.75, 1.0)  # of the deepest; bounds of rings
WIDTHS: Final = {"grid": 50, "grey": 10, "shape": 6, "texture": 4, "depth": 7}
TOGETHER: Final = "together"  # all blocks as one
NAMES: Final = (*WIDTHS, TOGETHER)
PARTS: Final = ("centre", "axes", "learned", "folds")  # of a block, what is stored as numbers
DIRECTIONS: Final = 24  # of a block that are whitened, at most; the rest counts together
COUNTED: Final = 4  # slices of a group, at most: more of a head say the same
FEW: Final = 16  # slices: of so many, the limit is twice as wide, for they tell little
NEAREST: Final = 3
ODDEST: Final = 0.03  # of the healthy slices: no other is like them
MOST: Final = 600  # healthy slices that are kept
FEWEST: Final = 8  # groups, below which there is no telling what is usual
LEAST_SPREAD: Final = 0.1  # of the logarithm of distances
SMALLEST: Final = 1e-6


def described(slices: SliceBatch) -> dict[str, Floats]:
    """The blocks of prepared slices (N, S, S), (N, width) each; each slice for itself."""
    rows = [_described(*each) for each in zip(slices.images, slices.masks, strict=True)]
    found = {
        name: np.array([row[place] for row in rows], np.float64).reshape(len(rows), width)
        for place, (name, width) in enumerate(WIDTHS.items())
    }
    return found | {TOGETHER: np.concatenate(list(found.values()), axis=1)}


def _described(image: NDArray[np.float32], head: NDArray[np.bool_]) -> tuple[Floats, ...]:
    grid = cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float64)
    halves = (grid + grid[:, ::-1])[:, : GRID // 2] / 2
    there = head if head.any() else np.ones_like(head)
    grey = quantiles(image[there].astype(np.float64), QUANTILES)
    return halves.ravel(), grey, _shape(there), *_texture_and_depth(image, there)


def _shape(head: NDArray[np.bool_]) -> Floats:
    """Aspect, fill of the bounding box, touch of its sides, outline, solidity, symmetry."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The healthy slices in one block, whitened, and how far they lie from each other."""

    centre: Stored  # (F,)
    axes: Stored  # (F, F): the first `directions` whiten, the others span the rest, scaled
    learned: Stored  # (n, directions + 1), the last is the size of the rest
    folds: Stored  # (n,) of cross-fitting, in which the learned slices were; -1: in none
    usual: float  # logarithm of a healthy slice's distance
    spread: float  # of that

    @classmethod
    def fit(cls, values: Floats, groups: NDArray[np.int64], folds: NDArray[np.int64]) -> Self:
        """Learn from the block (N, F) of healthy slices."""
        scale = np.maximum(values.std(axis=0), 1e-3)
        centre = np.median(values, axis=0)
        count = _count(groups)
        variances, axes = np.linalg.eigh(_covariance(values / scale, count))
        n = max(2, min(DIRECTIONS, count // 4, values.shape[1]))
        whitened = axes[:, -n:][:, ::-1] / np.sqrt(np.maximum(variances[-n:][::-1], SMALLEST))
        left = variances[:-n]
        rest = axes[:, :-n] / (2 * np.sqrt(max(float(left.mean()), SMALLEST) if left.size else 1.0))
        every = np.concatenate([whitened, rest], axis=1) / scale[:, None]
        bare = cls(
            centre.astype(np.float32),
            every.astype(np.float32),
            np.zeros((0, n + 1), np.float32),
            np.zeros(0, np.float32),
            0.0,
            1.0,
        )
        places = bare.places(values)
        apart = groups[:, None] != groups[None]
        first = _nearest(places, places, apart)
        kept = first <= np.quantile(first, 1 - ODDEST)
        logs = np.log(_nearest(places, places, apart & kept[None]) + SMALLEST)
        usual = float(np.median(logs))
        spread = max((float(np.quantile(logs, 0.9)) - usual) / 1.2816, LEAST_SPREAD)
        learned = places[kept].astype(np.float32), folds[kept].astype(np.float32)
        return cls(bare.centre, bare.axes, *learned, usual, spread)

    def places(self, values: Floats) -> Floats:
        """Where slices lie, (N, directions + 1)."""
        n = self.learned.shape[1] - 1
        axes = self.axes.astype(np.float64)
        found = np.empty((len(values), n + 1), np.float32)
        for place, row in zip(found, values - self.centre, strict=True):  # each by itself
            turned = (row[:, None] * axes).sum(axis=0)
            place[:n], place[n] = turned[:n], np.sqrt((turned[n:] ** 2).sum())
        return found.astype(np.float64)

    def oddity(self, values: Floats, fold: int | None = None) -> Floats:
        """How odd slices are, (N,), in standard deviations of healthy ones.

        Beside slices of a `fold`, those of the other folds alone are looked at.
        """
        others = self.learned if fold is None else self.learned[self.folds != fold]
        distances = _nearest(self.places(values), others.astype(np.float64))
        return np.asarray((np.log(distances + SMALLEST) - self.usual) / self.spread)

    def oddity_among(self, values: Floats, groups: NDArray[np.int64]) -> Floats:
        """The same of learned slices, with all of their groups among them: beside other groups."""
        places = self.places(values)
        # A place has the same bits whenever it is found.
        known = {
            place.tobytes(): group
            for place, group in zip(places.astype(np.float32), groups, strict=True)
        }
        of_learned = np.array([known.get(each.tobytes(), -1) for each in self.learned])
        apart = groups[:, None] != of_learned[None]
        distances = _nearest(places, self.learned.astype(np.float64), apart)
        return np.asarray((np.log(distances + SMALLEST) - self.usual) / self.spread)


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """What healthy slices look like, and the limit."""

    blocks: Mapping[str, Block]
    limit: float  # of the largest oddity

    def values(self, slices: SliceBatch, fold: int | None = None) -> Floats:
        """How unlike the learned ones slices are, (N,): 0 for a usual one, 1 at the limit.

        Slices that are learned, in a `fold`, are compared with those of other folds alone.
        """
        found = described(slices)
        oddest = np.max([self.blocks[name].oddity(found[name], fold) for name in NAMES], axis=0)
        return np.asarray(np.maximum(oddest, 0.0) / self.limit)

    def values_among(self, slices: SliceBatch, groups: Sequence[int]) -> Floats:
        """The same of all slices that were learned, of these groups, each beside other groups."""
        found, of_slices = described(slices), np.asarray(groups, np.int64)
        odd = [self.blocks[name].oddity_among(found[name], of_slices) for name in NAMES]
        return np.asarray(np.maximum(np.max(odd, axis=0), 0.0) / self.limit)

    def tensors(self) -> dict[str, Stored]:
        """What is stored as numbers."""
        return {
            f"{name}.{part}": getattr(block, part)
            for name, block in self.blocks.items()
            for part in PARTS
        }

    def about(self) -> dict[str, Any]:
        """What is stored beside them."""
        blocks = self.blocks.items()
        return {"limit": self.limit, "usual": {n: [b.usual, b.spread] for n, b in blocks}}

    @classmethod
    def restore(cls, about: Mapping[str, Any], tensors: Mapping[str, Stored]) -> Self:
        """Read what `tensors` and `about` gave. Raises ValueError on anything else."""
        _require(set(about) == {"limit", "usual"} and set(about["usual"]) == set(NAMES))
        wanted = {f"{name}.{part}" for name in NAMES for part in PARTS}
        _require(set(tensors) == wanted)
        numbers = [about["limit"], *(each for pair in about["usual"].values() for each in pair)]
        _require(all(isinstance(each, float) and np.isfinite(each) for each in numbers))
        blocks = {}
        for name in NAMES:
            usual, spread = about["usual"][name]
            centre, axes, learned, folds = (tensors[f"{name}.{part}"] for part in PARTS)
            width = sum(WIDTHS.values()) if name == TOGETHER else WIDTHS[name]
            _require(centre.shape == (width,) and axes.shape == (width, width))
            _require(learned.ndim == 2 and 3 <= learned.shape[1] <= width + 1)
            _require(len(learned) >= NEAREST and spread > 0)
            _require(folds.shape == (len(learned),))
            blocks[name] = Block(centre, axes, learned, folds, usual, spread)
        _require(about["limit"] > 0)
        return cls(blocks, about["limit"])


def fit_gate(
    slices: SliceBatch, groups: Sequence[int], limit: float, folds: Sequence[int] | None = None
) -> Gate | None:
    """Learn what healthy slices (N, S, S) of these groups look like.

    Groups are near-duplicates and patients; each is in one of the `folds` of cross-fitting, -1 for
    none. None where there are fewer than `FEWEST` groups.
    """
    of_slices = np.asarray(groups, np.int64)
    of_folds = np.full(len(of_slices), -1) if folds is None else np.asarray(folds, np.int64)
    if len(np.unique(of_slices)) < FEWEST:
        return None
    chosen = np.linspace(0, len(of_slices) - 1, min(MOST, len(of_slices))).round().astype(int)
    found = described(slices.take(chosen))
    of_slices, of_folds = of_slices[chosen], of_folds[chosen]
    return Gate(
        {name: Block.fit(found[name], of_slices, of_folds) for name in NAMES},
        limit * (1 + FEW / _count(of_slices)),
    )


def _count(groups: NDArray[np.int64]) -> int:
    """As how many slices those of these groups count."""
    return min(len(groups), COUNTED * len(np.unique(groups)))


def _covariance(values: Floats, count: int) -> Floats:
    """The shrunk covariance of rows (N, F), which count as so many (Ledoit and Wolf 2004)."""
    n, width = values.shape
    values = values - values.mean(axis=0)
    sample = values.T @ values / n
    mean = np.trace(sample) / width
    far = ((sample - mean * np.eye(width)) ** 2).sum() / width
    noise = ((values**2).T @ (values**2) / n - sample**2).sum() / (count * width)
    share = min(noise, far) / far if far > 0 else 0.0
    return np.asarray((1 - share) * sample + share * mean * np.eye(width))


def _nearest(places: Floats, learned: Floats, allowed: NDArray[np.bool_] | None = None) -> Floats:
    """Mean distance of each place (N, D) to the nearest of the learned (n, D), (N,)."""
    found = np.empty(len(places))
    for i, place in enumerate(places):  # each by itself: its bits do not depend on its company
        away = np.sqrt(((learned - place) ** 2).sum(axis=1))
        away = away if allowed is None else away[allowed[i]]
        found[i] = np.sort(away)[:NEAREST].mean()
    return found


def _require(true: bool) -> None:
    if not true:
        raise ValueError("its gate is none")
