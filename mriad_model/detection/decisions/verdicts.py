"""The verdict of a decision and its reason, from what is stored of a scan.

Numpy only, as `thresholds` beside this: a recalibration decides again without inference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mriad_model.detection.decisions.thresholds import sampling_interval, verdict
from mriad_model.enums import DecisionReason, Policy, Verdict
from mriad_model.recipes.decision_recipes import UncertainRecipe


@dataclass(frozen=True, slots=True)
class Evidence:
    """A model's results for one scan."""

    score: float
    gate: float | None = None  # distance to what was learned, 1 at the limit; None: no gate
    spread: float | None = None  # of the folds' scores, standard deviation; None: no folds
    contrast_known: bool = True  # by the source, or the scan is one that has none


@dataclass(frozen=True, slots=True)
class ThresholdBand:
    """A threshold, and the interval that one drawn from as many other scans would lie in."""

    value: float
    band: tuple[float, float] | None = None  # None: not asked for


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and why."""

    verdict: Verdict
    reason: DecisionReason


def threshold_band(
    value: float,
    policy: Policy,
    k: float,
    healthy: Sequence[float],
    groups: Sequence[int] | None = None,
    how: UncertainRecipe | None = None,
) -> ThresholdBand:
    """A threshold of this value; its interval, from `healthy` scores of these groups."""
    if how is None:
        return ThresholdBand(value)
    return ThresholdBand(value, sampling_interval(healthy, policy, k, how.confidence, groups))


def is_not_scorable(gate: float | None) -> bool:
    """Whether a scan is too unlike what was learned to be scorable, by the gate's value."""
    return gate is not None and not gate <= 1


def judge(
    found: Evidence,
    threshold: ThresholdBand,
    how: UncertainRecipe | None = None,
    unlike: DecisionReason = DecisionReason.UNLIKE_LEARNED,
) -> Judgement:
    """The verdict on a scan.

    Not scorable where the gate is above its limit, whatever the score. Uncertain where the score
    lies in the threshold's interval, or within the folds' spread of the threshold. Near the gate's
    limit a scan is uncertain that would be normal; one well above the threshold stays suspicious,
    for a large lesion is unlike what was learned too. A gate that is no number is above its limit.
    `unlike` is why a scan of known contrast above the gate's limit is not scorable.
    """
    if is_not_scorable(found.gate):
        known = found.contrast_known
        return Judgement(
            Verdict.NOT_SCORABLE,
            unlike if known else DecisionReason.CONTRAST_UNKNOWN,
        )
    plain = verdict(found.score, threshold.value)
    if threshold.band is not None and threshold.band[0] < found.score <= threshold.band[1]:
        return Judgement(Verdict.UNCERTAIN, DecisionReason.NEAR_THRESHOLD)
    disagreement = 0.0 if how is None or found.spread is None else how.spreads * found.spread
    if abs(found.score - threshold.value) < disagreement:
        return Judgement(Verdict.UNCERTAIN, DecisionReason.FOLDS_DISAGREE)
    if plain is Verdict.SUSPICIOUS:
        return Judgement(plain, DecisionReason.ABOVE_THRESHOLD)
    if how is not None and found.gate is not None and found.gate > how.gate_edge:
        return Judgement(Verdict.UNCERTAIN, DecisionReason.NEAR_GATE)
    return Judgement(plain, DecisionReason.NOT_ABOVE_THRESHOLD)
