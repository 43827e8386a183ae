"""Lesions over all folds: pixels, findings by count and volume, by size; and AUROC by strata.

Each figure has a 95 % interval by bootstrap over groups (patients). Pixel average precision is
taken within a fold, over the pixels of its lesion scans, and averaged, as `metrics` does with
scores: maps of two models are not on one scale. Counts are summed over folds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mriad_model.evaluation.lesion_maps import CODES, FoldLesions, ScanMeasures
from mriad_model.evaluation.metrics.roc import (
    Floats,
    FoldScores,
    ImageWeights,
    area_under,
    average_precision,
    counts_above,
    mean_over_folds,
    n_groups,
    ratio,
)
from mriad_model.evaluation.metrics.scan_metrics import Interval, exact_interval, percentiles

RESAMPLES = 400  # each adds up the pixels of all lesion scans
SIZES = {"ml": (3.0, 12.0, 40.0), "% of the head": (1.0, 3.0, 10.0)}
"""Unit -> where one size bin ends and the next begins."""
STRATA = 8  # octiles of all scans


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its interval; None where it is undefined."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class SizeBin:
    """Lesions of one size. The AUROC is of scans whose lesions together are of it."""

    low: float
    high: float | None
    n_lesions: int
    found_at_threshold: Figure
    found_at_one_false: Figure
    n_scans: int
    auroc: Figure


@dataclass(frozen=True, slots=True)
class LesionMetrics:
    """What the maps say of lesions."""

    unit: str
    n_scans: int  # with a mask
    n_lesions: int
    figures: Mapping[str, Figure]
    by_size: tuple[SizeBin, ...]


def lesion_metrics(
    lesions: Sequence[FoldLesions | None],
    scores: Sequence[FoldScores],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> LesionMetrics | None:
    """The figures of all folds, of one evaluation; None where no scan has a mask."""
    folds = [(each, of) for each, of in zip(lesions, scores, strict=True) if each is not None]
    if not folds:
        return None
    once = ImageWeights.once(scores)
    drawn = ImageWeights.drawn(scores, resamples, seed)
    unit, trials = folds[0][0].unit, min(n_groups(scores))

    def figure(of: Callable[[ImageWeights], Floats]) -> Figure:
        value = float(of(once)[0])
        known = None if np.isnan(value) else value
        if known in {0.0, 1.0}:  # where a bootstrap would be certain
            return Figure(known, exact_interval(round(known) * trials, trials))
        return Figure(known, None if known is None else percentiles(of(drawn)))

    def found(name: str, weigh: Callable[[float], float], low: float, high: float) -> Figure:
        def share(weights: ImageWeights) -> Floats:
            total = np.zeros(len(weights.abnormal))
            hits = np.zeros(len(weights.abnormal))
            for fold, _ in folds:
                for each in fold.abnormal:
                    times = weights.abnormal[:, weights.abnormal_column[each.item]]
                    for lesion in each.lesions:
                        if low <= lesion.size < high:
                            total += times * weigh(lesion.size)
                            hits += times * weigh(lesion.size) * getattr(lesion, name)
            return ratio(hits, total)

        return figure(share)

    def mean(healthy: bool, of: Callable[[ScanMeasures], float]) -> Figure:
        def average(weights: ImageWeights) -> Floats:
            drawn_of = weights.healthy if healthy else weights.abnormal
            column = weights.healthy_column if healthy else weights.abnormal_column
            scans = [
                each for fold, _ in folds for each in (fold.healthy if healthy else fold.abnormal)
            ]
            if not scans:
                return np.full(len(drawn_of), np.nan)
            times = np.stack([drawn_of[:, column[each.item]] for each in scans], axis=1)
            return ratio(times @ np.array([of(each) for each in scans]), times.sum(axis=1))

        return figure(average)

    whole = (0.0, np.inf)
    figures = {
        "pixel_average_precision": figure(
            lambda weights: mean_over_folds([_pixel_ap(fold, weights) for fold, _ in folds])
        ),
        "dice": mean(False, lambda each: each.dice or 0.0),
    }
    for name in ("at_threshold", "at_one_false"):
        figures |= {
            f"scans_found_{name}": mean(False, lambda each, n=name: getattr(each, f"found_{n}")),  # type: ignore[misc]
            f"found_by_count_{name}": found(name, lambda _: 1.0, *whole),
            f"found_by_volume_{name}": found(name, lambda size: size, *whole),
            f"false_findings_{name}": mean(True, lambda each, n=name: getattr(each, f"false_{n}")),  # type: ignore[misc]
        }
    edges = (0.0, *SIZES[unit], np.inf)
    bins = []
    for low, high in pairwise(edges):
        n = sum(
            low <= each.size < high
            for fold, _ in folds
            for s in fold.abnormal
            for each in s.lesions
        )
        if not n:
            continue
        bins.append(
            SizeBin(
                low,
                None if np.isinf(high) else high,
                n,
                found("at_threshold", lambda _: 1.0, low, high),
                found("at_one_false", lambda _: 1.0, low, high),
                len({i for fold, _ in folds for i, size in fold.sizes if low <= size < high}),
                figure(lambda weights, r=(low, high): _auroc_of(folds, weights, *r)),  # type: ignore[misc]
            )
        )
    scans = [each for fold, _ in folds for each in fold.abnormal]
    n_scans = len({each.item for each in scans})
    n_repeats = len({of.repeat for _, of in folds})
    n_lesions = sum(len(each.lesions) for each in scans) // n_repeats
    return LesionMetrics(unit, n_scans, n_lesions, figures, tuple(bins))


def stratified_auroc(
    folds: Sequence[FoldScores],
    values: Mapping[int, float],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figure | None:
    """AUROC among scans alike in something else: healthy and abnormal ones of one stratum.

    `values` (image id -> number) are cut at the octiles of all images. Where it is much
    below the AUROC of all, that something carries part of it. None where a value is missing.
    """
    images = sorted({i for fold in folds for i in (*fold.healthy_ids, *fold.abnormal_ids)})
    if not images or not set(images) <= values.keys():
        return None
    cuts = np.quantile([values[i] for i in images], np.arange(1, STRATA) / STRATA)
    stratum = {i: int(np.searchsorted(cuts, values[i], side="right")) for i in images}

    def of(weights: ImageWeights) -> Floats:
        return mean_over_folds([_within(fold, weights, stratum) for fold in folds])

    value = float(of(ImageWeights.once(folds))[0])
    if np.isnan(value):
        return None
    return Figure(value, percentiles(of(ImageWeights.drawn(folds, resamples, seed))))


def _within(fold: FoldScores, weights: ImageWeights, stratum: Mapping[int, int]) -> Floats:
    healthy_weights, abnormal_weights = weights.of_fold(fold)
    area, pairs = np.zeros(len(healthy_weights)), np.zeros(len(healthy_weights))
    for number in range(STRATA):
        h = np.array([stratum[i] == number for i in fold.healthy_ids], bool)
        a = np.array([stratum[i] == number for i in fold.abnormal_ids], bool)
        if h.any() and a.any():
            mine = healthy_weights[:, h], abnormal_weights[:, a]
            fp, tp = counts_above(
                np.asarray(fold.healthy_scores)[h], np.asarray(fold.abnormal_scores)[a], *mine
            )
            of_all = fp[:, -1] * tp[:, -1]
            area += np.nan_to_num(area_under(fp, tp)) * of_all
            pairs += of_all
    return ratio(area, pairs)


def _auroc_of(
    folds: Sequence[tuple[FoldLesions, FoldScores]], weights: ImageWeights, low: float, high: float
) -> Floats:
    """AUROC of all healthy scans against those with lesions of one size."""
    found = []
    for fold, scores in folds:
        sizes = dict(fold.sizes)
        of_size = np.array([low <= sizes.get(i, -1.0) < high for i in scores.abnormal_ids], bool)
        healthy, abnormal = weights.of_fold(scores)
        if of_size.any():
            chosen = np.asarray(scores.abnormal_scores)[of_size]
            curve = counts_above(scores.healthy_scores, chosen, healthy, abnormal[:, of_size])
            found.append(area_under(*curve))
    return mean_over_folds(found) if found else np.full(len(weights.healthy), np.nan)


def _pixel_ap(fold: FoldLesions, weights: ImageWeights) -> Floats:
    """Average precision of the pixels of a fold's lesion scans, (B,)."""
    if not fold.abnormal:
        return np.full(len(weights.abnormal), np.nan)
    counts = np.zeros((2, len(fold.abnormal), CODES), np.float64)
    for row, each in enumerate(fold.abnormal):
        codes = np.frombuffer(each.codes, "<u2")
        counts[:, row, codes] = np.frombuffer(each.counts, "<u4").reshape(2, len(codes))
    used = np.flatnonzero(counts.any(axis=(0, 1)))[::-1]  # from the largest value down
    times = np.stack(
        [weights.abnormal[:, weights.abnormal_column[s.item]] for s in fold.abnormal], 1
    )
    start = np.zeros((len(times), 1))
    fp, tp = (np.hstack([start, np.cumsum(times @ part[:, used], axis=1)]) for part in counts)
    return average_precision(fp, tp)
