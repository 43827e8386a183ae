"""Whether a picture is like the healthy training pictures.

Another sequence, plane or source, a photograph or noise is not; a head with a lesion is.

A prepared slice is described by five blocks of numbers (`descriptions`). The blocks, and all of
them together, are whitened (shrunk covariance, Ledoit and Wolf 2004). In each a slice is as far
from the healthy ones as its mean distance to the nearest three of other groups. The logarithm of
that, standardised by what healthy slices have among themselves, is how odd it is there; the largest
of the six over the limit counts.

Where the recipe says so, slices are looked at more closely (`close_descriptions`), and how like a
picture of no head or a head CT they are counts too (`strangers`). The gate's value is the largest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.decisions.close_descriptions import described_closely
from mriad_model.detection.decisions.descriptions import (
    SMALLEST,
    TOGETHER,
    WIDTHS,
    Floats,
    described,
)
from mriad_model.detection.decisions.strangers import (
    BLOCKS,
    Stranger,
    learned_strangers,
    restored,
    strangeness,
    strangeness_among,
)
from mriad_model.preprocessing.slices import SliceBatch

Stored = NDArray[np.float32]  # what is kept in the model's file

NAMES: Final = (*WIDTHS, TOGETHER)
STRANGERS: Final = "strangers"  # what is stored of them, and what begins the names of their numbers
PARTS: Final = ("centre", "axes", "learned", "folds")  # of a block, what is stored as numbers
DIRECTIONS: Final = 24  # of a block that are whitened, at most; the rest counts together
COUNTED: Final = 4  # slices of a group, at most: more of a head say the same
FEW: Final = 16  # slices: of so many, the limit is twice as wide, for they tell little
NEAREST: Final = 3
ODDEST: Final = 0.03  # of the healthy slices: no other is like them
MOST: Final = 600  # healthy slices that are kept
FEWEST: Final = 8  # groups, below which there is no telling what is usual
LEAST_SPREAD: Final = 0.1  # of the logarithm of distances


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
    strangers: Mapping[str, Stranger] | None = None  # by kind; None: made before there were any

    def described(self, slices: SliceBatch) -> dict[str, Floats]:
        """The numbers of slices (N, S, S) that it looks at, (N, width) a block."""
        return described(slices) if self.strangers is None else described_closely(slices)

    def values(self, slices: SliceBatch, fold: int | None = None) -> Floats:
        """How unlike the learned ones slices are, (N,): 0 for a usual one, 1 at the limit.

        Slices that are learned, in a `fold`, are compared with those of other folds alone.
        """
        found = self.described(slices)
        odd = [self.blocks[name].oddity(found[name], fold) for name in NAMES]
        strange = None if self.strangers is None else strangeness(self.strangers, found)
        return self._largest(odd, strange)

    def values_among(self, slices: SliceBatch, groups: Sequence[int]) -> Floats:
        """The same of all slices that were learned, of these groups, each beside other groups."""
        found, of_slices = self.described(slices), np.asarray(groups, np.int64)
        odd = [self.blocks[name].oddity_among(found[name], of_slices) for name in NAMES]
        strange = None if self.strangers is None else strangeness_among(found, of_slices)
        return self._largest(odd, strange)

    def _largest(self, odd: Sequence[Floats], strange: Floats | None) -> Floats:
        """Of how odd slices are in each block, (N,) each, over the limit, and how strange."""
        values = np.asarray(np.maximum(np.max(odd, axis=0), 0.0) / self.limit)
        return values if strange is None else np.asarray(np.maximum(values, strange))

    def tensors(self) -> dict[str, Stored]:
        """What is stored as numbers."""
        of_blocks = {
            f"{name}.{part}": getattr(block, part)
            for name, block in self.blocks.items()
            for part in PARTS
        }
        strangers = (self.strangers or {}).items()
        return of_blocks | {f"{STRANGERS}.{kind}": each.weights for kind, each in strangers}

    def about(self) -> dict[str, Any]:
        """What is stored beside them."""
        blocks = self.blocks.items()
        about = {"limit": self.limit, "usual": {n: [b.usual, b.spread] for n, b in blocks}}
        if self.strangers is not None:
            kinds = self.strangers.items()
            about[STRANGERS] = {kind: [each.usual, each.limit] for kind, each in kinds}
        return about

    @classmethod
    def restore(cls, about: Mapping[str, Any], tensors: Mapping[str, Stored]) -> Self:
        """Read what `tensors` and `about` gave. Raises ValueError on anything else."""
        _require(set(about) - {STRANGERS} == {"limit", "usual"})
        _require(set(about["usual"]) == set(NAMES))
        wanted = {f"{name}.{part}" for name in NAMES for part in PARTS}
        if STRANGERS in about:
            wanted |= {f"{STRANGERS}.{kind}" for kind in BLOCKS}
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
        return cls(blocks, about["limit"], _stored_strangers(about, tensors))


def _stored_strangers(
    about: Mapping[str, Any], tensors: Mapping[str, Stored]
) -> dict[str, Stranger] | None:
    if STRANGERS not in about:
        return None
    return restored(about[STRANGERS], {kind: tensors[f"{STRANGERS}.{kind}"] for kind in BLOCKS})


def fit_gate(
    slices: SliceBatch,
    groups: Sequence[int],
    limit: float,
    folds: Sequence[int] | None = None,
    *,
    strangers: bool = False,
) -> Gate | None:
    """Learn what healthy slices (N, S, S) of these groups look like.

    Groups are near-duplicates and patients; each is in one of the `folds` of cross-fitting, -1 for
    none. With `strangers`, how to tell them from drawn strangers is learned too. None where there
    are fewer than `FEWEST` groups.
    """
    of_slices = np.asarray(groups, np.int64)
    of_folds = np.full(len(of_slices), -1) if folds is None else np.asarray(folds, np.int64)
    if len(np.unique(of_slices)) < FEWEST:
        return None
    chosen = np.linspace(0, len(of_slices) - 1, min(MOST, len(of_slices))).round().astype(int)
    found = (described_closely if strangers else described)(slices.take(chosen))
    of_slices, of_folds = of_slices[chosen], of_folds[chosen]
    return Gate(
        {name: Block.fit(found[name], of_slices, of_folds) for name in NAMES},
        limit * (1 + FEW / _count(of_slices)),
        learned_strangers(found) if strangers else None,
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
