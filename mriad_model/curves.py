"""ROC curves of many weighted draws of the same images at once.

Rows are draws: weights (B, n) say how often each image is drawn, and everything below is
computed for all B by sorting once and adding up. NaN stands for what a draw cannot tell.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def counts_above(
    healthy_scores: Sequence[float],
    abnormal_scores: Sequence[float],
    healthy_weights: Floats,
    abnormal_weights: Floats,
) -> tuple[Floats, Floats]:
    """Weighted false and true positives at every distinct threshold, falling from infinity.

    Images of equal score pass a threshold together, so ties count half, as in the
    Mann-Whitney statistic. (B, distinct scores + 1) each, the first column zero.
    """
    scores = np.concatenate([healthy_scores, abnormal_scores])
    drawn = np.concatenate([healthy_weights, abnormal_weights], axis=1)  # (B, n)
    order = np.argsort(-scores, kind="stable")
    is_abnormal = (order >= len(healthy_scores)).astype(np.float64)
    last_of_tie = np.append(scores[order][1:] != scores[order][:-1], True)[: len(scores)]
    start = np.zeros((drawn.shape[0], 1))
    fp, tp = (
        np.hstack([start, np.cumsum(drawn[:, order] * of_class, axis=1)[:, last_of_tie]])
        for of_class in (1.0 - is_abnormal, is_abnormal)
    )
    return fp, tp


def area_under(fp: Floats, tp: Floats) -> Floats:
    """Area under each ROC curve of counts (B, steps), (B,)."""
    area = (np.diff(fp) * (tp[:, 1:] + tp[:, :-1]) / 2.0).sum(axis=1)
    return ratio(area, fp[:, -1] * tp[:, -1])


def average_precision(fp: Floats, tp: Floats) -> Floats:
    """Sum over thresholds of the gain in recall times the precision there, (B,).

    Needs both classes: without healthy images it would be 1 whatever the scores.
    """
    flagged = tp + fp
    precision = np.divide(tp, flagged, out=np.zeros_like(tp), where=flagged > 0)[:, 1:]
    average = ratio((np.diff(tp) * precision).sum(axis=1), tp[:, -1])
    return np.where(fp[:, -1] > 0, average, np.nan)


def tprs_at(fpr: Floats, tpr: Floats, grid: Floats) -> Floats:
    """True-positive rates at given false-positive rates, (B, points) of curves (B, steps).

    Linear between the curve's points (a coin between two thresholds achieves it); where the
    curve rises straight up, its highest point.
    """
    rows = np.arange(fpr.shape[0])
    found = np.empty((fpr.shape[0], grid.size))
    for column, x in enumerate(grid):
        left = np.maximum((fpr <= x).sum(axis=1) - 1, 0)
        right = np.minimum(left + 1, fpr.shape[1] - 1)
        run = fpr[rows, right] - fpr[rows, left]
        share = np.divide(x - fpr[rows, left], run, out=np.zeros_like(run), where=run > 0)
        found[:, column] = tpr[rows, left] + share * (tpr[rows, right] - tpr[rows, left])
    found[np.isnan(fpr).any(axis=1)] = np.nan
    return found


def mean_over_folds(of_folds: Sequence[Floats]) -> Floats:
    """The mean over folds, leaving out folds whose resample has no image of a class."""
    stacked = np.stack(of_folds)
    known = ~np.isnan(stacked)
    return ratio(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient, NaN where the denominator is not above 0; the two broadcast."""
    above, below = np.broadcast_arrays(numerator, denominator)
    undefined = np.full(above.shape, np.nan)
    return np.asarray(np.divide(above, below, out=undefined, where=below > 0), dtype=np.float64)
