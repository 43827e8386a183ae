"""From prepared scans to one score each: slices joined, scored once, split, put together."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.decisions.verdicts import is_not_scorable
from mriad_model.detection.maps.anomaly_maps import Scored
from mriad_model.detection.model import FittedModel
from mriad_model.preprocessing.slices import PreparedScan, joined
from mriad_model.recipes.recipe import ScanScore, VolumeRecipe

REACH = 3.0  # sigmas at which the Gaussian across slices is cut off


@dataclass(frozen=True, slots=True, eq=False)
class ScanScores:
    """A model's score and maps of a scan. Higher is more anomalous everywhere."""

    score: float
    slice_scores: NDArray[np.float64]  # (N,)
    positions: tuple[int, ...]  # of the slices, as in the prepared scan
    maps: NDArray[np.float32]  # (N, S, S); 0 is an ordinary pixel
    spread: float | None = None  # of the score, sd between the model's members; None: of one
    gate: float | None = None  # distance to what was learned, 1 at the limit; None: no gate

    @property
    def not_scorable(self) -> bool:
        """Whether it is too unlike what was learned to be scorable."""
        return is_not_scorable(self.gate)


def score_scans(
    fitted: FittedModel,
    prepared: Sequence[PreparedScan],
    folds: Sequence[int | None] | None = None,
) -> list[ScanScores]:
    """Score scans; each result depends on nothing but the scan and the model, bit for bit.

    `folds`: of the training, those that the scans were in; None for a scan that was in none, and
    for all of them. A fold's scans are scored by the member that did not learn it.
    """
    of_scan = [None] * len(prepared) if folds is None else list(folds)
    found: dict[int, ScanScores] = {}
    for fold in sorted(set(of_scan), key=lambda each: -1 if each is None else each):
        places = [i for i, each in enumerate(of_scan) if each == fold]
        mine = [prepared[i] for i in places]
        batch = joined([scan.batch for scan in mine])
        scans = scans_of_slices(fitted.score(batch, fold), mine, fitted.recipe.scans)
        if fitted.gate is not None:
            gates = fitted.gate_values(batch, fold)
            scans = [
                replace(each, gate=value)
                for each, value in zip(scans, largest_of_scans(gates, mine).tolist(), strict=True)
            ]
        found |= dict(zip(places, scans, strict=True))
    return [found[i] for i in range(len(prepared))]


def scans_of_slices(
    scored: Scored, prepared: Sequence[PreparedScan], how: VolumeRecipe
) -> list[ScanScores]:
    """The scores of slices, side by side, as those of the scans that they are of, in order.

    A scan score is a value of the scan's maps, or a mean of such values, on the same scale; so
    its threshold applies to voxels as well.
    """
    found, start = [], 0
    for scan in prepared:
        mine = slice(start, start + len(scan))
        start += len(scan)
        score, scores, maps = _of_one(scored, mine, scan, how)
        spread = _spread(scored, mine, scan, how)
        found.append(ScanScores(score, scores, scan.positions, maps, spread))
    return found


def _of_one(
    scored: Scored, mine: slice, scan: PreparedScan, how: VolumeRecipe
) -> tuple[float, NDArray[np.float64], NDArray[np.float32]]:
    """The score of one scan, of its slices (n,), and its maps (n, S, S)."""
    maps, scores = scored.maps[mine], scored.scores[mine]
    if how.scan_score is ScanScore.SMOOTHED_MAX:
        maps = _smoothed(maps, scan, how.extent)
        scores = maps.max(axis=(1, 2)).astype(np.float64)
    return _scan_score(scores, scan, how), scores, maps


def _spread(scored: Scored, mine: slice, scan: PreparedScan, how: VolumeRecipe) -> float | None:
    """How far the members' scores of one scan are apart, sd; None where one member scored it."""
    if scored.members:  # of volumes: each has its highest slice where it will
        values = [_of_one(each, mine, scan, how)[0] for each in scored.members]
        with np.errstate(invalid="ignore"):  # of scores that are no numbers
            return float(np.std(values, ddof=1))
    return None if scored.spread is None else float(scored.spread[mine].max())


def largest_of_scans(
    values: NDArray[np.float64], prepared: Sequence[PreparedScan]
) -> NDArray[np.float64]:
    """Of a number for each slice, side by side, the largest of each scan, (scans,)."""
    ends = np.cumsum([len(scan) for scan in prepared])
    return np.maximum.reduceat(values, [0, *ends[:-1]])


def _scan_score(
    slice_scores: NDArray[np.float64], prepared: PreparedScan, how: VolumeRecipe
) -> float:
    if how.scan_score is ScanScore.TOP_MEAN:
        n_top = max(1, round(how.extent / prepared.spacing))
        top = np.sort(slice_scores)[-n_top:]
        return math.fsum(top) / len(top)
    return float(slice_scores.max())


def _smoothed(
    maps: NDArray[np.float32], prepared: PreparedScan, sigma: float
) -> NDArray[np.float32]:
    """Maps (N, S, S) under a Gaussian of `sigma` mm across slices; at the ends, of those there."""
    heights = np.asarray(prepared.positions, np.float64) * prepared.spacing
    smoothed = np.empty_like(maps)
    for place, height in enumerate(heights):
        away = np.abs(heights - height)
        near = np.flatnonzero(away <= REACH * sigma)
        weights = np.exp(-0.5 * (away[near] / sigma) ** 2) if sigma > 0 else np.ones(len(near))
        weights /= weights.sum()
        smoothed[place] = _weighted(maps, near, weights)
    return smoothed


def _weighted(
    maps: NDArray[np.float32], near: Iterable[np.intp], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The sum of some of the maps, added up in their order, so that it is the same everywhere."""
    total = np.zeros(maps.shape[1:], np.float32)
    for neighbour, weight in zip(near, weights, strict=True):
        total += maps[neighbour] * np.float32(weight)
    return total
