"""A candidate against the current model, on the same scans, none of which either learned from.

The candidate has to be shown no worse, in three ways, each with the stated confidence (one-sided),
and must not be shown worse in a fourth; all that can be tried must hold, so no correction for
several tests is due (intersection-union, Berger 1982):

1. on implanted lesions: its AUROC, implants against the healthy scans that they were put in, is
   at most `auroc_margin` below the other's;
2. the same on labelled abnormal scans, where there are `needed_scans` of them;
3. of the healthy scans it flags, by its own threshold, at most a share `rate_margin` more;
4. of the implants it finds, each model by its own threshold, not significantly fewer: a model that
   ranks as well and flags next to nobody passes the other three.

Differences of AUROC and of the share found are bootstrapped over scans, one a group of
near-duplicates, paired: a draw takes both models' scores of a scan, and its implants, along (Efron
and Tibshirani 1993). An implant is never set against its
own scan, whose score it nearly always exceeds. Rates are compared by Tango's score test for
paired proportions (1998, Statistics in Medicine 17:891), which stays honest where no verdict
differs. A threshold says little of the scans that it was drawn through: on those a model's
verdict is that of the threshold that the others draw (leave one out, twins along).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriad_model.detection.decisions.thresholds import fit_threshold, verdict
from mriad_model.enums import Policy, Verdict
from mriad_model.errors import ThresholdUndefined
from mriad_model.shares import in_percent

RESAMPLES = 2000
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PromotionCriteria:
    """What a candidate must show."""

    auroc_margin: float = 0.05
    rate_margin: float = 0.1
    confidence: float = 0.9  # one-sided

    @property
    def z(self) -> float:
        """The normal quantile of the confidence."""
        return NormalDist().inv_cdf(self.confidence)

    @property
    def needed_scans(self) -> int:
        """The fewest healthy scans that can show the rates alike, were no verdict to differ."""
        return math.ceil(self.z**2 * (1 / self.rate_margin - 1))


NEEDED = PromotionCriteria().needed_scans


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """One model on the comparison scans. Scores: higher is more anomalous."""

    healthy: Floats  # (n,)
    implanted: Floats  # (n, K), of each healthy scan with each of K lesions in it
    abnormal: Floats  # (m,)
    flagged: Bools  # (n,) which healthy scans it calls suspicious or not scorable
    caught: Bools  # (n, K) which implants


@dataclass(frozen=True, slots=True)
class ComparisonOutcome:
    """Whether the candidate is to be activated, and why."""

    promoted: bool
    too_few: bool  # not promoted only for want of scans
    reason: str
    figures: dict[str, Any]


def compare(
    current: ModelScores, candidate: ModelScores, terms: PromotionCriteria, seed: int = 0
) -> ComparisonOutcome:
    """Compare the two on the same scans in the same order."""
    n, m = len(current.healthy), len(current.abnormal)
    figures: dict[str, Any] = {
        "n_healthy": n,
        "n_implanted": int(current.implanted.size),
        "n_abnormal": m,
        "needed": terms.needed_scans,
        "auroc_margin": terms.auroc_margin,
        "rate_margin": terms.rate_margin,
        "confidence": terms.confidence,
    }
    if n < terms.needed_scans:
        reason = (
            f"not promoted: {n} healthy scans that neither model learned from are too few to "
            f"tell which is better; {terms.needed_scans} are needed"
        )
        return ComparisonOutcome(promoted=False, too_few=True, reason=reason, figures=figures)
    rng = np.random.default_rng(seed)
    figures["implanted"] = _on_implants(current, candidate, terms, rng)
    figures["abnormal"] = _on_abnormal(current, candidate, terms, rng) if m else None
    figures["false_positives"] = _false_positives(current, candidate, terms)
    figures["caught"] = _caught(current, candidate, terms, rng)
    failed, text = _failed(figures, terms), _figures_text(figures, terms)
    reason = f"not promoted: {failed}; {text}" if failed else f"promoted: {text}"
    return ComparisonOutcome(promoted=not failed, too_few=False, reason=reason, figures=figures)


def points(side: ModelScores) -> dict[str, Any]:
    """The figures of one model without a margin, for few scans; AUROC None with nothing to rank."""
    n, m = len(side.healthy), len(side.abnormal)
    figures: dict[str, Any] = {"n_healthy": n, "n_abnormal": m, "flagged": int(side.flagged.sum())}
    figures["auroc_implanted"] = figures["auroc_abnormal"] = None
    if n > 1:
        wins = _above(side.implanted, side.healthy)
        figures["auroc_implanted"] = float((wins.sum() - np.trace(wins)) / (n * n - n))
    if n and m:
        figures["auroc_abnormal"] = float(_above(side.abnormal[:, None], side.healthy).mean())
    return figures


def points_text(figures: Mapping[str, Any], other: Mapping[str, Any] | None) -> str:
    """The figures of a model in words, with those of the active one behind."""
    n, m = figures["n_healthy"], figures["n_abnormal"]
    parts = []
    for name, on in (("implanted", "implanted lesions"), ("abnormal", f"{m} abnormal scans")):
        found = figures[f"auroc_{name}"]
        if found is not None:
            against = "" if other is None else f" (active: {other[f'auroc_{name}']:.3f})"
            parts.append(f"AUROC on {on} {found:.3f}{against}")
    against = "" if other is None else f" (active: {other['flagged']})"
    parts.append(f"{figures['flagged']} of {n} healthy scans flagged{against}")
    text = ", ".join(parts)
    if other and n < NEEDED:
        text += f"; too few scans to tell which is better, it takes {NEEDED}"
    return text


def verdicts_left_out(
    scores: Mapping[int, float],
    calibration: Mapping[int, float],
    groups: Mapping[int, int],
    policy: Policy,
    k: float,
    *,
    counted: Mapping[int, int] | None = None,
) -> dict[int, bool]:
    """Whether each scan is suspicious by the threshold of the calibration scores.

    Scans in the calibration, and their twins there, are excluded from their own threshold. Mappings
    are by scan id; `groups` are shared by twins and scans of one patient. `counted` are the groups
    that the threshold itself was drawn with, each of which counts once; None: each scan does.
    Raises ThresholdUndefined where the rest give no threshold.
    """
    if not calibration:
        raise ThresholdUndefined("no calibration scores")
    of_group: dict[int, list[int]] = {}
    for scan_id in calibration:
        of_group.setdefault(groups[scan_id], []).append(scan_id)

    def drawn(left_out: set[int]) -> float:
        left = [scan_id for scan_id in calibration if scan_id not in left_out]
        of_left = None if counted is None else [counted[scan_id] for scan_id in left]
        return fit_threshold([calibration[i] for i in left], policy, k, of_left).value

    whole = drawn(set())
    suspicious = {}
    for scan_id, score in scores.items():
        value, left_out = whole, set(of_group.get(groups[scan_id], ()))
        if left_out:
            value = drawn(left_out)
        suspicious[scan_id] = verdict(score, value) is Verdict.SUSPICIOUS
    return suspicious


def rate_upper_limit(both_ways: tuple[int, int], n: int, z: float) -> float:
    """The upper limit of the first paired rate less the second that a score test does not reject.

    `both_ways`: how many of n scans only the first flags, and only the second; `z`: one-sided
    normal quantile of the confidence.
    """
    low, high = (both_ways[0] - both_ways[1]) / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tango(both_ways, n, middle) > -z else (low, middle)
    return high


def _tango(both_ways: tuple[int, int], n: int, difference: float) -> float:
    """Tango's score statistic of the hypothesis that the rates differ so much."""
    b, c = both_ways
    # The likeliest share of "only the second" under the hypothesis solves a quadratic.
    linear = -b - c + (2 * n - b + c) * difference
    constant = -c * difference * (1 - difference)
    share = (math.sqrt(linear**2 - 8 * n * constant) - linear) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    if variance <= 0:
        return 0.0 if b - c == n * difference else -math.inf
    return (b - c - n * difference) / math.sqrt(variance)


def _on_implants(
    current: ModelScores, candidate: ModelScores, terms: PromotionCriteria, rng: np.random.Generator
) -> dict[str, float]:
    wins = [_above(side.implanted, side.healthy) for side in (current, candidate)]
    n = len(current.healthy)
    weights = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64)  # (B, n)
    once = np.ones((1, n))

    def aurocs(matrix: Floats, draws: Floats) -> Floats:
        pairs = draws.sum(axis=1) ** 2 - (draws**2).sum(axis=1)
        with_own = (draws**2 * np.diag(matrix)).sum(axis=1)
        return np.asarray((((draws @ matrix) * draws).sum(axis=1) - with_own) / pairs)

    differences = aurocs(wins[1] - wins[0], weights)
    old, new = (float(aurocs(each, once)[0]) for each in wins)
    return _compared(old, new, differences, terms.confidence)


def _on_abnormal(
    current: ModelScores, candidate: ModelScores, terms: PromotionCriteria, rng: np.random.Generator
) -> dict[str, float]:
    wins = [_above(side.abnormal[:, None], side.healthy) for side in (current, candidate)]
    m, n = wins[0].shape
    rows = rng.multinomial(m, np.full(m, 1 / m), RESAMPLES) / m  # (B, m)
    columns = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n  # (B, n)
    differences = np.asarray(((rows @ (wins[1] - wins[0])) * columns).sum(axis=1))
    old, new = (float(each.mean()) for each in wins)
    return _compared(old, new, differences, terms.confidence)


def _caught(
    current: ModelScores, candidate: ModelScores, terms: PromotionCriteria, rng: np.random.Generator
) -> dict[str, float]:
    """The shares of implants found, and the most that the candidate's may be above the other's."""
    shares = [side.caught.mean(axis=1) for side in (current, candidate)]
    n = len(shares[0])
    draws = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n  # (B, n)
    differences = draws @ (shares[1] - shares[0])
    old, new = (float(each.mean()) for each in shares)
    at_most = float(np.quantile(differences, terms.confidence))
    return {"current": old, "candidate": new, "difference": new - old, "at_most": at_most}


def _above(abnormal: Floats, healthy: Floats) -> Floats:
    """How often the scores of each row (n, K) lie above each healthy score (m,); ties half; (n, m).

    Pair by pair, as no library gives it: draws weigh the pairs, and implants skip their own scan.
    """
    above = abnormal[:, :, None] > healthy[None, None, :]
    ties = abnormal[:, :, None] == healthy[None, None, :]
    return np.asarray((above + 0.5 * ties).mean(axis=1))  # (n, K, m) -> (n, m)


def _compared(
    current: float, candidate: float, differences: Floats, confidence: float
) -> dict[str, float]:
    return {
        "current": current,
        "candidate": candidate,
        "difference": candidate - current,
        "at_least": float(np.quantile(differences, 1 - confidence)),
    }


def _false_positives(
    current: ModelScores, candidate: ModelScores, terms: PromotionCriteria
) -> dict[str, float]:
    n = len(current.flagged)
    only_new = int((candidate.flagged & ~current.flagged).sum())
    only_old = int((current.flagged & ~candidate.flagged).sum())
    return {
        "current": int(current.flagged.sum()),
        "candidate": int(candidate.flagged.sum()),
        "n": n,
        "difference": (only_new - only_old) / n,
        "at_most": rate_upper_limit((only_new, only_old), n, terms.z),
    }


def _failed(figures: Mapping[str, Any], terms: PromotionCriteria) -> str:
    """What the candidate failed to show, or an empty text."""
    parts: list[str] = []
    for name, on in (("implanted", "implanted lesions"), ("abnormal", "abnormal scans")):
        found = figures[name]
        few = name == "abnormal" and figures["n_abnormal"] < terms.needed_scans
        if found is not None and not few and found["at_least"] < -terms.auroc_margin:
            parts.append(f"it may be worse on {on} than the margin allows")
    if figures["false_positives"]["at_most"] > terms.rate_margin:
        parts.append("it may flag more healthy scans than the margin allows")
    if figures["caught"]["at_most"] < 0:
        parts.append("it finds significantly fewer implanted lesions by its threshold")
    return " and ".join(parts)


def _figures_text(figures: Mapping[str, Any], terms: PromotionCriteria) -> str:
    """The figures in words."""
    sure = f"{100 * terms.confidence:g} % confidence"
    parts = []
    for name, on in (("implanted", "implanted lesions"), ("abnormal", "abnormal scans")):
        found = figures[name]
        if found is not None:
            parts.append(
                f"AUROC on {on} {found['candidate']:.3f} against {found['current']:.3f} "
                f"(with {sure} {found['at_least']:+.3f} or more, "
                f"{-terms.auroc_margin:+.3f} allowed)"
            )
    flagged = figures["false_positives"]
    parts.append(
        f"{flagged['candidate']} of {flagged['n']} healthy scans flagged against "
        f"{flagged['current']} (with {sure} {100 * flagged['at_most']:+.1f} % or less, "
        f"{100 * terms.rate_margin:+.1f} % allowed)"
    )
    caught = figures["caught"]
    parts.append(
        f"{in_percent(caught['candidate'])} of the implanted lesions found against "
        f"{in_percent(caught['current'])} (with {sure} {100 * caught['at_most']:+.1f} % or less)"
    )
    return ", ".join(parts)


def one_of_each(groups: Sequence[int], keys: Sequence[str], most: int) -> list[int]:
    """Places of one scan a group, the one of the smallest key; at most so many, by key."""
    first: dict[int, int] = {}
    for place, group in enumerate(groups):
        if group not in first or keys[place] < keys[first[group]]:
            first[group] = place
    return sorted(sorted(first.values(), key=lambda place: keys[place])[:most])
