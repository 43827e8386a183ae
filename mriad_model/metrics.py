"""How well scores tell abnormal scans from healthy ones, each figure with a 95 % interval.

The unit is a fold: one fitted model, the healthy images it never saw, and all abnormal ones
(none is ever trained on). Scores of two models cannot be pooled, so

- rank metrics (AUROC, average precision, sensitivity at 90 % specificity) are taken within a
  fold and averaged over folds and repeats; ROC curves are averaged vertically (Fawcett 2006,
  "An introduction to ROC analysis", section 9.1);
- the confusion matrix counts each image once a repeat: a healthy one under the fold that held
  it out, an abnormal one under the fold it is dealt to (`dealt`). Repeats are summed.

Intervals are percentiles of a stratified bootstrap over images (Efron and Tibshirani 1993):
healthy and abnormal images are drawn anew, each as often as they are, and an image takes its
results in all folds and repeats along. They hold for other images of the same kind under
models trained as these were; how much retraining alone moves a figure shows in the repeats.
A figure that cannot be told (no abnormal image, nothing flagged) is None. All but the counts
are "higher is better".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriad_model.curves import (
    Floats,
    area_under,
    average_precision,
    counts_above,
    mean_over_folds,
    ratio,
    tprs_at,
)

RESAMPLES = 2000
LEVEL = 0.95
SENSITIVITY_AT_FPR = 0.1  # that is, at 90 % specificity

RANK_METRICS = ("auroc", "average_precision", "sensitivity_at_90_specificity")
DECISION_METRICS = ("precision", "recall", "specificity", "f1")


@dataclass(frozen=True, slots=True)
class FoldScores:
    """What one fitted model says of its test images, and the threshold it was given."""

    repeat: int
    fold: int
    healthy_ids: tuple[int, ...]
    healthy_scores: tuple[float, ...]
    abnormal_ids: tuple[int, ...]
    abnormal_scores: tuple[float, ...]
    threshold_value: float
    mean: float  # of the calibration scores
    sd: float
    n_calibration: int

    def __post_init__(self) -> None:
        for ids, scores in (
            (self.healthy_ids, self.healthy_scores),
            (self.abnormal_ids, self.abnormal_scores),
        ):
            if len(ids) != len(scores) or len(set(ids)) != len(ids):
                raise ValueError("a fold scores each of its images once")
            if np.isnan(scores).any():
                raise ValueError("a score that is not a number cannot be ranked")


@dataclass(frozen=True, slots=True)
class Confusion:
    """Decisions against labels; abnormal is the positive class."""

    tn: int
    fp: int
    fn: int
    tp: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """All figures of one scoring method. Image counts are of distinct images."""

    n_healthy: int
    n_abnormal: int
    n_repeats: int
    confusion: Confusion
    values: Mapping[str, float | None]  # RANK_METRICS and DECISION_METRICS
    intervals: Mapping[str, Interval | None]


@dataclass(frozen=True, slots=True)
class Advantage:
    """A difference between two methods; 0 inside the interval means neither is shown better."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class RocBand:
    """The mean ROC curve at evenly spaced false-positive rates, and its pointwise interval."""

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Weights:
    """How often each image is drawn in each of B resamples, (B, images) float64."""

    healthy: Floats
    abnormal: Floats
    healthy_column: Mapping[int, int]  # image id -> column
    abnormal_column: Mapping[int, int]

    def of_fold(self, fold: FoldScores) -> tuple[Floats, Floats]:
        """The weights of a fold's healthy and abnormal images."""
        healthy = [self.healthy_column[image] for image in fold.healthy_ids]
        abnormal = [self.abnormal_column[image] for image in fold.abnormal_ids]
        return self.healthy[:, healthy], self.abnormal[:, abnormal]


def measure(folds: Sequence[FoldScores], resamples: int = RESAMPLES, seed: int = 0) -> Metrics:
    """All metrics over folds and repeats, with bootstrap intervals."""
    once, drawn = _unit_weights(folds), _drawn_weights(folds, resamples, seed)
    confusion = _confusion(folds)
    value_draws, interval_draws = _all_metrics(folds, once), _all_metrics(folds, drawn)
    values = {name: _number(draws[0]) for name, draws in value_draws.items()}
    n_healthy, n_abnormal = once.healthy.shape[1], once.abnormal.shape[1]
    n_repeats = len({fold.repeat for fold in folds})
    intervals = {
        name: None if values[name] is None else _percentiles(draws)
        for name, draws in interval_draws.items()
    }
    trials = dict.fromkeys(values, min(n_healthy, n_abnormal)) | {
        "recall": n_abnormal,
        "specificity": n_healthy,
        "precision": round((confusion.tp + confusion.fp) / n_repeats),
    }
    for name, value in values.items():
        if value in {0.0, 1.0}:
            intervals[name] = exact_interval(round(value or 0.0) * trials[name], trials[name])
    return Metrics(n_healthy, n_abnormal, n_repeats, confusion, values, intervals)


def roc_band(
    folds: Sequence[FoldScores], resamples: int = 1000, seed: int = 0, points: int = 101
) -> RocBand | None:
    """The vertically averaged ROC curve with its band; None where a class is missing."""
    once, drawn = _unit_weights(folds), _drawn_weights(folds, resamples, seed)
    if not once.healthy.size or not once.abnormal.size:
        return None
    grid = np.linspace(0.0, 1.0, points)
    mean = mean_over_folds([tprs_at(*_roc(fold, once), grid) for fold in folds])[0]
    draws = mean_over_folds([tprs_at(*_roc(fold, drawn), grid) for fold in folds])
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return RocBand(*(tuple(values.tolist()) for values in (grid, mean, low, high)))


def auroc_advantage(
    ours: Sequence[FoldScores],
    theirs: Sequence[FoldScores],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Advantage | None:
    """How much larger our AUROC is than theirs, on the same images in the same folds.

    Paired: each resample measures both methods on the same draw of images, so that what makes
    an image hard for both cancels out. None where a class is missing.
    """

    def aurocs(folds: Sequence[FoldScores], weights: _Weights) -> Floats:
        return mean_over_folds([_rank_metrics(fold, weights)["auroc"] for fold in folds])

    once, drawn = _unit_weights(ours), _drawn_weights(ours, resamples, seed)
    interval = _percentiles(aurocs(ours, drawn) - aurocs(theirs, drawn))
    value = _number((aurocs(ours, once) - aurocs(theirs, once))[0])
    return None if value is None or interval is None else Advantage(value, interval)


def dealt(folds: Sequence[FoldScores]) -> list[NDArray[np.bool_]]:
    """For each fold, which of its abnormal images it decides, (n_abnormal,) bool.

    Within a repeat the images, in the order of their ids, are dealt round the folds, so that
    each is decided once; the next repeat starts one fold further.
    """
    of_repeat: dict[int, list[int]] = {}
    for fold in folds:
        of_repeat.setdefault(fold.repeat, []).append(fold.fold)
    masks = []
    for fold in folds:
        numbers = sorted(of_repeat[fold.repeat])
        rank = np.argsort(np.argsort(fold.abnormal_ids, kind="stable"), kind="stable")
        turn = (rank + fold.repeat) % len(numbers)
        masks.append(turn == numbers.index(fold.fold))
    return masks


def exact_interval(successes: int, trials: int) -> Interval | None:
    """Clopper and Pearson's interval of a proportion.

    Used for figures of exactly 0 or 1, where a bootstrap would claim to be certain. Those that
    are no proportion of images (areas, F1) take the smaller class for the number of trials,
    which errs on the wide side.
    """
    if not trials:
        return None
    from scipy.stats import binomtest  # noqa: PLC0415  takes a second to load, seldom needed

    found = binomtest(successes, trials).proportion_ci(LEVEL, method="exact")
    return Interval(float(found.low), float(found.high))


def _unit_weights(folds: Sequence[FoldScores]) -> _Weights:
    healthy = sorted({image for fold in folds for image in fold.healthy_ids})
    abnormal = sorted({image for fold in folds for image in fold.abnormal_ids})
    return _Weights(
        np.ones((1, len(healthy))),
        np.ones((1, len(abnormal))),
        {image: column for column, image in enumerate(healthy)},
        {image: column for column, image in enumerate(abnormal)},
    )


def _drawn_weights(folds: Sequence[FoldScores], resamples: int, seed: int) -> _Weights:
    once, rng = _unit_weights(folds), np.random.default_rng(seed)

    def draw(n: int) -> Floats:
        if n == 0:
            return np.ones((resamples, 0))
        return rng.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float64)

    healthy, abnormal = draw(once.healthy.shape[1]), draw(once.abnormal.shape[1])
    return _Weights(healthy, abnormal, once.healthy_column, once.abnormal_column)


def _all_metrics(folds: Sequence[FoldScores], weights: _Weights) -> dict[str, Floats]:
    """Every metric in each of B resamples, (B,) float64, NaN where it cannot be told."""
    ranks = [_rank_metrics(fold, weights) for fold in folds]
    metrics = {name: mean_over_folds([fold[name] for fold in ranks]) for name in RANK_METRICS}
    fp, tn, tp, fn = _decisions(folds, weights)
    metrics["precision"] = ratio(tp, tp + fp)
    metrics["recall"] = ratio(tp, tp + fn)
    metrics["specificity"] = ratio(tn, tn + fp)
    metrics["f1"] = ratio(2 * tp, 2 * tp + fp + fn)
    return metrics


def _confusion(folds: Sequence[FoldScores]) -> Confusion:
    fp, tn, tp, fn = (round(float(n[0])) for n in _decisions(folds, _unit_weights(folds)))
    return Confusion(tn=tn, fp=fp, fn=fn, tp=tp)


def _decisions(
    folds: Sequence[FoldScores], weights: _Weights
) -> tuple[Floats, Floats, Floats, Floats]:
    """Weighted fp, tn, tp, fn over all folds, (B,) each."""
    counts = np.zeros((4, weights.healthy.shape[0]))
    for fold, mine in zip(folds, dealt(folds), strict=True):
        healthy, abnormal = weights.of_fold(fold)
        flagged = np.asarray(fold.healthy_scores) > fold.threshold_value
        found = np.asarray(fold.abnormal_scores) > fold.threshold_value
        counts[0] += healthy @ flagged.astype(np.float64)
        counts[1] += healthy @ (~flagged).astype(np.float64)
        counts[2] += abnormal @ (found & mine).astype(np.float64)
        counts[3] += abnormal @ (~found & mine).astype(np.float64)
    return counts[0], counts[1], counts[2], counts[3]


def _rank_metrics(fold: FoldScores, weights: _Weights) -> dict[str, Floats]:
    """The rank metrics of one fold in each of B resamples, (B,) each."""
    fp, tp = _counts_above(fold, weights)
    at = np.array([SENSITIVITY_AT_FPR])
    return {
        "auroc": area_under(fp, tp),
        "average_precision": average_precision(fp, tp),
        "sensitivity_at_90_specificity": tprs_at(*_roc(fold, weights), at)[:, 0],
    }


def _roc(fold: FoldScores, weights: _Weights) -> tuple[Floats, Floats]:
    """False- and true-positive rates at every threshold, (B, thresholds + 1) each."""
    fp, tp = _counts_above(fold, weights)
    return ratio(fp, fp[:, -1:]), ratio(tp, tp[:, -1:])


def _counts_above(fold: FoldScores, weights: _Weights) -> tuple[Floats, Floats]:
    """Weighted false and true positives of a fold's images at each threshold, (B, steps) each."""
    return counts_above(fold.healthy_scores, fold.abnormal_scores, *weights.of_fold(fold))


def _percentiles(draws: Floats) -> Interval | None:
    told = draws[~np.isnan(draws)]
    if not told.size:
        return None
    low, high = np.quantile(told, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
