"""Which share of the healthy and of the abnormal scans gets which verdict, over all folds."""

from collections.abc import Mapping, Sequence

import numpy as np

from mriad_model.enums import LabelValue, Verdict
from mriad_model.evaluation.metrics.lesion_metrics import Figure
from mriad_model.evaluation.metrics.roc import Floats, FoldScores, ImageWeights, n_groups, ratio
from mriad_model.evaluation.metrics.scan_metrics import (
    RESAMPLES,
    Interval,
    exact_interval,
    percentiles,
)


def verdict_shares(
    verdicts: Sequence[Mapping[int, str]],
    scores: Sequence[FoldScores],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[LabelValue, dict[Verdict, Figure]]:
    """Label -> verdict -> its share, with an interval by bootstrap over groups.

    A scan counts once a repeat, in the fold that decides it. Empty where a fold says nothing.
    """
    if not scores or not all(verdicts):
        return {}
    once, drawn = ImageWeights.once(scores), ImageWeights.drawn(scores, resamples, seed)
    found = {}
    for label, trials in zip(
        (LabelValue.HEALTHY, LabelValue.ABNORMAL), n_groups(scores), strict=True
    ):

        def share(weights: ImageWeights, verdict: Verdict, label: LabelValue = label) -> Floats:
            healthy = label is LabelValue.HEALTHY
            of_images = weights.healthy if healthy else weights.abnormal
            column = weights.healthy_column if healthy else weights.abnormal_column
            hits, total = np.zeros(len(of_images)), np.zeros(len(of_images))
            for fold in verdicts:
                for item, given in fold.items():
                    if item in column:
                        times = of_images[:, column[item]]
                        total += times
                        hits += times * (given == verdict.value)
            return ratio(hits, total)

        figures = {}
        for verdict in Verdict:
            value = float(share(once, verdict)[0])
            if np.isnan(value):
                figures[verdict] = Figure(None, None)
                continue
            interval: Interval | None = percentiles(share(drawn, verdict))
            if value in {0.0, 1.0}:  # where a bootstrap would be certain
                interval = exact_interval(round(value) * trials, trials)
            figures[verdict] = Figure(value, interval)
        found[label] = figures
    return found


def promised_rate(promised: Sequence[tuple[float, float, float] | None]) -> Figure | None:
    """The share of healthy scans that thresholds say they flag, and its interval: folds' means."""
    known = [each for each in promised if each is not None]
    if not known or len(known) < len(promised):
        return None
    rate, low, high = np.mean(known, axis=0).tolist()
    return Figure(rate, Interval(low, high))
