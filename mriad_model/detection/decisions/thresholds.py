"""Thresholds: a line drawn through the scores of healthy scans the model never saw.

Without torch, so that a recalibration starts as quickly as a query. Scores are "higher is more
anomalous"; a scan is suspicious when its score lies strictly above the threshold's value. All
sums are exactly rounded (`math.fsum`), so stored scores give the same bits in any order.

Near-duplicates, and scans of one patient, say the same thing several times. Where their groups are
given, a group counts once however many scans it has: each of n scans counts 1/n.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from statistics import NormalDist
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mriad_model.enums import Policy, Verdict
from mriad_model.errors import SettingsError, ThresholdUndefined

CONFIDENCE = 0.95  # of intervals
FALSE_DISCOVERY_RATE = 0.1  # of the scans that stand out in a night, how many are healthy
DEFAULT_SIGMAS = 1.0  # the seed's: mean + 1 sd flags about 16 % of normally distributed scores


@dataclass(frozen=True, slots=True)
class ThresholdFit:
    """A threshold and the calibration scores' figures that it was made of."""

    policy: Policy
    mean: float
    sd: float  # divides by n, not n - 1, as the seed's notebook (numpy's default) did
    n: int
    k: float  # sigmas above the mean, the quantile, or the rate, as the policy says
    value: float
    n_groups: int | None = None  # of near-duplicates and patients
    rate: float | None = None  # of healthy scans that it flags, see `promised_rate`
    rate_low: float | None = None  # 95 % interval
    rate_high: float | None = None


@dataclass(frozen=True, slots=True)
class Flips:
    """How many decisions a new threshold turns, each way."""

    to_suspicious: int
    to_normal: int
    to_uncertain: int = 0


def fit_threshold(
    scores: ArrayLike,
    policy: Policy = Policy.SIGMAS,
    k: float = DEFAULT_SIGMAS,
    groups: Sequence[int] | None = None,
) -> ThresholdFit:
    """The threshold that calibration scores (n,) give under a policy.

    `sigmas`: mean + k * sd. `quantile`: the smallest calibration score that at least a share k
    of healthy scans stay at or below, see `conformal_quantile`. `rate`: the same, k being the
    share that lies above. `groups` are those of the scores.

    Raises ThresholdUndefined for fewer than two scores, scores that are not finite, or scores
    that are all the same, and SettingsError for a k that the policy cannot use.
    """
    values = _checked(scores)
    check_k(policy, k)
    mean, sd = mean_and_sd(values, groups)
    if values.max() == values.min():
        raise ThresholdUndefined(
            f"all {values.size} calibration scores are {values[0]:g}, so they have no spread: "
            "calibrate on healthy scans that differ, or check the model"
        )
    value = mean + k * sd if policy is Policy.SIGMAS else _conformal(values, policy, k, groups)
    n_groups = values.size if groups is None else len(set(groups))
    rate = promised_rate(values, value, groups, conformal=policy is not Policy.SIGMAS)
    return ThresholdFit(policy, mean, sd, int(values.size), k, value, int(n_groups), *rate)


def _conformal(
    values: NDArray[np.float64], policy: Policy, k: float, groups: Sequence[int] | None
) -> float:
    if policy is Policy.QUANTILE:
        return conformal_quantile(values, k, groups)
    needed = groups_needed(k)
    n = values.size if groups is None else len(set(groups))
    if n < needed:
        raise ThresholdUndefined(too_few_for(k, n))
    return conformal_quantile(values, float(1 - _exactly(k)), groups)


def groups_needed(rate: float) -> int:
    """The fewest healthy scans, near-duplicates and patients counted once, that keep a rate."""
    return math.ceil(1 / _exactly(rate)) - 1


def too_few_for(rate: float, n: int) -> str:
    """That n healthy scans cannot keep a rate, and how many can."""
    return (
        f"a false-positive rate of {rate:g} takes {groups_needed(rate)} healthy calibration scans "
        f"(near-duplicates and scans of one patient count as one), and there are {n}: "
        "add healthy scans or ask for a higher rate"
    )


def promised_rate(
    scores: ArrayLike, value: float, groups: Sequence[int] | None = None, *, conformal: bool
) -> tuple[float, float, float]:
    """The share of healthy scans that lie above a value, and its 95 % interval.

    Of n groups, `a` lie above. A conformal value is the (n - a)-th of their scores, so the rate of
    all healthy scans has the distribution Beta(a + 1, n - a), whose mean (a + 1) / (n + 1) is the
    rate (Vovk 2012, Conditional validity of inductive conformal predictors; Angelopoulos and Bates
    2023, section 3.2). Any other value is not drawn by rank: the rate is a / n, with the exact
    interval of a binomial share (Clopper and Pearson 1934). Exact where each group is one scan; a
    group of several counts by the share of it that lies above.
    """
    from scipy.special import betaincinv  # noqa: PLC0415  a tenth of a second, seldom needed

    values = np.asarray(scores, dtype=np.float64).ravel()
    counts = _counts(values.size, groups)
    n = float(sum(counts))
    above = float(sum((c for c, s in zip(counts, values, strict=True) if s > value), Fraction(0)))
    tail = (1 - CONFIDENCE) / 2
    highest = 1.0 if above >= n else float(betaincinv(above + 1, n - above, 1 - tail))
    if conformal:
        return (above + 1) / (n + 1), float(betaincinv(above + 1, n - above, tail)), highest
    lowest = 0.0 if above <= 0 else float(betaincinv(above, n - above + 1, tail))
    return above / n, lowest, highest


def mean_and_sd(scores: ArrayLike, groups: Sequence[int] | None = None) -> tuple[float, float]:
    """Mean and population standard deviation (ddof 0), independent of the scores' order."""
    values = np.asarray(scores, dtype=np.float64).ravel().tolist()
    counts = [float(count) for count in _counts(len(values), groups)]
    total = math.fsum(counts)
    mean = math.fsum(c * value for c, value in zip(counts, values, strict=True)) / total
    squares = (c * (value - mean) ** 2 for c, value in zip(counts, values, strict=True))
    return mean, math.sqrt(math.fsum(squares) / total)


def conformal_quantile(
    scores: ArrayLike, quantile: float, groups: Sequence[int] | None = None
) -> float:
    """The ceil((n + 1) * quantile)-th smallest score; with groups, n and ranks count those.

    A new healthy scan exceeds it with probability at most 1 - quantile (split conformal
    prediction, Vovk, Gammerman and Shafer 2005). A score lies above it
    exactly when its `p_value` is at most 1 - quantile. Raises ThresholdUndefined where there
    are too few scores to promise so much.
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    counts = _counts(values.size, groups)
    share = _exactly(quantile)
    wanted, reached = (sum(counts) + 1) * share, Fraction(0)
    for place in np.argsort(values, kind="stable").tolist():
        reached += counts[place]
        if reached >= wanted:
            return float(values[place])
    needed = math.ceil(share / (1 - share))
    what = "healthy scans" if _each_counts(values.size, groups) else "such groups of healthy scans"
    raise ThresholdUndefined(
        f"{_said(values.size, groups)} cannot hold the quantile {quantile:g}: "
        f"give at least {needed} {what} or a lower quantile"
    )


@overload
def p_value(
    scores: float, calibration_scores: ArrayLike, groups: Sequence[int] | None = None
) -> float: ...
@overload
def p_value(
    scores: Sequence[float] | NDArray[np.floating],
    calibration_scores: ArrayLike,
    groups: Sequence[int] | None = None,
) -> NDArray[np.float64]: ...
def p_value(
    scores: float | Sequence[float] | NDArray[np.floating],
    calibration_scores: ArrayLike,
    groups: Sequence[int] | None = None,
) -> float | NDArray[np.float64]:
    """How unusual a score is among healthy ones: (1 + #{calibration >= score}) / (n + 1).

    With the calibration scores' `groups`, those are counted, a group of n scans 1/n for each.
    Never 0, and at most alpha for at most a share alpha of healthy scans (conformal p-value,
    Vovk et al. 2005; the + 1 counts the scan itself). A score that is not a number ranks
    above all others, as in `verdict`.
    """
    values = _checked(calibration_scores, at_least=1)
    order = np.argsort(values, kind="stable")
    tails = _tails(order, groups)
    given = np.asarray(scores, dtype=np.float64)
    at_or_above = tails[np.searchsorted(values[order], given, side="left")]
    p = (1.0 + at_or_above) / (tails[0] + 1.0)
    return float(p) if given.ndim == 0 else np.asarray(p, dtype=np.float64)


def sampling_interval(
    scores: ArrayLike,
    policy: Policy,
    k: float,
    confidence: float,
    groups: Sequence[int] | None = None,
) -> tuple[float, float]:
    """Where a threshold drawn from as many other healthy scans would lie, with this confidence.

    `sigmas`: the threshold, plus and minus its standard error by the jackknife that leaves out one
    group at a time (Efron and Tibshirani 1993), which needs no normal distribution. Else
    the two scores of the ranks of the binomial interval (Hahn and Meeker 1991); a score above all
    calibration scores lies outside. With one group there is no telling: minus and plus infinity.
    """
    values = _checked(scores)
    n = values.size if groups is None else len(set(groups))
    if n < 2:
        return -math.inf, math.inf
    z = NormalDist().inv_cdf(0.5 + confidence / 2) if confidence < 1 else math.inf
    if policy is Policy.SIGMAS:
        middle, reach = (
            fit_threshold(values, policy, k, groups).value,
            z * _error(values, k, groups),
        )
        return middle - reach, middle + reach
    quantile = k if policy is Policy.QUANTILE else 1 - k
    reach = z * math.sqrt(k * (1 - k) / n)
    low, high = max(quantile - reach, 1 / (n + 1)), quantile + reach
    top = values.max() if high >= n / (n + 1) else conformal_quantile(values, high, groups)
    return conformal_quantile(values, low, groups), float(top)


def _error(values: NDArray[np.float64], k: float, groups: Sequence[int] | None) -> float:
    """The standard error of mean + k sd, without each group in turn (jackknife)."""
    of_group: dict[int, list[float]] = {}
    for group, value in zip(groups or range(values.size), values.tolist(), strict=True):
        of_group.setdefault(group, []).append(value)
    n, centre = len(of_group), math.fsum(values) / values.size
    means = [math.fsum(v - centre for v in each) / len(each) for each in of_group.values()]
    squares = [math.fsum((v - centre) ** 2 for v in each) / len(each) for each in of_group.values()]
    mean, square = math.fsum(means), math.fsum(squares)
    left = []
    for own, own_square in zip(means, squares, strict=True):
        middle = (mean - own) / (n - 1)
        variance = (square - own_square) / (n - 1) - middle**2
        left.append(middle + k * math.sqrt(max(variance, 0.0)))
    usual = math.fsum(left) / n
    return math.sqrt((n - 1) / n * math.fsum((each - usual) ** 2 for each in left))


def calibration_needed(n_looks: int, false_discovery_rate: float = FALSE_DISCOVERY_RATE) -> int:
    """The fewest calibration scores with which one scan among `n_looks` can stand out.

    The smallest p there is, 1 / (n + 1), passes Benjamini and Hochberg's (1995) first step,
    q / m, only if n >= m / q - 1.
    """
    return max(1, math.ceil(n_looks / _exactly(false_discovery_rate) - 1))


def standing_out(
    p_values: ArrayLike, false_discovery_rate: float = FALSE_DISCOVERY_RATE
) -> NDArray[np.bool_]:
    """Which p-values (m,) stand out among all, (m,): Benjamini and Hochberg's (1995) procedure.

    Of those that do, at most so large a share are healthy scans, on average over nights. Conformal
    p-values of one calibration depend on each other in the way that the procedure allows (Bates et
    al. 2023, Testing for outliers with conformal p-values).
    """
    values = np.asarray(p_values, dtype=np.float64).ravel()
    order = np.argsort(values, kind="stable")
    limits = false_discovery_rate * np.arange(1, values.size + 1) / values.size
    below = np.flatnonzero(values[order] <= limits)
    found = np.zeros(values.size, np.bool_)
    if below.size:
        found[order[: below[-1] + 1]] = True
    return found


def verdict(score: float, value: float) -> Verdict:
    """Suspicious when the score lies strictly above the threshold's value.

    A score that is not a number is suspicious: silence never reads as normal.
    """
    return Verdict.NORMAL if score <= value else Verdict.SUSPICIOUS


def flips(old: Sequence[Verdict], new: Sequence[Verdict]) -> Flips:
    """How many of the same scans' verdicts change, each way."""
    turned = [now for was, now in zip(old, new, strict=True) if was is not now]
    return Flips(
        to_suspicious=turned.count(Verdict.SUSPICIOUS),
        to_normal=turned.count(Verdict.NORMAL),
        to_uncertain=turned.count(Verdict.UNCERTAIN),
    )


def _counts(n: int, groups: Sequence[int] | None) -> list[Fraction]:
    """How much each of n scores counts."""
    if groups is None:
        return [Fraction(1)] * n
    sizes = Counter(groups)
    return [Fraction(1, sizes[group]) for group in groups]


def _tails(order: NDArray[np.intp], groups: Sequence[int] | None) -> NDArray[np.float64]:
    """How many scores lie at or above the i-th of this order, for i of 0 to n, (n + 1,)."""
    if groups is None:
        return np.arange(order.size, -1.0, -1.0)
    counts = _counts(order.size, groups)
    above = accumulate((counts[i] for i in order[::-1].tolist()), initial=Fraction(0))
    return np.array([float(count) for count in above])[::-1]


def _each_counts(n: int, groups: Sequence[int] | None) -> bool:
    return groups is None or len(set(groups)) == n


def _said(n: int, groups: Sequence[int] | None) -> str:
    if groups is None or _each_counts(n, groups):
        return f"{n} calibration scores"
    return f"{n} calibration scores of {len(set(groups))} groups of near-duplicates or patients"


def _checked(scores: ArrayLike, at_least: int = 2) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64).ravel()
    if values.size < at_least:
        raise ThresholdUndefined(
            f"{values.size} calibration score(s): at least {at_least} healthy scans are needed"
        )
    if not np.isfinite(values).all():
        broken = int((~np.isfinite(values)).sum())
        raise ThresholdUndefined(
            f"{broken} of {values.size} calibration scores are not finite: score those scans again"
        )
    return values


def check_k(policy: Policy, k: float) -> None:
    """Refuse a k that the policy has no use for.

    Raises:
        SettingsError: it is not finite, or no quantile.
    """
    if policy is Policy.SIGMAS and not math.isfinite(k):
        raise SettingsError(f"sigmas must be a finite number, not {k:g}")
    if policy is Policy.QUANTILE and not 0.0 < k < 1.0:
        raise SettingsError(f"a quantile lies between 0 and 1, not at {k:g}")
    if policy is Policy.RATE and not 0.0 < k < 1.0:
        raise SettingsError(f"a false-positive rate lies between 0 and 1, not at {k:g}")


def _exactly(share: float) -> Fraction:
    """A share as it was typed: 0.07 * 100 is 7.000000000000001 in floats."""
    return Fraction(repr(float(share)))
